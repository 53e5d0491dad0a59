"""Cleaning a label map by what is known of anatomy, in 3D."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def keep_largest_component(label_map: np.ndarray) -> np.ndarray:
    """(D, H, W) uint8 with, for each label, only its largest connected part (6 neighbours)."""
    kept = np.zeros_like(label_map)
    for label in range(1, int(label_map.max()) + 1):
        mask = label_map == label
        box = _bounding_box(mask)  # an organ fills but a small part of its volume
        if box is not None:
            part = sitk.GetImageFromArray(mask[box].astype(np.uint8))
            components = sitk.RelabelComponent(sitk.ConnectedComponent(part), sortByObjectSize=True)
            kept[box][sitk.GetArrayViewFromImage(components) == 1] = label
    return kept


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds all of a mask (D, H, W); None if that is empty."""
    flat = np.logical_or.reduce(mask, axis=0)
    if not flat.any():
        return None
    occupied = np.logical_or.reduce
    k, j, i = (_extent(line) for line in (occupied(mask, (1, 2)), occupied(flat, 1), occupied(flat, 0)))
    return k, j, i


def _extent(line: np.ndarray) -> slice:
    """From the first to the last that is true."""
    return slice(int(line.argmax()), len(line) - int(line[::-1].argmax()))
