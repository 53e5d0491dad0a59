"""Names of the planes that slices lie in. Needs only the standard library."""

from __future__ import annotations

from AttnSegLib.errors import InputError

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}  # anatomical axis (R, A, S) that the slices of a plane follow
# By how a scan was acquired: across the axis with the largest spacing; if no spacing is the largest, the plane here.
ACQUIRED = {"acquired": "axial", "acquired or sagittal": "sagittal", "acquired or coronal": "coronal"}


def check_plane(plane: str) -> None:
    """Raises `InputError` if there is no such plane."""
    if plane not in PLANES and plane not in ACQUIRED:
        raise InputError(f"There is no slice plane '{plane}'; choose from: {', '.join([*ACQUIRED, *PLANES])}.")
