"""Finds out from the cases of a collection what its recipe depends on, such as plane, pixel size and intensities."""

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
from AttnSegLib.inference.postprocess import LargestPieces

_LOOKED_AT = 20  # most cases that are read; all of a large collection would take minutes
_ANISOTROPIC = 1.5  # if the largest spacing is so many times the next, slices are taken as they were acquired
_PERCENTILES = (0.5, 99.5)
_SPECKS = 0.01  # of a segment may lie beside its largest piece: a speck that a hand drew makes it no second piece
_FEWEST_TO_TELL = 3  # cases with a segment, before it is believed that it always is one piece


@dataclass(frozen=True)
class Survey:
    """What was found in a collection.

    Args:
        plane: of the slices to take.
        pixel_mm: side of a pixel in this plane, median over cases.
        slice_mm: largest height and largest width of a slice.
        organ_mm: longer side, in the plane, of the box around all segments, median over cases.
        filled: share of the slices that have a label.
        intensities: 0.5th and 99.5th percentile of what is labelled, each as median over cases.
        one_piece: whether each segment is one piece in all scans that are labelled as a whole, and is in at least three
            of these.
    """

    plane: str
    pixel_mm: float
    slice_mm: tuple[float, float]
    organ_mm: float
    filled: float
    intensities: tuple[float, float]
    one_piece: bool


@dataclass(frozen=True)
class _InPlane:
    """One case in one plane. pixel_mm, slice_mm, organ_mm: as in `Survey`; slices, filled: number of slices, and of
    those with a label; area: of the labels in a slice, mm2, mean over the filled slices."""

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
    left_out: dict[int, float]  # as in `LargestPieces`


def survey(collection: Collection) -> Survey:
    """Look at the cases of a collection, at most the first twenty.

    Raises `InputError` if there is no case, if one can't be read, or if the labelled slices of two scans lie in
    different planes.
    """
    if not collection.cases:
        raise InputError(f"The collection '{collection.name}' has no case yet; add one ('attnseg collect add').")
    cases = collection.cases[:_LOOKED_AT]
    seen = [_look(*collection.read_labelled_part(case)) for case in cases]
    plane = _plane_of_ranges(collection) or _best_plane(seen)
    own = [one.planes[plane] for one in seen]
    whole = [one for case, one in zip(cases, seen, strict=True) if case.labelled is None]
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
        one_piece=all(_is_one_piece(label.value, whole) for label in collection.segments),
    )


def _look(volume: Volume, label_map: np.ndarray) -> _Seen:
    mask = label_map > 0
    lower, upper = np.percentile(volume.voxels[mask], _PERCENTILES)
    planes = {plane: _in_plane(volume, mask, slice_orientation(volume.affine, plane)) for plane in PLANES}
    _, middle, largest = sorted(volume.spacing)
    acquired = slice_orientation(volume.affine, ACQUIRED).plane_name
    is_anisotropic = largest >= _ANISOTROPIC * middle
    return _Seen(planes, (float(lower), float(upper)), acquired, is_anisotropic, LargestPieces.of(label_map).left_out)


def _is_one_piece(label: int, seen: Sequence[_Seen]) -> bool:
    """Whether this is true of a label wherever it is, and it is in enough scans to tell. seen: of whole scans."""
    shares = [one.left_out[label] for one in seen if label in one.left_out]
    return len(shares) >= _FEWEST_TO_TELL and max(shares) <= _SPECKS


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
    """The plane that fits most scans. For each scan, this is the one in which it was acquired, or, if its voxels are
    about cubes, the one in which the segments have the largest mean area."""
    votes = [
        one.acquired if one.is_anisotropic else max(PLANES, key=lambda plane: one.planes[plane].area) for one in seen
    ]
    return Counter(votes).most_common(1)[0][0]


def _plane_of_ranges(collection: Collection) -> str:
    """The plane in which scans are labelled slice by slice; "" if all scans are labelled as a whole. Raises
    `InputError` if there are several such planes."""
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
