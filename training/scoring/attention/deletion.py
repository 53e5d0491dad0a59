"""Deletion: how much worse a segmentation becomes if pixels are blanked: those that a map attends to most or least, or
as many elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.results.metrics import dice
from training.slices.case import Labelled

SHARES = (0.05, 0.1, 0.2, 0.4)  # shares of a slice's pixels that are blanked
KINDS = ("most", "random", "least")
_WRITTEN = (0.0, *SHARES)
_SLICES = 6  # most slices of a case, evenly spread over those with the organ


@dataclass(frozen=True)
class Deletion:
    """The Dice of some slices of a case after some of their pixels were blanked.

    Args:
        case: its id.
        map: title of the attention map that chose the pixels.
        kind: of pixels: "most" or "least" attended, or "random": the most attended, but shifted in the slice.
        share: of the pixels that were blanked, 0 to 1.
        dice: mean over labels.
    """

    case: str
    map: str
    kind: str
    share: float
    dice: float


class Eraser:
    """Blanks pixels in some slices of a case, and segments these slices.

    A blank pixel has the mean intensity of its slice. Intensities are scaled as in the whole volume without blanks.
    """

    def __init__(self, predictor: SlicePredictor, compute: Compute, case: Labelled):
        volume, label_map = case
        preprocessing = predictor.preprocessing
        stack = SliceStack.of(volume, preprocessing)
        lower, upper = stack.intensity_range
        if not preprocessing.per_slice:
            preprocessing = replace(preprocessing, percentiles=None, window=(lower, upper))
        self._predictor = SlicePredictor(predictor.network, preprocessing, compute)
        filled = np.flatnonzero(stack.view(label_map).any(axis=(1, 2)))
        places = np.linspace(0, len(filled) - 1, min(_SLICES, len(filled))).round().astype(int)
        self._numbers = filled[places]
        self._images = np.clip(stack.view(volume.voxels)[self._numbers].astype(np.float32), lower, upper)
        self._truth = stack.view(label_map)[self._numbers]
        self._stack = stack

    def curves(self, case: str, title: str, coefficients: np.ndarray, seed: int = 0) -> Iterator[Deletion]:
        """Measure all shares and kinds for a map.

        Args:
            case: its id.
            title: of the map.
            coefficients: the map, (D, H, W).
            seed: of the random choices.
        """
        random = np.random.default_rng(seed)
        ranks = _ranks(self._stack.view(coefficients)[self._numbers], random)
        moves = [tuple(random.integers(0, length) for length in ranks.shape[1:]) for _ in ranks]
        size = ranks[0].size
        for share in SHARES:
            count = round(share * size)
            most = ranks < count
            moved = np.stack([np.roll(mask, move, axis=(0, 1)) for mask, move in zip(most, moves, strict=True)])
            for kind, mask in zip(KINDS, (most, moved, ranks >= size - count), strict=True):
                yield Deletion(case, title, kind, share, self.dice_without(mask))

    def dice_without(self, mask: np.ndarray) -> float:
        """The Dice of the slices, mean over the labels in the truth, after a mask (n, H, W) of pixels is blanked."""
        blank = self._images.mean(axis=(1, 2), keepdims=True)
        found = self._segment(np.where(mask, blank, self._images))
        labels = np.unique(self._truth[self._truth > 0])
        return float(np.mean([dice(self._truth == label, found == label) for label in labels]))

    def untouched(self) -> float:
        """The Dice of the slices without any blank pixels."""
        return self.dice_without(np.zeros(self._images.shape, bool))

    def _segment(self, images: np.ndarray) -> np.ndarray:
        """Predict the labels (n, H, W) of slices. They are put into a volume of their own, with their mean distance."""
        stack = self._stack
        axis = stack.axes[0]
        shape = list(stack.volume.voxels.shape)
        shape[axis] = len(images)
        voxels, affine = np.empty(shape, np.float32), stack.volume.affine.copy()
        stack.view(voxels)[...] = images
        affine[:3, 2 - axis] *= max(1, round(np.ptp(self._numbers) / max(1, len(images) - 1)))
        prediction = self._predictor.predict(Volume(voxels, affine))
        return stack.view(prediction.label_map)


def write_deletions(path: Path, deletions: Iterable[Deletion]) -> None:
    """Write a CSV table with a line for each case, map and kind, and a column for each share."""
    lines: dict[tuple[str, str, str], dict[float, str]] = {}
    for one in deletions:
        lines.setdefault((one.case, one.map, one.kind), {})[one.share] = f"{one.dice:.3f}"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "map", "kind", *_WRITTEN])
        writer.writerows([*key, *(line.get(share, "") for share in _WRITTEN)] for key, line in lines.items())


def read_deletions(path: Path) -> list[Deletion]:
    """Read a table of `write_deletions`. Raises `InputError` for another table."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                Deletion(row["case"], row["map"], row["kind"], share, float(row[str(share)]))
                for row in csv.DictReader(file)
                for share in _WRITTEN
                if row[str(share)]
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"'{path}' is not a table that training.attention_study wrote; delete it.") from error


def mean_dice(deletions: Sequence[Deletion], title: str, kind: str, share: float) -> float:
    """The mean Dice over cases, for the map with a title, a kind of pixels and a share; NaN if there is none."""
    found = [one.dice for one in deletions if (one.map, one.kind, one.share) == (title, kind, share)]
    return float(np.mean(found)) if found else float("nan")


def _ranks(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The rank (n, H, W) of each pixel in its slice: 0 for the largest value. Equal values are in random order."""
    ranks = np.empty(values.shape, int)
    for rank, value in zip(ranks, values, strict=True):
        order = np.lexsort((random.random(value.size), -value.ravel().astype(np.float32)))
        rank.ravel()[order] = np.arange(value.size)
    return ranks
