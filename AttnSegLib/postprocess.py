"""Cleaning a label map by what is known of anatomy, in 3D."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def keep_largest_component(label_map: np.ndarray) -> np.ndarray:
    """(D, H, W) uint8 with, for each label, only its largest connected part (6 neighbours)."""
    kept = np.zeros_like(label_map)
    for label in np.unique(label_map[label_map > 0]):
        mask = sitk.GetImageFromArray((label_map == label).astype(np.uint8))
        components = sitk.RelabelComponent(sitk.ConnectedComponent(mask), sortByObjectSize=True)
        kept[sitk.GetArrayViewFromImage(components) == 1] = label
    return kept
