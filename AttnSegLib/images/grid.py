"""Affines, which say where voxels lie in the patient: how to make and check them, and notices where a file has none.
Needs only numpy."""

from __future__ import annotations

import numpy as np

from AttnSegLib.errors import InputError

LPS_TO_RAS = np.array([[-1.0], [-1.0], [1.0]])  # files count towards left and posterior, Slicer right and anterior
SKEW = 1e-3  # cosine between two axes up to which they are at right angles
_SPACINGS = (1e-6, 1e6)  # mm; no scan has a spacing outside of these, and arithmetic with it would not be exact
_FARTHEST = 1e9  # mm


def affine_of(directions: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """The affine (4x4, RAS, mm) of a grid that is given in LPS.

    Args:
        directions: (3, 3), mm, LPS. Each column is the step from a voxel to the next along i, j or k.
        origin: (3,), mm, LPS: where the first voxel lies.
    """
    affine = np.eye(4)
    affine[:3, :3] = directions * LPS_TO_RAS
    affine[:3, 3] = origin * LPS_TO_RAS[:, 0]
    return affine


def check_axes(affine: np.ndarray, name: str) -> None:
    """Raises `InputError` unless the axes have a plausible length and are at right angles within `SKEW`.

    name: the volume's name in the message."""
    with np.errstate(all="ignore"):  # invalid numbers are refused below
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        skew = np.abs(affine[:3, :3].T @ affine[:3, :3] - np.diag(lengths**2))
    smallest, largest = _SPACINGS
    is_plausible = np.isfinite(affine).all() and smallest < lengths.min() and lengths.max() < largest
    if not is_plausible or np.abs(affine[:3, 3]).max() > _FARTHEST or (skew > SKEW * np.outer(lengths, lengths)).any():
        raise InputError(f"The voxel axes of {name} are sheared or not valid; resample it to a rectangular grid.")


def same_place(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two affines are the same, except for rounding in files."""
    return bool(np.allclose(one, other, atol=1e-3))


def not_said(*what: str) -> tuple[str, ...]:
    """The notice about what a header does not say; empty if nothing is missing.

    what: each thing that is missing, with what was assumed, as "how far apart the voxels are (taken as 1 mm)"."""
    if not what:
        return ()
    listed = " and ".join([", ".join(what[:-1]), what[-1]] if len(what) > 1 else what)
    return (f"The file does not say {listed}; check that this is right.",)


SILENT_SPACING = "how far apart the voxels are (taken as 1 mm)"
SILENT_AXES = "how the axes lie in the patient (taken as left, posterior, superior)"
SILENT_ORIGIN = "where the first voxel is (taken as 0)"
