"""KiTS19, the Kidney Tumor Segmentation Challenge of 2019: abdominal CT with kidneys and their tumours.

Layout: data/case_<five digits>/imaging.nii.gz and segmentation.nii.gz. Cases 210 to 299 were the test set and have no
segmentation. The files store slices along their first axis. Their headers say so, and no special care is needed.
Heller et al., "The KiTS19 Challenge Data", arXiv:1904.00445. CC-BY-NC-SA 4.0.
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
    "Clone https://github.com/neheller/kits19, fetch the images with its starter code, and give the repository's "
    "folder, or the folder 'data' in it."
)
LABELS = {1: "kidney", 2: "tumour"}

_FIRST_TEST_CASE = 210


def cases(root: Path) -> Iterator[Case]:
    """The cases with a segmentation. Raises `InputError` if one has no image, or one below 210 no segmentation."""
    folder = root / "data" if (root / "data").is_dir() else root
    for path in sorted(p for p in folder.iterdir() if re.fullmatch(r"case_\d{5}", p.name)):
        image, segmentation = path / "imaging.nii.gz", path / "segmentation.nii.gz"
        if not segmentation.is_file() and int(path.name[-5:]) >= _FIRST_TEST_CASE:
            continue
        for file in (image, segmentation):
            if not file.is_file():
                raise InputError(f"There is no file '{file}'; download the case again. {SOURCE}")
        yield Case(path.name, path.name, partial(_read, image, segmentation))


def _read(image: Path, segmentation: Path) -> Labelled:
    volume = read_volume(image)
    label_map = read_label_map(segmentation, volume)
    if (highest := label_map.max()) > max(LABELS):
        raise InputError(f"'{segmentation}' has the value {highest}, but KiTS19 has 0, 1 and 2; download it again.")
    return Labelled(volume, label_map)
