"""Liver in CT slices, as the code of AF-Net and CE-Net expects them: 400 pictures to train, 20 to validate.

Layout: train/000.png, train/000_mask.png, val/000.png, val/000_mask.png. The published pictures are upside down, with
the patient's front below. They are read as stored, so do not rely on anatomical directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from training.datasets._picture import pairs, read_pair
from training.slices.case import Case

SOURCE = "Give the folder with train and val in it, each with pictures (000.png) and their masks (000_mask.png)."
LABELS = {1: "liver"}
PARTS = ("train", "val")


def cases(root: Path) -> Iterator[Case]:
    """One case for each picture. Its id, "train_000" or "val_000", begins with the part, so that a split can use it.

    The patients are not known, so each picture counts as a patient. Raises `InputError` if a picture has no mask, or a
    mask no picture.
    """
    for part in PARTS:
        files = {path.stem: path for path in (root / part).glob("[!.]*.png")}
        masks = {name.removesuffix("_mask"): path for name, path in files.items() if name.endswith("_mask")}
        images = {name: path for name, path in files.items() if not name.endswith("_mask")}
        for name, image, mask in pairs(images, masks):
            yield Case(f"{part}_{name}", f"{part}_{name}", partial(read_pair, image, mask))
