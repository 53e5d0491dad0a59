"""Cleaning a label map by what is known of anatomy, in 3D."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from AttnSegLib.images.orientation import Region

_MUCH = 0.1  # of what was found of a segment; to leave out so much is told


@dataclass(frozen=True, eq=False)
class LargestParts:
    """The largest connected part of each label.

    Args:
        label_map: (D, H, W) uint8 without all other parts.
        left_out: the share of its voxels that a label has lost, by label.
    """

    label_map: np.ndarray
    left_out: dict[int, float]

    @classmethod
    def of(cls, label_map: np.ndarray) -> LargestParts:
        """Of a label map, (D, H, W) uint8. Voxels that touch with a face are connected."""
        kept = np.zeros_like(label_map)
        left_out = {}
        for label in range(1, int(label_map.max()) + 1):
            box = Region.around(label_map, label)  # an organ fills but a small part of its volume
            if box is not None:
                found = label_map[box.slices] == label
                components = sitk.ConnectedComponent(sitk.GetImageFromArray(found.astype(np.uint8)))
                by_size = sitk.RelabelComponent(components, sortByObjectSize=True)
                largest = sitk.GetArrayViewFromImage(by_size) == 1
                kept[box.slices][largest] = label
                left_out[label] = 1.0 - float(largest.sum() / found.sum())
        return cls(kept, left_out)


def keep_largest_parts(label_map: np.ndarray, names: Mapping[int, str], tell: Callable[[str], None]) -> None:
    """Take all but the largest part of each label out of a label map, (D, H, W) uint8.

    Args:
        label_map: changes.
        names: of the labels.
        tell: gets a sentence for each label of which a tenth or more is left out.
    """
    largest = LargestParts.of(label_map)
    label_map[...] = largest.label_map
    for label, share in largest.left_out.items():
        if share >= _MUCH:
            name = names.get(label, f"label {label}")
            tell(
                f"{share:.0%} of what was found of '{name}' lay apart from its largest piece and was left out, since "
                "this model keeps one piece of each segment."
            )
