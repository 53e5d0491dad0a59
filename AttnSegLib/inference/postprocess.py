"""Cleaning a label map by what is known of anatomy, in 3D."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from AttnSegLib.images.orientation import Region


def keep_largest_component(label_map: np.ndarray) -> np.ndarray:
    """(D, H, W) uint8 with, for each label, only its largest connected part (6 neighbours)."""
    kept = np.zeros_like(label_map)
    for label in range(1, int(label_map.max()) + 1):
        box = Region.around(label_map, label)  # an organ fills but a small part of its volume
        if box is not None:
            part = sitk.GetImageFromArray((label_map[box.slices] == label).astype(np.uint8))
            components = sitk.RelabelComponent(sitk.ConnectedComponent(part), sortByObjectSize=True)
            kept[box.slices][sitk.GetArrayViewFromImage(components) == 1] = label
    return kept
