"""How slices lie in a volume: along which stored axis, and in which direction. Needs only numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.planes import PLANES

_TURN = np.array([[0, -7.3, 2.7], [7.3, 0, -1], [-2.7, 1, 0]]) * 2e-5  # about an axis in no special direction
_NEARLY_STRAIGHT = np.eye(3) + _TURN
_NOTICEABLE = 1.01  # the largest spacing counts as such if it is more than this factor larger than the next


@dataclass(frozen=True)
class Region:
    """A box of voxels: from `start` up to but not including `stop`, both (k, j, i)."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @classmethod
    def around(cls, label_map: np.ndarray, label: int, margin: int = 0) -> Region | None:
        """The smallest box that holds all voxels of a label; None if no voxel has this label.

        The box is made wider by `margin` voxels on each side, but never leaves the label map (D, H, W). The search goes
        slice by slice, so that it needs hardly any memory."""
        filled = np.zeros(label_map.shape[0], bool)
        seen = np.zeros(label_map.shape[1:], bool)
        for number, plane in enumerate(label_map):
            mask = plane == label
            filled[number] = mask.any()
            if filled[number]:
                seen |= mask
        if not filled.any():
            return None
        lines = [np.flatnonzero(line) for line in (filled, seen.any(axis=1), seen.any(axis=0))]
        k, j, i = (max(0, int(line[0]) - margin) for line in lines)
        ends = zip(lines, label_map.shape, strict=True)
        last_k, last_j, last_i = (min(length, int(line[-1]) + 1 + margin) for line, length in ends)
        return cls((k, j, i), (last_k, last_j, last_i))

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises `InputError` if the box is empty, or leaves a volume of this shape (D, H, W)."""
        bounds = zip(self.start, self.stop, shape, strict=True)
        if not all(0 <= start < stop <= length for start, stop, length in bounds):
            raise InputError(
                f"The region from {self.start} to {self.stop} (k, j, i) is empty or leaves the volume of "
                f"{tuple(shape)} voxels; correct its bounds."
            )

    def cut(self, axis: int, start: int, stop: int) -> Region:
        """The same box with other bounds along one array axis: from `start` up to but not including `stop`."""
        starts, stops = list(self.start), list(self.stop)
        starts[axis], stops[axis] = start, stop
        return Region((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))

    def whole_slices(self, axis: int, shape: tuple[int, ...]) -> Region:
        """All of the slices along an array axis of a volume of this shape that the box touches."""
        return Region((0, 0, 0), (shape[0], shape[1], shape[2])).cut(axis, self.start[axis], self.stop[axis])

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index into an array (D, H, W)."""
        k, j, i = (slice(start, stop) for start, stop in zip(self.start, self.stop, strict=True))
        return k, j, i


@dataclass(frozen=True)
class SliceOrientation:
    """How the slices of a plane lie in the array of a volume.

    Args:
        axes: the array axes along which slices, rows and columns are counted.
        flips: which of these three are counted backwards.
        plane_name: "axial", "coronal" or "sagittal".
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    plane_name: str

    def view(self, array: np.ndarray) -> np.ndarray:
        """The slices (N, H, W) of an array (D, H, W), as a view: what is written into them is written into the array.
        So the way back to the volume's grid is exact."""
        view = array.transpose(self.axes)
        return view[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def stored_index(self, number: int, shape: tuple[int, ...]) -> int:
        """The index of slice `number` of the view along its array axis. The same call also turns an index into a slice
        number. shape: (D, H, W)."""
        return shape[self.axes[0]] - 1 - number if self.flips[0] else number

    def view_bounds(self, region: Region, shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
        """A region of a volume of this shape (D, H, W) as an index into its view (N, H, W)."""
        slices = []
        for axis, flip in zip(self.axes, self.flips, strict=True):
            start, stop = region.start[axis], region.stop[axis]
            slices.append(slice(shape[axis] - stop, shape[axis] - start) if flip else slice(start, stop))
        number, row, column = slices
        return number, row, column


def slice_orientation(affine: np.ndarray, plane: str) -> SliceOrientation:
    """How the slices of a plane lie in a volume.

    Rows and columns are counted along the two other anatomical axes, towards right, anterior or superior. Rows follow
    the one that comes later in this list.

    Args:
        affine: of the volume, 4x4, RAS, mm.
        plane: a name, as in `Preprocessing`.
    """
    anatomical = _closest_axes(affine)  # which column of the affine (i, j, k) is closest to R, to A and to S
    across = _slice_axis(affine, anatomical, plane)
    order = [across, *sorted({0, 1, 2} - {across}, reverse=True)]
    columns = [anatomical[a] for a in order]
    number, row, column = (2 - c for c in columns)  # voxels are indexed (k, j, i)
    flips = tuple(bool(affine[a, c] < 0) for a, c in zip(order, columns, strict=True))
    name = next(name for name, axis in PLANES.items() if axis == across)
    return SliceOrientation((number, row, column), (flips[0], flips[1], flips[2]), name)


def has_largest_spacing(spacing: Sequence[float]) -> bool:
    """Whether one of three spacings is larger than the others, so that it tells how a scan was acquired."""
    _, middle, largest = sorted(spacing)
    return bool(largest > _NOTICEABLE * middle)


def _closest_axes(affine: np.ndarray) -> tuple[int, ...]:
    """Which column of the affine (i, j, k) is closest to R, to A and to S, so that all three fit best together.

    At 45 degrees two choices fit equally well. So the patient is first turned by about a hundredth of a degree. Then
    the anatomy decides, and not the order or direction in which a file stores its axes.
    """
    cosines = np.abs(_NEARLY_STRAIGHT @ (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)))
    return max(permutations(range(3)), key=lambda columns: cosines[range(3), columns].sum())


def _slice_axis(affine: np.ndarray, anatomical: tuple[int, ...], plane: str) -> int:
    if plane in PLANES:
        return PLANES[plane]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[list(anatomical)]
    return int(np.argmax(spacing)) if has_largest_spacing(spacing) else PLANES["axial"]
