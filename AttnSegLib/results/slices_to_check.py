"""Which slices of a result deserve a second look: where the network expects errors, or the area jumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from AttnSegLib.images.orientation import SliceOrientation

# What a short cross-validation chose for a recall of 0.85 of the bad slices. The shipped models stay far below that
# recall with it: docs/trust.md.
DOUBTFUL = 0.19


@dataclass(frozen=True)
class SliceToCheck:
    """index: along the stored slice axis. expected_error: as in `Prediction`, 0 to 1. area_jump: difference to the mean
    area of both neighbours, as a share of the largest area of any slice, 0 to 1."""

    index: int
    expected_error: float
    area_jump: float

    @property
    def score(self) -> float:
        """The larger of the two: either is reason enough to look."""
        return max(self.expected_error, self.area_jump)

    @property
    def is_doubtful(self) -> bool:
        """Whether it should be looked at even if nobody has the time to look at all."""
        return self.score > DOUBTFUL


def slices_to_check(
    label_map: np.ndarray, orientation: SliceOrientation, expected_error: Mapping[int, float]
) -> list[SliceToCheck]:
    """All slices in which there is something to see, the most doubtful first.

    label_map: (D, H, W). expected_error: of stored slice indices, as in `Prediction`.
    """
    axis = orientation.axes[0]
    others = tuple(a for a in range(3) if a != axis)
    areas = np.count_nonzero(label_map, axis=others).astype(float)
    found = [SliceToCheck(n, expected_error.get(n, 0.0), jump) for n, jump in enumerate(area_jumps(areas.tolist()))]
    found = [s for s in found if s.score > 0 or areas[s.index] > 0]
    return sorted(found, key=lambda s: (-s.score, s.index))


def doubt(label_map: np.ndarray, orientation: SliceOrientation, expected_error: Mapping[int, float]) -> float:
    """How little a model is sure of a whole scan that has the organ, 0 to 1: the mean error that it expects of the
    slices in which it found something; 1 if it found nothing.

    label_map, expected_error: as in `slices_to_check`.
    """
    axis = orientation.axes[0]
    filled = np.flatnonzero(label_map.any(axis=tuple(other for other in range(3) if other != axis)))
    if not filled.size:
        return 1.0
    return float(np.mean([expected_error.get(int(number), 0.0) for number in filled]))


def area_jumps(areas: Sequence[float]) -> list[float]:
    """Of each slice, see `SliceToCheck.area_jump`. areas: of all slices, in any unit."""
    padded = np.pad(np.asarray(areas, float), 1)
    jumps = np.abs(padded[1:-1] - (padded[:-2] + padded[2:]) / 2) / (padded.max() or 1)
    return [float(jump) for jump in jumps]
