"""The Lightning data module: makes batches of randomly changed slices from cases on disk."""

from __future__ import annotations

import signal
from pathlib import Path

import lightning
from torch.utils.data import DataLoader

from AttnSegLib.errors import InputError
from training import datasets
from training.learning.recipe import Recipe
from training.slices.augment import LabelledSlice
from training.slices.cache import CachedCase, SliceCache
from training.slices.case import Case
from training.slices.dataset import Pool, Share, ShuffledSlices, SliceDataset
from training.slices.split import Parts, refuse_shared_images

NOBODY = -1


def deal(recipe: Recipe, root: Path) -> Parts:
    """The cases of a recipe's data set, dealt by its split. Raises `InputError` if the data set can't be found, or the
    split does not fit it."""
    return recipe.split.deal(datasets.cases_of(recipe.dataset.name, root, **recipe.dataset.options))


def watched(recipe: Recipe, parts: Parts) -> list[Case]:
    """The cases that are scored during a run: the validation cases.

    A run by minutes does not choose by its scores. If it has no validation cases, its test cases are scored."""
    return parts.test if recipe.optimisation.minutes is not None and not parts.validation else parts.validation


class SliceModule(lightning.LightningDataModule):
    """Gives batches for training. For validation, it gives numbers of cases, which the segmentation module then reads.

    Args:
        recipe: of the run.
        root: folder of the data set.
        cache: folder for the slices.
        workers: number of processes that load slices.
    """

    def __init__(self, recipe: Recipe, root: Path, cache: Path, workers: int):
        super().__init__()
        self.recipe, self.workers = recipe, workers
        self.first_epoch = 0  # set for a resumed run: Lightning asks for the first batches before it knows the epoch
        self.parts = deal(recipe, root)
        self._cache = SliceCache(cache, root, recipe)

    def prepare_data(self) -> None:
        """Fill the cache. Lightning calls this in one process of each machine.

        Raises `InputError` if a label is in no training case, if an image is in two parts of the split, or if there are
        no validation cases and the recipe chooses by validation.
        """
        if self.recipe.optimisation.chooses_by_validation and not self.parts.validation:
            raise InputError("The recipe chooses by validation, but its split leaves no case for validation.")
        self._cache.prepare(self.parts.training, slices=True)
        self._cache.prepare([*self.parts.validation, *self.parts.test], slices=False)
        _refuse_missing_labels(self._cache.cases(self.parts.training), self.recipe)
        every = [case for part in self.parts for case in part]
        refuse_shared_images(self.parts, {case.id: case.digest for case in self._cache.cases(every)})

    def setup(self, stage: str) -> None:  # noqa: ARG002  # as Lightning calls it
        """Open the cache."""
        self.dataset = SliceDataset(
            self._cache.cases(self.parts.training), self.recipe.augmentation, self.recipe.preprocessing
        )

    def train_dataloader(self) -> DataLoader[LabelledSlice]:
        assert self.trainer is not None
        trainer = self.trainer
        share = Share(trainer.global_rank, trainer.world_size)
        settings = self.recipe.optimisation
        order = ShuffledSlices(
            Pool(self.dataset.filled, settings.foreground),
            settings.batch_size,
            settings.seed,
            lambda: max(trainer.current_epoch, self.first_epoch),
            share,
        )
        return DataLoader(
            self.dataset,
            sampler=order,
            batch_size=settings.batch_size // share.processes,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            worker_init_fn=_leave_interrupts_to_the_trainer,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def val_dataloader(self) -> DataLoader[int]:
        """The numbers of the validation cases of this process. No case is given to two processes.

        All processes get the same amount of numbers, since they would wait for each other forever; where one has fewer
        cases, NOBODY fills the gap."""
        assert self.trainer is not None
        processes = self.trainer.world_size
        count = len(watched(self.recipe, self.parts))
        numbers = list(range(self.trainer.global_rank, count, processes))
        numbers += [NOBODY] * (-(-count // processes) - len(numbers))
        return DataLoader(numbers, batch_size=None)  # type: ignore[arg-type]  # a list is map-style enough


def _leave_interrupts_to_the_trainer(_worker: int) -> None:
    """Makes a worker ignore Ctrl-C, which reaches all processes. Else the traceback of each worker would hide what the
    trainer says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _refuse_missing_labels(cases: list[CachedCase], recipe: Recipe) -> None:
    for label in recipe.labels:
        if not any(counts[label.value - 1] for case in cases for counts in case.counts):
            raise InputError(
                f"Label {label.value} ({label.name}) appears in none of the {len(cases)} training cases; correct the "
                "labels or the split in the recipe."
            )
