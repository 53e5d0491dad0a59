"""Finds the voxels near an organ, and those at its boundary."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt


def near(mask: np.ndarray, spacing: tuple[float, ...], distance: float) -> np.ndarray:
    """Where voxels are in a mask or at most `distance` mm away from it, as bool of the same shape.

    spacing: mm along each axis of the array."""
    if not mask.any():
        return np.zeros_like(mask)
    return np.asarray(distance_transform_edt(~mask, sampling=spacing) <= distance)


def boundary(mask: np.ndarray, spacing: tuple[float, ...], distance: float) -> np.ndarray:
    """Where voxels are at most `distance` mm from a voxel on the other side of a mask's boundary, as bool of the same
    shape. spacing: mm along each axis of the array."""
    return np.asarray(near(mask, spacing, distance) & near(~mask, spacing, distance))
