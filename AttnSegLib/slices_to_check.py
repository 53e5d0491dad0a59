"""Which slices of a result deserve a second look: those that the network is unsure of, and those that jump."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from AttnSegLib.orientation import SliceOrientation


@dataclass(frozen=True)
class SliceToCheck:
    """index: along the stored slice axis. disagreement: between the network's opinions (1 - Dice), 0 to 1. area_jump:
    difference to the mean area of both neighbours, as a share of the largest area of any slice, 0 to 1."""

    index: int
    disagreement: float
    area_jump: float

    @property
    def score(self) -> float:
        """The larger of the two: either is reason enough to look."""
        return max(self.disagreement, self.area_jump)


def slices_to_check(
    label_map: np.ndarray, orientation: SliceOrientation, disagreement: Mapping[int, float]
) -> list[SliceToCheck]:
    """All slices in which there is something to see, the most doubtful first.

    label_map: (D, H, W). disagreement: of stored slice indices, as in `Prediction`.
    """
    axis = orientation.axes[0]
    others = tuple(a for a in range(3) if a != axis)
    areas = np.count_nonzero(label_map, axis=others).astype(float)
    expected = (np.pad(areas, 1)[:-2] + np.pad(areas, 1)[2:]) / 2
    jumps = np.abs(areas - expected) / max(areas.max(), 1)
    found = [SliceToCheck(n, disagreement.get(n, 0.0), float(jump)) for n, jump in enumerate(jumps)]
    found = [s for s in found if s.score > 0 or areas[s.index] > 0]
    return sorted(found, key=lambda s: (-s.score, s.index))
