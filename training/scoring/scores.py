"""Scores label maps against reference label maps, case by case, and keeps the scores in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Label
from AttnSegLib.results import metrics
from training.scoring.rows import read_rows, write_rows
from training.slices.case import Labelled


@dataclass(frozen=True)
class Score(metrics.MaskComparison):
    """The scores of a model for one label of one case, over the whole volume. Undefined ones are NaN.

    Args:
        model, case, label: ids.
        tp, fp, fn, tn: numbers of voxels, so that scores can be pooled.
        auc: area under the ROC curve of the voxels' probabilities; NaN without probabilities.
        volume_ml, reference_ml: volume of what was found, and of the truth.
        seconds: time of the prediction.
        slices: number of slices.
        filled_slices: number of slices with the label in truth or result.
        slice_recall, slice_precision: means over the filled slices, as `slice_dice`. In a slice where only one of truth
            and result has the label, both are 0.
    """

    model: str
    case: str
    label: str
    tp: int
    fp: int
    fn: int
    tn: int
    auc: float
    volume_ml: float
    reference_ml: float
    seconds: float
    slices: int = 0
    filled_slices: int = 0
    slice_recall: float = float("nan")
    slice_precision: float = float("nan")

    @property
    def counts(self) -> metrics.Counts:
        """The numbers of voxels, which can be added up."""
        return metrics.Counts(self.tp, self.fp, self.fn, self.tn)


@dataclass(frozen=True, eq=False)
class Found:
    """What a model found in a case.

    Args:
        model: its name.
        case: id of the case.
        label_map: (D, H, W).
        probabilities: (D, H, W), by the value of the label; empty if they are not known.
        seconds: time of the prediction; NaN if not known.
        stack: the slices of the prediction; None if not known.
    """

    model: str
    case: str
    label_map: np.ndarray
    probabilities: dict[int, np.ndarray]
    seconds: float
    stack: SliceStack | None = None


def score(found: Found, truth: Labelled, labels: Sequence[Label], slice_axis: int = 0) -> list[Score]:
    """Score one case: a score for each label. slice_axis: the array axis along which slices are counted."""
    return [_score(found, truth, label, slice_axis) for label in labels]


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write a CSV table with a header."""
    write_rows(path, Score, scores)


def read_scores(path: Path) -> list[Score]:
    """Read a table of `write_scores`. Raises `InputError` for another table."""
    return read_rows(path, Score, "training.evaluate")


def _score(found: Found, truth: Labelled, label: Label, slice_axis: int) -> Score:
    reference, prediction = truth.label_map == label.value, found.label_map == label.value
    probability = found.probabilities.get(label.value)
    comparison = metrics.compare_masks(reference, prediction, truth.volume.spacing, slice_axis)
    return Score(
        **asdict(comparison),
        model=found.model,
        case=found.case,
        label=label.id,
        **asdict(metrics.Counts.of(reference, prediction)),
        auc=float("nan") if probability is None else metrics.roc_auc(reference, probability),
        volume_ml=int(prediction.sum()) * truth.volume.voxel_volume,
        reference_ml=int(reference.sum()) * truth.volume.voxel_volume,
        seconds=found.seconds,
        **_by_slice(np.moveaxis(reference, slice_axis, 0), np.moveaxis(prediction, slice_axis, 0)),
    )


def _by_slice(reference: np.ndarray, prediction: np.ndarray) -> dict[str, Any]:
    """The scores that are means over slices, for masks (N, H, W)."""
    pairs = [metrics.Counts.of(*pair) for pair in zip(reference, prediction, strict=True)]
    filled = [counts for counts in pairs if counts.tp + counts.fp + counts.fn]
    return {
        "slices": len(pairs),
        "filled_slices": len(filled),
        "slice_recall": float(np.mean([one.recall for one in filled])) if filled else float("nan"),
        "slice_precision": float(np.mean([one.precision for one in filled])) if filled else float("nan"),
    }
