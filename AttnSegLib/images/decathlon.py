"""The heart scans of the Medical Segmentation Decathlon (Task02): their headers call sagittal slices axial.

How their axes lie in the patient was found in the pictures: docs/decisions/0002-slice-plane.md. Needs only numpy.
"""

from __future__ import annotations

import numpy as np

# As downloaded: 90 to 130 slices of 320 x 320 pixels in the scans that we know; copies may be cropped.
_MOST_VOXELS = (140, 320, 320)  # k, j, i
_SPACING = (1.25, 1.25, 1.37)  # mm along i, j, k, which the header says run exactly towards right, anterior, superior
_TURN = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # i runs to anterior, j superior, k right


def is_mislabelled_heart(shape: tuple[int, ...], affine: np.ndarray) -> bool:
    """Whether voxels (D, H, W) on the grid of an affine (4x4, RAS, mm) are such a scan, by size, spacing and header."""
    fits = all(length <= most for length, most in zip(shape, _MOST_VOXELS, strict=True))
    return fits and np.allclose(affine[:3, :3], np.diag(_SPACING), rtol=0, atol=1e-3)


def true_affine(affine: np.ndarray) -> np.ndarray:
    """Affine (4x4, RAS, mm) of such a scan with its true directions; a turn, so that left and right stay apart."""
    return np.asarray(_TURN @ affine)
