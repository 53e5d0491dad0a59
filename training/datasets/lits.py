"""LiTS, the Liver Tumor Segmentation Benchmark: abdominal CT with livers and their tumours.

Layout: volume-<number>.nii and segmentation-<number>.nii (or .nii.gz), in one folder or in several (Training Batch 1
and 2). The headers of volumes 28 to 47 give a wrong spacing of 1 mm along every axis, as is known from issue 14 of
github.com/PatrickChrist/LITS-CHALLENGE. They are read with this spacing.
Bilic et al., "The Liver Tumor Segmentation Benchmark (LiTS)", Medical Image Analysis 84 (2023) 102680. CC-BY-NC-ND.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_label_map, read_volume
from training.slices.case import Case, Labelled

SOURCE = (
    "Download the training data of LiTS from https://competitions.codalab.org/competitions/17094 and give the folder "
    "that holds the files volume-0.nii, segmentation-0.nii and so on, or the folder around several such."
)
LABELS = {1: "liver", 2: "tumour"}


def cases(root: Path) -> Iterator[Case]:
    """The volumes under a folder. Raises `InputError` if one has no segmentation, or a segmentation no volume."""
    volumes, segmentations = _by_number(root, "volume"), _by_number(root, "segmentation")
    for number in sorted(volumes.keys() | segmentations.keys()):
        if number not in volumes or number not in segmentations:
            lacking = "volume" if number not in volumes else "segmentation"
            raise InputError(f"There is no {lacking}-{number}.nii under '{root}'; download the data set again.")
        case_id = f"lits_{number}"
        yield Case(case_id, case_id, partial(_read, volumes[number], segmentations[number]))


def _by_number(root: Path, kind: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted(root.rglob(f"{kind}-*.nii*")):
        match = re.fullmatch(kind + r"-(\d+)\.nii(\.gz)?", path.name)
        if not match or not path.is_file():
            continue
        if (number := int(match[1])) in found:
            raise InputError(f"'{path}' and '{found[number]}' have one number; keep one of them.")
        found[number] = path
    return found


def _read(image: Path, segmentation: Path) -> Labelled:
    volume = read_volume(image)
    label_map = read_label_map(segmentation, volume)
    if (highest := label_map.max()) > max(LABELS):
        raise InputError(f"'{segmentation}' has the value {highest}, but LiTS has 0, 1 and 2; download it again.")
    return Labelled(volume, label_map)
