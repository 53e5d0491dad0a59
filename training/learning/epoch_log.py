"""Shows the progress of a run, and writes its log: a table with a line for each epoch, even if it is interrupted."""

from __future__ import annotations

import csv
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, TQDMProgressBar

from training.learning.clock import Clock, in_words

_COLUMNS = ("epoch", "step", "loss", "dice", "skipped_steps", "learning_rate", "seconds")


_EXPECTED = (
    "Total length of `DataLoader` across ranks is zero",  # where no case is left out
    ".*does not have many workers",  # few are enough with the cache
    "The image's intensity is a single value",  # a crop beside the body, where nothing can be changed
    ".*LeafSpec",  # between Lightning and torch
    "Checkpoint directory .* exists",  # since the slices are in it
    ".*recommended to use `self.log.'dice'",  # all processes have the same value already
)


@contextmanager
def only_what_matters() -> Iterator[None]:
    """Hides messages and warnings of Lightning and MONAI that say nothing useful, such as tips and missing GPUs."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _EXPECTED:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(level)


class Progress(TQDMProgressBar):
    """The progress bar of a run, without the version number that Lightning adds."""

    def get_metrics(self, *arguments: Any) -> dict[str, Any]:
        metrics: dict[str, Any] = super().get_metrics(*arguments)
        metrics.pop("v_num", None)
        return metrics


class ClockLines(Callback):
    """Prints a line after each epoch of a run by minutes: time, loss, and Dice of left-out cases if it was measured.

    told: is called with the seconds spent and those there are, too.
    """

    def __init__(self, told: Callable[[float, float], None] | None = None):
        self._told = told

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        clock: Clock = module.clock  # type: ignore[assignment]  # set in a run by minutes
        spent = clock.spent
        line = f"{in_words(spent)} of {in_words(clock.limit)}: loss {float(trainer.callback_metrics['loss']):.3f}"
        if module.latest_dice is not None:
            line += f", Dice {module.latest_dice:.3f} of cases left out"
        print(line, flush=True)
        if self._told is not None:
            self._told(spent, clock.limit)


class EpochLog(Callback):
    """Adds a line for each epoch to a CSV file. The column "dice" is empty in epochs without validation.

    An epoch that was interrupted and done again may have two lines. The later one counts.

    Args:
        path: of the file.
        validate_every: epochs between validations.
    """

    def __init__(self, path: Path, validate_every: int):
        self._path, self._validate_every = path, validate_every
        self._start = 0.0

    def on_train_epoch_start(self, *_: object) -> None:
        self._start = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]  # not in the stubs
            return
        epoch = trainer.current_epoch
        values = {name: f"{float(value):.9g}" for name, value in trainer.callback_metrics.items() if name in _COLUMNS}
        if (epoch + 1) % self._validate_every or module.latest_dice is None:
            values.pop("dice", None)  # it is that of an earlier epoch
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        seconds = f"{time.monotonic() - self._start:.1f}"
        row = {"epoch": epoch, "step": trainer.global_step, "learning_rate": f"{rate:.6g}", "seconds": seconds}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        begins = not self._path.is_file()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=_COLUMNS)
            if begins:
                writer.writeheader()
            writer.writerow(row | values)
