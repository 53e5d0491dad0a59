"""The Lightning module for every network. It trains on slices and validates on whole volumes, with the same predictor
that users have, but without post-processing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.override import AttentionOverride, gamma_parameters, switched_off
from AttnSegLib.results import metrics
from training.learning.attention_dropout import attention_dropout
from training.learning.clock import clock_of
from training.learning.losses import loss_function
from training.learning.recipe import Recipe, from_dict
from training.slices.augment import LabelledSlice
from training.slices.cache import read_labelled
from training.slices.dataset import one_hot
from training.slices.module import NOBODY, watched
from training.slices.split import Parts

_MOST_SKIPPED = 100


def lay_out(network: nn.Module) -> None:
    """Put a network's weights into the memory layout "channels last", in which training is faster, except for layers
    that torch calculates wrongly in this layout."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and _miscalculated(layer):
            layer.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            layer.register_forward_pre_hook(_contiguous)


def _miscalculated(layer: nn.Conv2d) -> bool:
    """Whether torch calculates the gradient of a layer's weights wrongly. torch 2.13 does on CPUs, in bfloat16 and
    channels last: a part of the gradient is whatever the memory held before."""
    return max(layer.dilation) > 1 and layer.out_channels > 16 and layer.out_channels % 16 > 0


def _contiguous(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.contiguous() for x in inputs)


