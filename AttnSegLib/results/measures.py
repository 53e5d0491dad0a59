"""Measures the size and brightness of segments. Needs no torch, since the panel imports this file, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import Label

if TYPE_CHECKING:
    from AttnSegLib.inference.preprocess import SliceStack


_SQUARE_IS_INFINITE = 1e150


class Measurable(Protocol):
    """What is measured: a label of a card, or a segment."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Measure:
    """The measures of one segment.

    Args:
        id, name: of the label.
        volume_ml: volume in mL.
        slices: number of slices in which it is.
        mean_intensity, sd_intensity: mean and standard deviation of its voxels; None if it is empty.
        slice_area_mm2: its area in each slice, in mm2, in the order in which slices are stored.
        extent_ijk_mm: sides of the smallest box around it along i, j and k, in mm; 0 if it is empty.
    """

    id: str
    name: str
    volume_ml: float
    slices: int
    mean_intensity: float | None
    sd_intensity: float | None
    slice_area_mm2: tuple[float, ...]
    extent_ijk_mm: tuple[float, ...] = ()


def measure_segments(stack: SliceStack, label_map: np.ndarray, labels: Sequence[Label]) -> tuple[Measure, ...]:
    """The measures of each label in a label map (D, H, W)."""
    return tuple(measure_mask(stack.volume, label_map == label.value, label, stack.axes[0]) for label in labels)


def measure_mask(volume: Volume, mask: np.ndarray, label: Measurable, axis: int) -> Measure:
    """The measures of one segment.

    Args:
        volume: the scan.
        mask: (D, H, W), bool: the voxels of the segment.
        label: its id and name.
        axis: the array axis along which slices are counted.
    """
    others = tuple(other for other in range(3) if other != axis)
    row_spacing, column_spacing = (volume.spacing[2 - other] for other in others)
    areas = mask.sum(axis=others) * (row_spacing * column_spacing)
    mean, deviation = _mean_and_deviation(volume.voxels[mask])
    return Measure(
        label.id,
        label.name,
        volume_ml=round(int(mask.sum()) * volume.voxel_volume, 3),
        slices=int((areas > 0).sum()),
        mean_intensity=mean,
        sd_intensity=deviation,
        slice_area_mm2=tuple(round(float(area), 2) for area in areas),
        extent_ijk_mm=_extent(mask, volume.spacing),
    )


def _extent(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, ...]:
    region = Region.around(mask, 1)
    if region is None:
        return 0.0, 0.0, 0.0
    voxels = (stop - start for start, stop in zip(region.start[::-1], region.stop[::-1], strict=True))
    return tuple(round(count * side, 2) for count, side in zip(voxels, spacing, strict=True))


def _mean_and_deviation(intensities: np.ndarray) -> tuple[float | None, float | None]:
    """The mean and the standard deviation of intensities (n,), rounded; None and None if n is 0."""
    if not intensities.size:
        return None, None
    values = intensities.astype(np.float64)
    largest = float(np.abs(values).max())
    unit = largest if largest > _SQUARE_IS_INFINITE else 1.0
    return round(float((values / unit).mean()) * unit, 3), round(float((values / unit).std()) * unit, 3)
