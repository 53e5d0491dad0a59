"""Measures whether the slices that users are told to check are really the bad ones."""

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

BAD = 0.8  # a slice with a Dice below this is bad
RECALL = 0.85  # share of the bad slices that the threshold of the slices to check should find
_STEP = 0.01  # between thresholds


@dataclass(frozen=True)
class SliceTrust:
    """A slice of a case.

    Args:
        case: its id.
        index: of the slice, as it is stored, from 0.
        dice: mean over the labels in truth or prediction of this slice; NaN if there are none.
        area_mm2: area of all predicted labels, in mm2.
        expected_error, area_jump: as in `SliceToCheck`.
    """

    case: str
    index: int
    dice: float
    area_mm2: float
    expected_error: float
    area_jump: float

    @property
    def score(self) -> float:
        """The score by which the list of slices to check is sorted."""
        return SliceToCheck(self.index, self.expected_error, self.area_jump).score

    @property
    def smallness(self) -> float:
        """A simple score, larger for a smaller predicted area. A useful score must find bad slices better than this."""
        return -self.area_mm2

    @property
    def is_bad(self) -> bool:
        """Whether its Dice is below `BAD`. A slice without labels in truth and prediction is not bad."""
        return self.dice < BAD


@dataclass(frozen=True)
class Named:
    """What comes out if slices with a score above a threshold are named to the user.

    named: number of named slices; bad: number of bad slices; right: number of slices that are both."""

    named: int
    bad: int
    right: int

    @classmethod
    def of(cls, slices: Sequence[SliceTrust], threshold: float = DOUBTFUL) -> Named:
        """Count the slices. Those without any label in truth and prediction count, too; to name them is wrong."""
        named = [one for one in slices if one.score > threshold]
        return cls(len(named), sum(one.is_bad for one in slices), sum(one.is_bad for one in named))

    @property
    def recall(self) -> float:
        """The share of the bad slices that are named; NaN if there are no bad slices."""
        return self.right / self.bad if self.bad else float("nan")

    @property
    def precision(self) -> float:
        """The share of the named slices that are bad; NaN if none is named."""
        return self.right / self.named if self.named else float("nan")


def threshold_for(slices: Sequence[SliceTrust], recall: float = RECALL) -> float:
    """The largest threshold, in steps of 0.01, that finds at least this share of the bad slices. 0 if none does, or if
    there are no bad slices."""
    for steps in range(round(1 / _STEP), 0, -1):
        if Named.of(slices, steps * _STEP).recall >= recall:
            return round(steps * _STEP, 10)
    return 0.0


def trust_of(case_id: str, stack: SliceStack, truth: np.ndarray, prediction: Prediction) -> list[SliceTrust]:
    """All slices of a case.

    Args:
        case_id: of the case.
        stack: its slices.
        truth: labels (D, H, W).
        prediction: of the model.
    """
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
    """Area under the ROC curve for finding bad slices by a value. NaN if there are no good or no bad slices.

    Args:
        slices: of all cases.
        by: the value: "score", "expected_error", "area_jump" or "smallness".
        empty: count slices without any label in truth and prediction as good; else they are left out.
    """
    used = [one for one in slices if empty or not np.isnan(one.dice)]
    bad = np.array([one.is_bad for one in used])
    return roc_auc(bad, np.array([getattr(one, by) for one in used]))


def write_slices(path: Path, slices: Iterable[SliceTrust]) -> None:
    """Write a CSV table with a header. The Dice of a slice without labels is left empty."""
    write_rows(path, SliceTrust, slices, digits=4)


def read_slices(path: Path) -> list[SliceTrust]:
    """Read a table of `write_slices`. Raises `InputError` for another table."""
    return read_rows(path, SliceTrust, "training.trust")


def _mean_defined(values: Sequence[np.ndarray], count: int) -> np.ndarray:
    """The mean (count,) of several rows (count,), in each column over the values that are not NaN; NaN if all are."""
    defined = [~np.isnan(row) for row in values]
    total = sum((np.nan_to_num(row) for row in values), np.zeros(count))
    number = sum((row.astype(int) for row in defined), np.zeros(count, int))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
