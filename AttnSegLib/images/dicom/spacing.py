"""Checks that the slices of a stack make one volume: the same pixel grid, not shifted, at even distances."""

from __future__ import annotations

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.dicom.faults import names
from AttnSegLib.images.dicom.frames import Frame

ONE_PLACE = 1e-3  # mm; slices that are no farther apart count as lying at one position
_JITTER = 0.05  # slices that are uneven by no more than this share of their distance are taken as even, with a notice
_NEGLIGIBLE = 0.001  # below this share, there is no notice: headers are rounded
_GAP = 1.5  # times the usual distance: from here on, a slice is missing
_FAR = 3.5  # times the usual distance: a last slice that is farther away may not belong to the scan


def check_frames(frames: list[Frame]) -> list[str]:
    """Notices about slices that are sorted by distance. Raises `InputError` if they can't be one volume."""
    return [*_check_planes(frames), *_check_distances(frames)]


def line_up(frames: list[Frame]) -> bool:
    """Whether slices of one orientation, in any order, make a volume."""
    try:
        check_frames(sorted(frames, key=lambda frame: frame.distance))
    except InputError:
        return False
    return True


def affine(frames: list[Frame]) -> np.ndarray:
    """The affine (4x4, RAS, mm) of sorted slices. Slice distances come from the positions, since SliceThickness often
    differs from them."""
    first, last = frames[0], frames[-1]
    step = (last.distance - first.distance) / (len(frames) - 1)
    matrix = np.eye(4)
    matrix[:3, :3] = first.axes * [*first.spacing, step]
    matrix[:3, 3] = first.position
    matrix[:2] *= -1  # LPS to RAS
    return matrix


def odd(frames: list[Frame], others: int, why: str) -> InputError:
    """The error about slices that do not fit the others of their series.

    Args:
        frames: the slices that do not fit.
        others: the number of the others.
        why: what is different about them.
    """
    paths = sorted({frame.path for frame in frames})
    fits = "does not fit" if len(paths) == 1 else "do not fit"
    return InputError(
        f"{names(paths)} {fits} the other {others} slices of the series ({why}); "
        "take it out of the folder if it is a scout, else export the series again."
    )


def _check_planes(frames: list[Frame]) -> list[str]:
    """A notice if slices are slightly shifted. Raises `InputError` if they are shifted more, or differ in grid."""
    grids: dict[tuple[object, ...], list[Frame]] = {}
    for frame in frames:
        grids.setdefault((frame.size, *np.round(np.log(frame.spacing), 3)), []).append(frame)
    usual = max(grids.values(), key=len)
    others = [f for f in frames if f.size != usual[0].size or not np.allclose(f.spacing, usual[0].spacing, rtol=1e-3)]
    if others and len(others) < len(frames) / 4:
        raise odd(others, len(usual), "another size or pixel spacing")
    if others:
        raise InputError("The slices of the series differ in size or pixel spacing; export slices of one grid only.")
    first = frames[0]
    offsets = (np.array([frame.position for frame in frames]) - first.position) @ first.axes[:, :2]
    shifts = np.abs(offsets - np.median(offsets, axis=0))
    aside = (shifts > first.spacing).any(axis=1)
    if aside.sum() == 1 and len(frames) > 3:
        raise odd([frames[int(np.argmax(aside))]], len(frames) - 1, "shifted sideways")
    if (np.abs(offsets) > first.spacing).any():
        raise InputError("The slices are sheared against each other (tilted gantry); resample the series first.")
    largest = float(np.abs(offsets).max())
    if largest > _JITTER * first.spacing.min():
        return [f"The slices are shifted sideways by up to {largest:.2f} mm; they are taken as exactly in line."]
    return []


def _check_distances(frames: list[Frame]) -> list[str]:
    """Notices about the distances between sorted slices. Raises `InputError` if they can't be one volume."""
    distances = np.array([frame.distance for frame in frames])
    steps = np.diff(distances)
    step = float(np.quantile(steps, 0.5, method="lower"))
    if steps.min() < ONE_PLACE:
        raise _at_one_place(frames, steps)
    off = _unevenness(distances)
    if off <= _JITTER:
        told = f"Slice distances vary by up to {100 * off:.1f} %; each is taken as {steps.mean():.3f} mm."
        return [told] if off > _NEGLIGIBLE else []
    _check_odd(frames, distances, step)
    widest = int(np.argmax(steps))
    if steps[widest] > _GAP * step:
        raise InputError(
            f"A slice is missing: between slices {widest + 1} and {widest + 2} of {len(frames)}, by position, there "
            f"is a gap of {steps[widest]:.2f} mm where {step:.2f} mm is usual; copy the series again."
        )
    raise InputError(
        f"The slices are unevenly spaced ({steps.min():.2f} to {steps.max():.2f} mm); resample the series first."
    )


def _unevenness(distances: np.ndarray) -> float:
    """How far distances are from even ones, as a share of the usual step: in a single step, or added up along the
    stack, whichever is worse."""
    steps = np.diff(distances)
    step = float(np.quantile(steps, 0.5, method="lower"))
    if step < ONE_PLACE:
        return np.inf
    drift = distances - np.linspace(distances[0], distances[-1], len(distances))
    return float(max(np.abs(steps - step).max(), np.abs(drift).max()) / step)


def _at_one_place(frames: list[Frame], steps: np.ndarray) -> InputError:
    doubled = np.flatnonzero(steps < ONE_PLACE)
    if len(doubled) == 1 and len(frames) > 3:
        pair = [frames[doubled[0]].path, frames[doubled[0] + 1].path]
        if pair[0] != pair[1]:
            return InputError(
                f"{names(pair)} lie at one position and differ; take the one out of the folder that is no part of the "
                "scan."
            )
    return InputError("Several slices lie at one position (several time points or echoes); export one of them.")


def _check_odd(frames: list[Frame], distances: np.ndarray, step: float) -> None:
    """Raises `InputError` if the slices would be evenly spaced without one of them, and names that one."""
    if len(frames) < 4:
        return
    last = len(frames) - 1
    for n in range(len(frames)):
        rest = np.delete(distances, n)
        if _unevenness(rest) > _JITTER:
            continue
        away = float(np.abs(rest - distances[n]).min())
        if n in (0, last) and _GAP * step < away < _FAR * step:
            return  # more likely, slices in between are missing
        raise odd([frames[n]], last, f"{away:.2f} mm from the nearest; they are {step:.2f} mm apart")
