"""Train a recipe: python -m training.train modern/anunet modern/left_atrium-mr --root DATA --out RUN"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute, describe_device, fast_at_bfloat16
from training.learning.averaging import moving_average
from training.learning.checkpoints import SafeCheckpointIO, checkpoint_callbacks
from training.learning.command_line import add_run_options, exit_code_of, next_command
from training.learning.epoch_log import ClockLines, EpochLog, Progress, only_what_matters
from training.learning.module import SegmentationModule
from training.learning.recipe import Recipe, read_checkpoint, read_recipe, refuse_another
from training.learning.start import begin_with, learnt
from training.slices.dataset import number_of_batches
from training.slices.module import SliceModule
from training.slices.split import Parts

_EPILOG = """
The run folder holds metrics.csv, logs for TensorBoard (but of a run by minutes), and the checkpoints: last.ckpt after
every epoch, and best.ckpt if the recipe chooses by validation. A run that was killed goes on with --resume and ends
with the same weights.

Several GPUs of one machine: --devices 4. Several machines: start it by torchrun or SLURM with --devices and --nodes.
"""


@dataclass(frozen=True)
class RunOptions:
    """How a run is done. With one process it does not change the result; several process their parts of a batch by
    themselves, and losses that are not sums over slices then differ a little.

    accelerator, devices, nodes: as Lightning names them. workers: processes per device that change slices. cache:
    folder for decoded slices. resume: go on where a run was interrupted. start: checkpoint of another run,
    or a model, of the same network, whose weights are the first ones. attention_of: id of a case whose attention
    maps are kept. told: hears of a run by minutes, after each epoch, the seconds spent and those there are. shown:
    gets id and volume of each case that is scored meanwhile, and the labels (D, H, W) that were found. For rehearsals
    only: fast_dev_run, one batch; max_batches, at most so many an epoch."""

    accelerator: str = "auto"
    devices: str | int = 1
    nodes: int = 1
    workers: int = 2
    cache: Path | None = None
    resume: bool = False
    start: str | None = None
    attention_of: str | None = None
    told: Callable[[float, float], None] | None = None
    shown: Callable[[str, Volume, np.ndarray], None] | None = None
    fast_dev_run: bool = False
    max_batches: int | None = None

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise InputError(f"There can't be {self.workers} workers; give 0, for none beside the training, or more.")

    @property
    def compute(self) -> Compute:
        """Where the trained network is scored: torch knows a "gpu" only as "cuda"."""
        return Compute("cuda" if self.accelerator == "gpu" else self.accelerator)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _train(options), "the same command with --resume")


def _train(options: argparse.Namespace) -> None:
    run = RunOptions(
        accelerator=options.accelerator,
        devices=options.devices,
        nodes=options.nodes,
        workers=options.workers,
        cache=options.cache,
        resume=options.resume,
        start=options.start,
        attention_of=options.attention_of,
        fast_dev_run=options.fast_dev_run,
    )
    if options.resume and not (options.out / "last.ckpt").is_file():
        print(f"There is nothing to go on with in '{options.out}'; the run begins.", file=sys.stderr)
    recipe = read_recipe(options.recipe).with_changes(epochs=options.epochs, seed=options.seed)
    checkpoint = train(recipe, options.root, options.out, run)
    if run.fast_dev_run:
        print("One batch and one validation went through; nothing was kept.")
        return
    say = rank_zero_only(print)  # one of several processes
    say(f"The trained network is in '{checkpoint}'. Make a model of it:")
    say(f"  {next_command('training.export', checkpoint, '--root', options.root)}")


def train(recipe: Recipe, root: Path, out: Path, run: RunOptions) -> Path:
    """Train, and return the path of the checkpoint that the recipe selects.

    Raises `InputError` for data or a recipe that can't be trained, if `out` holds a run and `resume` is not given, or
    the run of another recipe.
    """
    last = out / "last.ckpt"
    _check_folder(last, recipe, resume=run.resume)
    if (str(run.devices), run.nodes) != ("1", 1):
        _refuse_for_several(recipe)
    lightning.seed_everything(recipe.optimisation.seed, workers=True, verbose=False)
    slices = SliceModule(recipe, root, run.cache or out / "slices", run.workers)
    slices.prepare_data()
    slices.setup("fit")
    precision = _precision(recipe.optimisation.precision, run)
    module = SegmentationModule(recipe.as_dict(), slices.parts, _number_of_steps(slices, run), precision)
    module.shown = run.shown
    if run.start is not None:
        _say(begin_with(module, learnt(run.start)))
    followers = _followers(slices, out, run)
    interrupted = last if run.resume and last.is_file() else None
    if interrupted is not None:
        refuse_other_cases(interrupted, slices.parts)
        before = read_checkpoint(interrupted)
        slices.first_epoch = before["epoch"] + 1
        module.hparams.setdefault("start", before["hyper_parameters"].get("start"))
        if module.clock is not None and before["seconds_spent"] >= module.clock.limit:
            return last
    with only_what_matters():
        trainer = _trainer(recipe.with_changes(precision=precision), out, run, followers)
        trainer.fit(module, datamodule=slices, ckpt_path=interrupted, weights_only=True)
    if trainer.received_sigterm:  # as a cluster sends it; Lightning then just ends
        raise KeyboardInterrupt
    return out / f"{recipe.optimisation.select}.ckpt"


def _refuse_for_several(recipe: Recipe) -> None:
    """Raises `InputError` for what several devices can't do together."""
    if recipe.optimisation.minutes is not None:
        raise InputError("A run by minutes needs a single device, since each has a clock of its own; give --devices 1.")
    if recipe.optimisation.attention_off:
        raise InputError(
            "With attention_off, some weights have no gradient in some steps, for which several devices would wait; "
            "give --devices 1."
        )


