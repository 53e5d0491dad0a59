"""Where a voxel lies: near an organ, inside of it, on its boundary, outside."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt


def near(mask: np.ndarray, spacing: tuple[float, ...], distance: float) -> np.ndarray:
    """Where a mask of any shape is filled, or at most `distance` mm away; spacing: mm along each axis of the array."""
    if not mask.any():
        return np.zeros_like(mask)
    return np.asarray(distance_transform_edt(~mask, sampling=spacing) <= distance)


def boundary(mask: np.ndarray, spacing: tuple[float, ...], distance: float) -> np.ndarray:
    """Where the nearest voxel on the other side of the mask's boundary is at most `distance` mm away."""
    return np.asarray(near(mask, spacing, distance) & near(~mask, spacing, distance))
