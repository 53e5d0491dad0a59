"""Liver in CT slices as the code of AF-Net and CE-Net expects them: 400 pictures to train, 20 to validate.

Layout: train/000.png, train/000_mask.png, val/000.png, val/000_mask.png. The published pictures are upside down, the
patient's front below; they are kept as stored, so anatomical directions are not to be trusted.
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
    """One case a picture, "train_000" or "val_000": the part is the id's prefix, so that a split can follow it.

    Who the patients are isn't known: every picture counts as one of its own. Raises `InputError` if pictures and masks
    do not pair up by name.
    """
    for part in PARTS:
        files = {path.stem: path for path in (root / part).glob("[!.]*.png")}
        masks = {name.removesuffix("_mask"): path for name, path in files.items() if name.endswith("_mask")}
        images = {name: path for name, path in files.items() if not name.endswith("_mask")}
        for name, image, mask in pairs(images, masks):
            yield Case(f"{part}_{name}", f"{part}_{name}", partial(read_pair, image, mask))
