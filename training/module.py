"""The Lightning module of every network: a step on slices, validation on whole volumes by the users' own predictor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch import Tensor

from AttnSegLib import metrics, networks
from AttnSegLib.device import Compute
from AttnSegLib.errors import InputError
from AttnSegLib.predictor import SlicePredictor
from AttnSegLib.preprocess import Preprocessing
from training.case import Case
from training.losses import LOSSES
from training.recipe import Recipe
from training.slices import Sample, one_hot


class SegmentationModule(lightning.LightningModule):
    """Trains the recipe's network; logs the loss, and the mean Dice over labels and validation volumes."""

    def __init__(self, recipe: Recipe, validation: Sequence[Case] = ()):
        super().__init__()
        self.save_hyperparameters(recipe.as_dict())
        self.recipe = recipe
        self.validation = validation  # kept here and not in batches: Lightning takes batches apart
        self.network = networks.create(recipe.network, **recipe.options)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        self.skipped_steps = 0

    def training_step(self, batch: Sample, _index: int) -> Tensor:
        output = self.network(batch.image.to(memory_format=torch.channels_last))
        target = one_hot(batch.target, output.logits.shape[1])
        loss = LOSSES[self.recipe.optimisation.loss](output, target)
        if output.penalty is not None:
            loss = loss + output.penalty
        if not torch.isfinite(loss):
            raise InputError(
                f"The loss is {loss.item()} at step {self.global_step}: the training has come apart; set a smaller "
                "learning_rate, a clip, or precision = '32-true' in the recipe."
            )
        self.log("loss", loss, prog_bar=True, on_step=False, on_epoch=True)
        self.log("skipped_steps", float(self.skipped_steps), on_step=False, on_epoch=True, reduce_fx="max")
        return loss

    def validation_step(self, number: int, _index: int) -> None:
        case = self.validation[number]
        preprocessing = Preprocessing(**self.recipe.preprocessing)
        predictor = SlicePredictor(self.network, preprocessing, Compute(device=str(self.device)))
        label_map = predictor.predict(case.volume).label_map
        labels = [label["value"] for label in self.recipe.card["labels"]]
        scores = [metrics.dice(case.label_map == label, label_map == label) for label in labels]
        self.log("dice", sum(scores) / len(scores), prog_bar=True, batch_size=1)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Leave out a step whose gradient is not finite, and count it: half precision overflows now and then in a
        backward pass whose loss is sound, and one such step would spoil every weight."""
        norms = [p.grad.norm() for p in self.network.parameters() if p.grad is not None]
        if not torch.isfinite(torch.stack(norms).sum()):
            self.skipped_steps += 1
            optimizer.zero_grad(set_to_none=True)  # an optimiser leaves parameters without a gradient as they are
            return
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:
        settings = self.recipe.optimisation
        optimizer = torch.optim.AdamW(self.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps, pct_start=settings.warm_up
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
