"""Whether the slices that users are told to check are the bad ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from AttnSegLib.inference.prediction import Prediction
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.results.metrics import roc_auc, slice_dice
from AttnSegLib.results.slices_to_check import DOUBTFUL, SliceToCheck, slices_to_check
from training.scoring.rows import read_rows, write_rows

BAD = 0.8  # a slice with less Dice is bad
RECALL = 0.85  # of the bad slices; what the threshold of the slices to check is chosen for
_STEP = 0.01  # between thresholds


@dataclass(frozen=True)
class SliceTrust:
    """A slice of a case. index: along the stored slice axis. dice: mean over the labels that truth or prediction have
    in it, NaN if there are none. area_mm2: of all predicted labels. expected_error, area_jump: as in `SliceToCheck`."""

    case: str
    index: int
    dice: float
    area_mm2: float
    expected_error: float
    area_jump: float

    @property
    def score(self) -> float:
        """What the list of slices to check is sorted by."""
        return SliceToCheck(self.index, self.expected_error, self.area_jump).score

    @property
    def smallness(self) -> float:
        """The smaller what was found, the larger: what any score has to beat."""
        return -self.area_mm2

    @property
    def is_bad(self) -> bool:
        """Whether its Dice is under `BAD`; not if there is no label in truth and prediction."""
        return self.dice < BAD


@dataclass(frozen=True)
class Named:
    """What comes of naming the slices with a score over a threshold. named, bad: how many are; right: how many both."""

    named: int
    bad: int
    right: int

    @classmethod
    def of(cls, slices: Sequence[SliceTrust], threshold: float = DOUBTFUL) -> Named:
        """All slices count, also those without any label in truth and prediction: to name one of them is wrong."""
        named = [one for one in slices if one.score > threshold]
        return cls(len(named), sum(one.is_bad for one in slices), sum(one.is_bad for one in named))

    @property
    def recall(self) -> float:
        """The share of the bad slices that are named; NaN without bad ones."""
        return self.right / self.bad if self.bad else float("nan")

    @property
    def precision(self) -> float:
        """The share of the named slices that are bad; NaN if none is named."""
        return self.right / self.named if self.named else float("nan")


def threshold_for(slices: Sequence[SliceTrust], recall: float = RECALL) -> float:
    """The largest whole number of hundredths over which at least this share of the bad slices scores; 0 if none does,
    or if there are no bad slices."""
    for steps in range(round(1 / _STEP), 0, -1):
        if Named.of(slices, steps * _STEP).recall >= recall:
            return round(steps * _STEP, 10)
    return 0.0


def trust_of(case_id: str, stack: SliceStack, truth: np.ndarray, prediction: Prediction) -> list[SliceTrust]:
    """All slices of a case. truth: labels (D, H, W)."""
    listed = {
        one.index: one for one in slices_to_check(prediction.label_map, stack.orientation, prediction.expected_error)
    }
    reference, found = stack.view(truth), stack.view(prediction.label_map)
    labels = range(1, int(max(reference.max(), found.max())) + 1)
    dice = _mean_defined([slice_dice(reference == label, found == label) for label in labels], len(stack))
    pixel = float(np.prod([stack.volume.spacing[2 - axis] for axis in stack.axes[1:]]))
    rows = []
    for number, area in enumerate(np.count_nonzero(found, axis=(1, 2)) * pixel):
        index = stack.orientation.stored_index(number, truth.shape)
        one = listed.get(index, SliceToCheck(index, 0.0, 0.0))
        rows.append(SliceTrust(case_id, index, float(dice[number]), float(area), one.expected_error, one.area_jump))
    return rows


def auc(slices: Sequence[SliceTrust], by: str = "score", *, empty: bool = False) -> float:
    """Area under the ROC curve with which a value finds slices of Dice under `BAD`; NaN without good or bad ones.

    by: "score", "expected_error", "area_jump" or "smallness". empty: count slices without any label in truth and
    prediction as good instead of leaving them out.
    """
    used = [one for one in slices if empty or not np.isnan(one.dice)]
    bad = np.array([one.is_bad for one in used])
    return roc_auc(bad, np.array([getattr(one, by) for one in used]))


def write_slices(path: Path, slices: Iterable[SliceTrust]) -> None:
    """Write a CSV table with a header; the Dice of a slice without labels stays empty."""
    write_rows(path, SliceTrust, slices, digits=4)


def read_slices(path: Path) -> list[SliceTrust]:
    """Read what `write_slices` wrote. Raises `InputError` for another table."""
    return read_rows(path, SliceTrust, "training.trust")


def _mean_defined(values: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Mean of each column (count,) over the rows that are not NaN there."""
    defined = [~np.isnan(row) for row in values]
    total = sum((np.nan_to_num(row) for row in values), np.zeros(count))
    number = sum((row.astype(int) for row in defined), np.zeros(count, int))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
