"""Finds the slices of a result that need a second look: the network expects errors there, or the area jumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from AttnSegLib.images.orientation import SliceOrientation

# A cross-validation chose this value, so that 85 % of the bad slices are named: docs/trust.md.
DOUBTFUL = 0.1


@dataclass(frozen=True)
class SliceToCheck:
    """How doubtful the result in one slice is.

    Args:
        index: of the slice, as it is stored, from 0.
        expected_error: as in `Prediction`, 0 to 1.
        area_jump: how far its area differs from the mean area of both neighbours, as a share of the largest area of any
            slice, 0 to 1.
    """

    index: int
    expected_error: float
    area_jump: float

    @property
    def score(self) -> float:
        """The larger of expected_error and area_jump, since each of them is a reason to look."""
        return max(self.expected_error, self.area_jump)

    @property
    def is_doubtful(self) -> bool:
        """Whether the slice should be looked at, even by somebody who has no time to look at all slices."""
        return self.score > DOUBTFUL


def slices_to_check(
    label_map: np.ndarray, orientation: SliceOrientation, expected_error: Mapping[int, float]
) -> list[SliceToCheck]:
    """All slices with a label or with a score above 0, the most doubtful first.

    Args:
        label_map: (D, H, W).
        orientation: how slices lie in it.
        expected_error: by the index of a slice as it is stored, as in `Prediction`.
    """
    areas = np.count_nonzero(label_map, axis=_within_slices(orientation)).astype(float)
    found = [SliceToCheck(n, expected_error.get(n, 0.0), jump) for n, jump in enumerate(area_jumps(areas.tolist()))]
    found = [s for s in found if s.score > 0 or areas[s.index] > 0]
    return sorted(found, key=lambda s: (-s.score, s.index))


def doubt(label_map: np.ndarray, orientation: SliceOrientation, expected_error: Mapping[int, float]) -> float:
    """How unsure a model is about a whole scan, 0 to 1: the mean of the error that it expects in the slices in which it
    found something. 1 if it found nothing, so this is for scans that contain the organ.

    The arguments are those of `slices_to_check`.
    """
    filled = np.flatnonzero(filled_slices(label_map, orientation))
    if not filled.size:
        return 1.0
    return float(np.mean([expected_error.get(int(number), 0.0) for number in filled]))


def filled_slices(label_map: np.ndarray, orientation: SliceOrientation) -> np.ndarray:
    """Whether each slice of a label map, (D, H, W), has a label."""
    return np.asarray(label_map.any(axis=_within_slices(orientation)))


def _within_slices(orientation: SliceOrientation) -> tuple[int, ...]:
    return tuple(axis for axis in range(3) if axis != orientation.axes[0])


def area_jumps(areas: Sequence[float]) -> list[float]:
    """The area jump of each slice, as in `SliceToCheck`. areas: of all slices in order, in any unit."""
    padded = np.pad(np.asarray(areas, float), 1)
    jumps = np.abs(padded[1:-1] - (padded[:-2] + padded[2:]) / 2) / (padded.max() or 1)
    return [float(jump) for jump in jumps]
