"""How large and how bright what was found is. No torch: the panel shows measures, and only the worker makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from AttnSegLib.models.card import Label

if TYPE_CHECKING:
    from AttnSegLib.inference.preprocess import SliceStack


@dataclass(frozen=True)
class Measure:
    """One segment of a result. volume_ml: mL; slices: in how many it is; mean_intensity, sd_intensity: None if it is
    empty; slice_area_mm2: of all slices as they are stored, mm2."""

    id: str
    name: str
    volume_ml: float
    slices: int
    mean_intensity: float | None
    sd_intensity: float | None
    slice_area_mm2: tuple[float, ...]


def measure_segments(stack: SliceStack, label_map: np.ndarray, labels: Sequence[Label]) -> tuple[Measure, ...]:
    """The segment of each label in a label map (D, H, W)."""
    return tuple(_measure(stack, label_map == label.value, label) for label in labels)


def _measure(stack: SliceStack, mask: np.ndarray, label: Label) -> Measure:
    row_spacing, column_spacing = (stack.volume.spacing[2 - axis] for axis in stack.axes[1:])
    areas = mask.sum(axis=stack.axes[1:]) * (row_spacing * column_spacing)
    inside = stack.volume.voxels[mask]
    return Measure(
        label.id,
        label.name,
        volume_ml=round(int(mask.sum()) * stack.volume.voxel_volume, 3),
        slices=int((areas > 0).sum()),
        mean_intensity=round(float(inside.mean()), 3) if inside.size else None,
        sd_intensity=round(float(inside.std()), 3) if inside.size else None,
        slice_area_mm2=tuple(round(float(area), 2) for area in areas),
    )
