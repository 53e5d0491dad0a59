"""Lungs in single CT slices: Kaggle's "Finding and Measuring Lungs in CT Data", 267 slices in Hounsfield units.

Layout: 2d_images/ID_0000_Z_0142.tif, 2d_masks/ID_0000_Z_0142.tif. Its few whole volumes (3d_images) are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from training.datasets._picture import pairs, read_pair
from training.slices.case import Case

SOURCE = (
    "Download https://www.kaggle.com/datasets/kmader/finding-lungs-in-ct-data and give its folder, the one with "
    "2d_images and 2d_masks in it."
)
LABELS = {1: "lung"}


def cases(root: Path) -> Iterator[Case]:
    """One case for each slice. Slices with the same ID in their names belong to one patient.

    Raises `InputError` if an image has no mask, or a mask no image.
    """
    for name, image, mask in pairs(_by_name(root / "2d_images"), _by_name(root / "2d_masks")):
        yield Case(name, name.partition("_Z_")[0], partial(read_pair, image, mask))


def _by_name(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("[!.]*.tif")}
