"""The slices for training as a torch data set, and the order in which they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from AttnSegLib.errors import InputError
from AttnSegLib.inference.preprocess import with_neighbours
from AttnSegLib.models.preprocessing import Preprocessing
from training.slices.augment import Augmentation, LabelledSlice
from training.slices.cache import CachedCase, to_tensor


class Draw(NamedTuple):
    """The number of a slice, and the seed of its random changes."""

    number: int
    seed: int


class SliceDataset(Dataset[LabelledSlice]):
    """All slices of some cases, in their order, also those without labels. They are changed at random when drawn.

    Args:
        cases: from the cache.
        augmentation: the random changes.
        preprocessing: which channels a slice has.

    Raises:
        InputError: if slices have different sizes and the augmentation has no size to which it brings them.
    """

    def __init__(self, cases: Sequence[CachedCase], augmentation: Augmentation, preprocessing: Preprocessing):
        sizes = {case.size for case in cases}
        if augmentation.size is None and len(sizes) > 1:
            raise InputError(
                f"The slices are of different sizes, such as {sorted(sizes)[0]} and {sorted(sizes)[-1]} pixels; give "
                "the recipe's augmentation or preprocessing a size."
            )
        self._cases = cases
        self._preprocessing = preprocessing
        self._starts = np.cumsum([0, *(len(case.counts) for case in cases)])
        self._augmentation = augmentation
        self._transform: Callable[[LabelledSlice, int], LabelledSlice] | None = None
        self._open: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def filled(self) -> np.ndarray:
        """For each slice, whether it has any label: (N,), bool."""
        return np.array([any(counts) for case in self._cases for counts in case.counts])

    def __getitem__(self, draw: Draw) -> LabelledSlice:
        self._transform = self._transform or self._augmentation.transform()
        return self._transform(self.plain(draw.number), draw.seed)

    def plain(self, index: int) -> LabelledSlice:
        """A slice without random changes, with its neighbours if the network sees them. Its name has the index of the
        slice in its file."""
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        within = index - int(self._starts[number])
        if number not in self._open:  # opened here, since each process must open the files itself
            self._open[number] = self._cases[number].slices()
        images, targets = self._open[number]
        image = to_tensor(images[with_neighbours(self._preprocessing.neighbours, [within], len(images))[0]]).float()
        name = f"slice {self._cases[number].stored[within]} of {self._cases[number].id}"
        return LabelledSlice(
            image.expand(self._preprocessing.in_channels, -1, -1), to_tensor(targets[within])[None].long(), name
        )


@dataclass(frozen=True)
class Share:
    """Which of several training processes this is. rank: its number, from 0; processes: how many there are."""

    rank: int = 0
    processes: int = 1


@dataclass(frozen=True, eq=False)
class Pool:
    """Slices to draw from. filled: (N,), bool, whether each has any label; foreground: as in `Optimisation`."""

    filled: np.ndarray
    foreground: float | None = None

    def shuffled(self, random: np.random.Generator) -> np.ndarray:
        """The numbers of N slices in random order.

        Without `foreground`, each slice comes once. With it, this share of the N slices has a label: if there are too
        few slices with or without labels, some come again; if there are too many, some are left out."""
        count = len(self.filled)
        if self.foreground is None or self.filled.all():
            return random.permutation(count)
        with_label = round(self.foreground * count)
        parts = ((self.filled, with_label), (~self.filled, count - with_label))
        return random.permutation(
            np.concatenate([np.resize(random.permutation(np.flatnonzero(part)), size) for part, size in parts])
        )


class ShuffledSlices(Sampler[Draw]):
    """Draws slices in another order in each epoch.

    The order depends only on seed and epoch, so an interrupted run goes on as if nothing had happened. Each process
    draws its share of every batch. The last batch is left out if it is not full.

    Args:
        pool: the slices.
        batch_size: on all processes together.
        seed: of the run.
        epoch: a function that gives the number of the epoch when it begins.
        share: which process this is.

    Raises:
        InputError: if the processes can't share a batch equally.
    """

    def __init__(self, pool: Pool, batch_size: int, seed: int, epoch: Callable[[], int], share: Share):
        if batch_size % share.processes:
            raise InputError(
                f"A batch of {batch_size} slices can't be shared by {share.processes} processes; change batch_size."
            )
        self._pool, self._seed, self._epoch, self._share = pool, seed, epoch, share
        count = len(pool.filled)
        self._drawn = min(count, number_of_batches(count, batch_size) * batch_size)

    def __len__(self) -> int:
        return -(-self._drawn // self._share.processes)

    def __iter__(self) -> Iterator[Draw]:
        epoch = self._epoch()
        random = np.random.default_rng((self._seed, epoch))
        order = self._pool.shuffled(random)[: self._drawn]
        seeds = random.integers(2**32, size=len(order))
        for place in range(self._share.rank, len(order), self._share.processes):
            yield Draw(int(order[place]), int(seeds[place]))


def number_of_batches(count: int, batch_size: int) -> int:
    """Number of full batches in an epoch of `count` slices; 1 if they do not fill a batch."""
    return max(1, count // batch_size)


def one_hot(target: Tensor, channels: int) -> Tensor:
    """Labels (N, 1, H, W) as float targets (N, C, H, W) for a network with C output channels.

    One channel: 1 where there is any label. Several: a channel for each class, the background first."""
    if channels == 1:
        return (target > 0).float()
    return torch.nn.functional.one_hot(target[:, 0], channels).permute(0, 3, 1, 2).float()