class SegmentationModule(lightning.LightningModule):
    """Trains the recipe's network, and logs the loss and the mean Dice over labels and validation volumes.

    Args:
        recipe: as `Recipe.as_dict` gives it, so that the checkpoint holds only plain values.
        parts: the cases.
        steps: of the whole run.
        precision: of this device, which is the recipe's unless that is "auto"; for the model's card.
    """

    def __init__(self, recipe: dict[str, Any], parts: Parts, steps: int, precision: str = "32-true"):
        super().__init__()
        cases = {name: [case.id for case in part] for name, part in parts._asdict().items()}
        self.save_hyperparameters({"recipe": recipe, "cases": cases, "steps": steps, "precision": precision})
        self.recipe: Recipe = from_dict(recipe)
        self.settings = self.recipe.optimisation
        self.parts, self.steps = parts, steps
        self.clock = None if self.settings.minutes is None else clock_of(self.settings)
        self._watched = watched(self.recipe, parts)
        self.latest_dice: float | None = None  # of this epoch, if it was validated
        self.shown: Callable[[str, Volume, np.ndarray], None] | None = None  # gets what was found in a scored case
        self.network = networks.create(self.recipe.network, **self.recipe.options)
        lay_out(self.network)
        self._check_attention()
        self.skipped_steps = 0
        self._skipped_in_a_row = 0
        self.plateau: ReduceLROnPlateau | None = None
        self._restored: dict[str, Any] | None = None  # the state of `plateau`, which is made after a checkpoint is read
        self._scores: dict[str, float] = {}

    def _check_attention(self) -> None:
        """Raises `InputError` for what the network's attention can't do."""
        for name in ("attention_off", "attention_dropout"):
            if getattr(self.settings, name) and not switched_off(self.network):
                raise InputError(f"The recipe's {name} needs a network with attention; leave it out.")
        if self.settings.gamma_rate != 1 and not gamma_parameters(self.network):
            raise InputError(
                "The recipe's gamma_rate needs a network whose attention has learnt weights (gamma), such as "
                "msdualguided; leave it out."
            )

    def training_step(self, batch: LabelledSlice, index: int) -> Tensor:
        # Random numbers in a network depend only on these. So an interrupted run goes on as if nothing had happened.
        _seed(self.settings.seed, self.current_epoch, index, self.global_rank)
        off = self.settings.attention_off
        replaced = switched_off(self.network) if off and torch.rand(()) < off else ()
        dropped = 0.0 if replaced else self.settings.attention_dropout  # neutral coefficients have nothing to drop
        with AttentionOverride(self.network, replaced), attention_dropout(self.network, dropped):
            output = self._output(batch.image)
        target = one_hot(batch.target, output.logits.shape[1])
        loss = loss_function(self.settings.loss, self.settings.alpha)(output, target)
        if output.penalty is not None:
            loss = loss + output.penalty
        if not _all_agree(torch.isfinite(loss)):
            raise InputError(
                f"The loss is {loss.item()} at step {self.global_step}, on {', '.join(batch.name)}: the training has "
                "come apart; look at these slices, or set a smaller learning_rate, a clip, or precision = '32-true' in "
                "the recipe. The last checkpoint was kept."
            )
        size = len(batch.image)
        self.log("loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        self.log(
            "skipped_steps", float(self.skipped_steps), on_step=False, on_epoch=True, reduce_fx="max", batch_size=1
        )
        return loss

    def _output(self, slices: Tensor) -> SegmentationOutput:
        try:
            output: SegmentationOutput = self.network(slices.to(memory_format=torch.channels_last))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):  # the words of torch's batch normalisation
                raise
            raise InputError(
                f"The network '{self.recipe.network}' can't be trained on one slice at a time: it normalises over the "
                "batch what it has averaged over a whole slice. Set batch_size in the recipe's [optimisation] to 2 or "
                "more for each process, and give at least as many slices."
            ) from error
        return output

    def on_train_epoch_start(self) -> None:
        self.latest_dice = None

    def on_train_batch_end(self, *_: Any) -> None:
        if self.clock is not None and self.clock.is_over:
            self.trainer.should_stop = True

    def on_validation_epoch_start(self) -> None:
        """Give all processes the same network to validate: the batch normalisation of each has seen other slices."""
        self._scores_now = self.clock is None or self.clock.is_time_to_score()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def validation_step(self, number: int, _index: int) -> None:
        if number == NOBODY or not self._scores_now:
            return
        case = self._watched[number]
        volume, label_map = read_labelled(case, self.recipe.dataset)
        predictor = SlicePredictor(self.network, self.recipe.preprocessing, Compute(device=str(self.device)))
        found = predictor.predict(volume).label_map
        if self.shown is not None:
            self.shown(case.id, volume, found)
        scores = [metrics.dice(label_map == label.value, found == label.value) for label in self.recipe.labels]
        self._scores[case.id] = sum(scores) / len(scores)

    def on_validation_epoch_end(self) -> None:
        """Log the mean Dice over cases, not over processes, since these may have scored different numbers of cases."""
        scores, self._scores = _gathered(self._scores), {}
        if self.clock is not None:
            self.clock.scored()
        self.latest_dice = None
        if not scores:
            return
        self.latest_dice = dice = sum(scores.values()) / len(scores)
        self.log("dice", dice, prog_bar=True, rank_zero_only=True)
        if self.plateau is not None:
            self.plateau.step(dice)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Leave out a step if its gradient is not finite, and count it.

        With half precision, a gradient overflows now and then although the loss is finite. One such step would destroy
        every weight."""
        norms = [p.grad.norm() for p in self.network.parameters() if p.grad is not None]
        if not torch.isfinite(torch.stack(norms).sum()):
            self.skipped_steps += 1
            self._skipped_in_a_row += 1
            if self._skipped_in_a_row == _MOST_SKIPPED:
                raise InputError(
                    f"{_MOST_SKIPPED} steps in a row had no finite gradient: the training has come apart; set a "
                    "smaller learning_rate, a clip, or precision = '32-true' in the recipe. The last checkpoint was "
                    "kept."
                )
            optimizer.zero_grad(set_to_none=True)  # without a gradient, the optimiser changes nothing
            return
        self._skipped_in_a_row = 0
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:
        optimizer = self.settings.make_optimizer(self.parameters(), gamma_parameters(self.network).values())
        self.plateau = self.settings.make_plateau(optimizer)  # stepped here: Lightning would do it after saving
        if self.clock is None:
            schedule = self.settings.make_schedule(optimizer, self.steps)
        else:
            schedule = self.clock.schedule(optimizer, self.settings.warm_up)
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["skipped_steps"] = self.skipped_steps
        if self.clock is not None:
            checkpoint["seconds_spent"] = self.clock.spent
        if self.plateau is not None:
            checkpoint["plateau"] = self.plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.skipped_steps = checkpoint["skipped_steps"]
        if self.clock is not None:
            self.clock.before = checkpoint["seconds_spent"]
        self._restored = checkpoint.get("plateau")

    def on_train_start(self) -> None:
        if self.clock is not None:
            self.clock.begin()
        if self.plateau is not None and self._restored is not None:
            self.plateau.load_state_dict(self._restored)


def _seed(*numbers: int) -> None:
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def _all_agree(here: Tensor) -> bool:
    """Whether `here` is true in every process. If one process stopped alone, the others would wait for it forever."""
    flag = here.float()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MIN)
    return bool(flag)


def _gathered(scores: dict[str, float]) -> dict[str, float]:
    """The scores of all processes by case id, sorted, so that their mean does not depend on who scored which case."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        everyone: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(everyone, scores)
        scores = {case_id: score for part in everyone for case_id, score in part.items()}
    return dict(sorted(scores.items()))
