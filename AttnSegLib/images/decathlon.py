"""Correct the heart scans of the Medical Segmentation Decathlon (Task02): their headers call sagittal slices axial.

The true directions were found by looking at the images: docs/decisions/0002-slice-plane.md. Needs only numpy.
"""

from __future__ import annotations

import numpy as np

# The scans that we know have 90 to 130 slices of 320 x 320 pixels when downloaded. Copies may be cropped.
_MOST_VOXELS = (140, 320, 320)  # k, j, i
_SPACING = (1.25, 1.25, 1.37)  # mm along i, j, k, which the header says run exactly towards right, anterior, superior
_TURN = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # i runs to anterior, j superior, k right


def is_mislabelled_heart(shape: tuple[int, ...], affine: np.ndarray) -> bool:
    """Whether size, spacing and directions are those of such a scan. shape: (D, H, W); affine: 4x4, RAS, mm."""
    fits = all(length <= most for length, most in zip(shape, _MOST_VOXELS, strict=True))
    return fits and np.allclose(affine[:3, :3], np.diag(_SPACING), rtol=0, atol=1e-3)


def true_affine(affine: np.ndarray) -> np.ndarray:
    """The affine (4x4, RAS, mm) with the true directions. It is a rotation, so left and right are never swapped."""
    return np.asarray(_TURN @ affine)
