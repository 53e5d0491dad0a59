"""Computes numbers about a run for `report.json`."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from AttnSegLib import __version__
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Label
from AttnSegLib.results import metrics
from AttnSegLib.results.slices_to_check import doubt, filled_slices, slices_to_check

REPORT_FORMAT = 1  # of `report.json`; increase it for a change that breaks programs which read the file


def compare_with_reference(reference: np.ndarray, label_map: np.ndarray, labels: Sequence[Label]) -> dict[str, Any]:
    """Dice, precision and recall of each label over the whole volume, by its id; `metrics.Counts` defines them.

    Args:
        reference, label_map: (D, H, W), on the same grid.
        labels: the labels to compare.
    """
    return {label.id: _agreement(reference == label.value, label_map == label.value) for label in labels}


def doubtful_slices(
    stack: SliceStack, label_map: np.ndarray, expected_error: Mapping[int, float]
) -> list[dict[str, Any]]:
    """The slices to check, the most doubtful first, with index, expected Dice and area jump as in `SliceToCheck`, and
    whether the result is empty there.

    Args:
        stack: the slices of the scan.
        label_map: (D, H, W).
        expected_error: by the index of a slice, as in `Prediction`.
    """
    filled = filled_slices(label_map, stack.orientation)
    return [
        {
            "index": s.index,
            "expected_dice": round(1 - s.expected_error, 4),
            "area_jump": round(s.area_jump, 4),
            "is_empty": not filled[s.index],
        }
        for s in slices_to_check(label_map, stack.orientation, expected_error)
        if s.is_doubtful
    ]


def expected_dice(stack: SliceStack, label_map: np.ndarray, expected_error: Mapping[int, float]) -> float | None:
    """The Dice that the model expects of its result, 1 - `doubt`; None if nothing was found.

    docs/trust.md says how far it can be trusted. The arguments are those of `doubtful_slices`."""
    return round(1 - doubt(label_map, stack.orientation, expected_error), 4) if label_map.any() else None


def versions() -> dict[str, str]:
    """The versions of AttnSeg, Python and the packages that may change results."""
    return {
        "attnseg": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "SimpleITK": sitk.Version.VersionString(),
        "pydicom": metadata.version("pydicom"),
    }


def _agreement(reference: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    counts = metrics.Counts.of(reference, prediction)
    scores = {"dice": counts.dice, "precision": counts.precision, "recall": counts.recall}
    return {name: round(value, 4) for name, value in scores.items()}
