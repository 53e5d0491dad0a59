"""Cleaning a label map by what is known of anatomy, in 3D."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from AttnSegLib.images.orientation import Region

_MUCH = 0.1  # of a segment; who sees the result is told if so much is left out


@dataclass(frozen=True, eq=False)
class LargestPieces:
    """The largest piece of each label.

    Args:
        label_map: (D, H, W) uint8 without all other pieces.
        left_out: the share of its voxels that a label has lost, by label. Labels that are not there are missing.
    """

    label_map: np.ndarray
    left_out: dict[int, float]

    @classmethod
    def of(cls, label_map: np.ndarray) -> LargestPieces:
        """Of a label map, (D, H, W) uint8. Voxels that touch with a face are in one piece."""
        kept = np.zeros_like(label_map)
        left_out = {}
        for label in range(1, int(label_map.max()) + 1):
            box = Region.around(label_map, label)  # an organ fills but a small part of its volume
            if box is not None:
                found = label_map[box.slices] == label
                largest = _largest_piece(found)
                kept[box.slices][largest] = label
                count = int(found.sum())
                left_out[label] = (count - int(largest.sum())) / count
        return cls(kept, left_out)


def keep_largest_pieces(label_map: np.ndarray, names: Mapping[int, str], tell: Callable[[str], None]) -> None:
    """Take all but the largest piece of each label out of a label map, (D, H, W) uint8.

    Args:
        label_map: changes.
        names: of the labels.
        tell: gets a sentence for each label of which a tenth or more is left out.
    """
    largest = LargestPieces.of(label_map)
    label_map[...] = largest.label_map
    for label, share in largest.left_out.items():
        if share >= _MUCH:
            name = names.get(label, f"label {label}")
            tell(
                f"'{name}' was found in several pieces. This model keeps the largest; the others, "
                f"{min(share, 0.99):.0%} of the voxels, were left out."
            )


def _largest_piece(found: np.ndarray) -> np.ndarray:
    """Where the largest piece of a mask is. Both (D, H, W), bool."""
    components = sitk.ConnectedComponent(sitk.GetImageFromArray(found.view(np.uint8)))
    by_size = sitk.RelabelComponent(components, sortByObjectSize=True)  # has the memory of the view
    return np.asarray(sitk.GetArrayViewFromImage(by_size) == 1)
