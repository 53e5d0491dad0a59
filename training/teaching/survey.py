"""What a recipe depends on, found out from the cases of a collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from AttnSegLib.collections.collection import CollectedCase, Collection
from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import SliceOrientation, slice_orientation
from AttnSegLib.images.planes import ACQUIRED, PLANES
from AttnSegLib.images.volume import Volume

_LOOKED_AT = 20  # cases: reading all of a large collection would take minutes
_ANISOTROPIC = 1.5  # times the finer spacings: slices so far apart are taken as they were acquired
_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Survey:
    """plane: of the slices to take. pixel_mm: median of the pixels in it. slice_mm: height and width of the largest
    slice. organ_mm: median over the cases of the longer side of the box around all segments, in the plane.
    filled: share of the slices that have a label. intensities: of what is labelled, the lowest and the highest but for
    1 % (medians over the cases)."""

    plane: str
    pixel_mm: float
    slice_mm: tuple[float, float]
    organ_mm: float
    filled: float
    intensities: tuple[float, float]


@dataclass(frozen=True)
class _InPlane:
    """One case, seen in one plane: its mm and shares as in `Survey`."""

    pixel_mm: float
    slice_mm: tuple[float, float]
    organ_mm: float
    slices: int
    filled: int
    area: float


@dataclass(frozen=True)
class _Seen:
    planes: dict[str, _InPlane]
    intensities: tuple[float, float]
    acquired: str
    is_anisotropic: bool


def survey(collection: Collection) -> Survey:
    """Look at the cases of a collection, the first twenty at most.

    Raises `InputError` for one that can't be read, if there is none, and if the labelled slices of two scans lie in
    different planes.
    """
    if not collection.cases:
        raise InputError(f"The collection '{collection.name}' has no case yet; add one ('attnseg collect add').")
    cases = collection.cases[:_LOOKED_AT]
    seen = [_look(*collection.read_labelled_part(case)) for case in cases]
    plane = _plane_of_ranges(collection) or _best_plane(seen)
    own = [one.planes[plane] for one in seen]
    return Survey(
        plane=plane,
        pixel_mm=float(np.median([one.pixel_mm for one in own])),
        slice_mm=(max(one.slice_mm[0] for one in own), max(one.slice_mm[1] for one in own)),
        organ_mm=float(np.median([one.organ_mm for one in own])),
        filled=sum(one.filled for one in own) / sum(one.slices for one in own),
        intensities=(
            float(np.median([one.intensities[0] for one in seen])),
            float(np.median([one.intensities[1] for one in seen])),
        ),
    )


def _look(volume: Volume, label_map: np.ndarray) -> _Seen:
    mask = label_map > 0
    lower, upper = np.percentile(volume.voxels[mask], _PERCENTILES)
    planes = {plane: _in_plane(volume, mask, slice_orientation(volume.affine, plane)) for plane in PLANES}
    _, middle, largest = sorted(volume.spacing)
    acquired = slice_orientation(volume.affine, ACQUIRED).plane_name
    return _Seen(planes, (float(lower), float(upper)), acquired, largest >= _ANISOTROPIC * middle)


def _in_plane(volume: Volume, mask: np.ndarray, orientation: SliceOrientation) -> _InPlane:
    spacing = [volume.spacing[2 - axis] for axis in orientation.axes]
    number, *sides = (np.flatnonzero(mask.any(axis=_others(axis))) for axis in orientation.axes)
    organ = [(places[-1] - places[0] + 1) * mm for places, mm in zip(sides, spacing[1:], strict=True)]
    height, width = (mask.shape[axis] * mm for axis, mm in zip(orientation.axes[1:], spacing[1:], strict=True))
    pixel = float(np.sqrt(spacing[1] * spacing[2]))
    area = float(mask.sum()) * spacing[1] * spacing[2] / len(number)
    return _InPlane(pixel, (height, width), float(max(organ)), mask.shape[orientation.axes[0]], len(number), area)


def _others(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def _best_plane(seen: Sequence[_Seen]) -> str:
    """The one that most scans were acquired in; where voxels are about cubes, the one that shows most of the
    segments."""
    votes = [
        one.acquired if one.is_anisotropic else max(PLANES, key=lambda plane: one.planes[plane].area) for one in seen
    ]
    return Counter(votes).most_common(1)[0][0]


def _plane_of_ranges(collection: Collection) -> str:
    """The plane in which scans are labelled slice by slice; "" if all are labelled as a whole."""
    partly = [case for case in collection.cases if case.labelled is not None]
    planes = {_plane_of(collection, case) for case in partly}
    if len(planes) > 1:
        raise InputError(
            f"The labelled slices of the scans are {' and '.join(sorted(planes))}; label all scans in the same plane."
        )
    return planes.pop() if planes else ""


def _plane_of(collection: Collection, case: CollectedCase) -> str:
    volume, _ = collection.read(case)
    assert case.labelled is not None
    axis = case.labelled.axis
    return next(plane for plane in PLANES if slice_orientation(volume.affine, plane).axes[0] == axis)