def _precision(wanted: str, run: RunOptions) -> str:
    """The recipe's precision as Lightning names it. Says in one line what "auto" became, and what will take long."""
    if wanted not in ("auto", "bf16-mixed"):
        return wanted
    device = run.compute.resolve_device()
    fast = fast_at_bfloat16(device)
    if wanted == "bf16-mixed":
        if not fast:
            _say("This device only emulates bfloat16: expect steps many times as long as with precision = 'auto'.")
        return wanted
    _say(f"Training on {describe_device(device, torch.bfloat16 if fast else torch.float32)}.")
    return "bf16-mixed" if fast else "32-true"


@rank_zero_only  # one of several processes
def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _followers(slices: SliceModule, out: Path, run: RunOptions) -> list[Callback]:
    if run.attention_of is None:
        return []
    from training.learning.attention_history import AttentionHistory, find_case  # it draws, by matplotlib

    case = find_case([case for part in slices.parts for case in part], run.attention_of)
    return [AttentionHistory(out / "attention", case, slices.recipe.optimisation.validate_every)]


def _trainer(recipe: Recipe, out: Path, run: RunOptions, callbacks: list[Callback]) -> lightning.Trainer:
    settings = recipe.optimisation
    if settings.ema is not None:
        callbacks = [*callbacks, moving_average(settings.ema)]
    try:
        return lightning.Trainer(
            accelerator=run.accelerator,
            devices=run.devices,
            num_nodes=run.nodes,
            fast_dev_run=run.fast_dev_run,
            limit_train_batches=run.max_batches,
            max_epochs=settings.epochs,
            precision=settings.precision,  # type: ignore[arg-type]  # a literal type of 20 strings
            accumulate_grad_batches=settings.accumulate,
            gradient_clip_val=settings.clip,
            check_val_every_n_epoch=settings.validate_every,
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=settings.minutes is None,
            log_every_n_steps=1,
            use_distributed_sampler=False,  # slices and validation cases are shared out by ourselves
            sync_batchnorm=run.accelerator != "cpu" and torch.cuda.is_available(),  # as EC-CaM-UNet does on two cards
            # A run by minutes goes on in Slicer, too, which plots it by itself and has no TensorBoard.
            logger=TensorBoardLogger(out, name="", version="tensorboard") if settings.minutes is None else False,
            plugins=[SafeCheckpointIO()],
            callbacks=[
                *callbacks,
                Progress() if settings.minutes is None else ClockLines(run.told),
                EpochLog(out / "metrics.csv", settings.validate_every),
                *checkpoint_callbacks(out, recipe),
            ],
        )
    except (TypeError, ValueError, MisconfigurationException) as error:  # such as an accelerator that is not there
        raise InputError(f"The run can't be set up: {error}") from error


def _check_folder(last: Path, recipe: Recipe, *, resume: bool) -> None:
    if not last.is_file():
        return
    if not resume:
        raise InputError(f"'{last.parent}' holds a run already; add --resume to go on with it, or give another --out.")
    refuse_another(last, recipe)


def refuse_other_cases(checkpoint: Path, parts: Parts) -> None:
    """Raises `InputError` if a checkpoint's run began with other cases: whoever trained must not be tested later, when
    files came or went."""
    before = read_checkpoint(checkpoint)["hyper_parameters"]["cases"]
    for name, part in parts._asdict().items():
        if changed := sorted(set(before[name]) ^ {case.id for case in part}):
            raise InputError(
                f"The {name} cases are not those that this run began with ('{changed[0]}' came or went); restore the "
                "data set, or give another --out; in Slicer, press Cancel, then Teach."
            )


def _number_of_steps(slices: SliceModule, run: RunOptions) -> int:
    """How often the weights change in the whole run."""
    settings = slices.recipe.optimisation
    batches = number_of_batches(len(slices.dataset), settings.batch_size)
    batches = min(batches, run.max_batches or batches)
    return -(-batches // settings.accumulate) * settings.epochs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train a network by a recipe.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", nargs="+", help="TOML files, or names such as modern/anunet modern/left_atrium-mr")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, for logs and checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's number")
    parser.add_argument("--seed", type=int, help="instead of the recipe's number")
    parser.add_argument(
        "--cache", type=Path, help="folder for decoded slices, to share between runs (default: in --out)"
    )
    parser.add_argument("--attention-of", metavar="CASE", help="keep the attention maps of this case over the epochs")
    add_run_options(parser)
    parser.add_argument("--start", metavar="CHECKPOINT|MODEL", help="begin with the weights of another run or model")
    parser.add_argument("--devices", default="1", help="number of GPUs on each machine, or of processes on a CPU")
    parser.add_argument("--nodes", type=int, default=1, help="number of machines (default: 1)")
    parser.add_argument("--fast-dev-run", action="store_true", help="one batch and one validation, nothing is kept")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
