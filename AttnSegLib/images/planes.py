"""Names of the planes that slices lie in. Needs only the standard library."""

from __future__ import annotations

from AttnSegLib.errors import InputError

PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}  # anatomical axis (R, A, S) along which the slices are stacked
ACQUIRED = "acquired"  # slices are stacked along the axis with the largest spacing; axial if no spacing is the largest


def check_plane(plane: str) -> None:
    """Raises `InputError` if there is no such plane."""
    if plane != ACQUIRED and plane not in PLANES:
        raise InputError(f"There is no slice plane {plane!r}; choose from: {', '.join([ACQUIRED, *PLANES])}.")
