"""Reads the user's own files: images in one folder and label maps in another, paired by name.

Layout: images/anna.nii.gz, labels/anna.nii.gz. Volumes are NIfTI, NRRD or MetaImage, pictures PNG, TIFF or JPEG. The
name of a label map may have _mask, _label, _seg or -label added (anna_seg.nrrd), and that of an image _0000, as for
nnU-Net (anna_0000.nii.gz). Folders inside the two are not read.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.picture import IMAGE_IOS, is_picture, read_picture
from AttnSegLib.images.volume import SUFFIXES, read_label_map, read_volume
from training.datasets._picture import picture_volume, read_values
from training.slices.case import Case, Labelled

SOURCE = (
    "Give a folder with images (NIfTI, NRRD, MetaImage, PNG, TIFF or JPEG files) in 'images' and their label maps in "
    "'labels', under the same names; other names of these folders are options."
)
LABELS: dict[int, str] = {}  # only the user knows
_ENDINGS = ("", "_mask", "_label", "_seg", "-label")
_CHANNEL = "_0000"


def cases(
    root: Path,
    images: str = "images",
    labels: str = "labels",
    threshold: int | None = None,
    patient: str | None = None,
) -> list[Case]:
    """The cases, sorted by id.

    Args:
        root: the folder that holds the two folders.
        images, labels: names of the two folders.
        threshold: for masks of pictures, whose edges can be soft: values above it become label 1, all others 0. None
            takes the values as labels.
        patient: a regular expression for the start of an id that is the same in all cases of a patient. For anna_1,
            anna_2 and bert_1, [a-z]+ finds the patients anna and bert. Without it, each case counts as another patient,
            so that slices of one patient in several files could be in training and test.

    Raises:
        InputError: if an image has no label map, or a label map no image.
    """
    if (root / images).resolve() == (root / labels).resolve():
        raise InputError(f"Images and labels are both looked for in '{images}'; keep them in two folders.")
    found, unused = [], _by_stem(root / labels)
    available = dict(unused)
    for stem, image in _by_stem(root / images).items():
        case_id, label = _partner(stem, available)
        if not label:
            raise InputError(f"The image '{image}' has no label map in '{labels}'; add it, or remove the image.")
        unused.pop(label, None)
        _check_kinds(image, available[label], threshold)
        found.append(Case(case_id, _patient(case_id, patient), partial(_read, image, available[label], threshold)))
    if unused:
        raise InputError(f"The label map '{min(unused.values())}' has no image in '{images}'; add it, or remove it.")
    return sorted(found, key=lambda case: case.id)


def _partner(stem: str, labels: dict[str, Path]) -> tuple[str, str]:
    """The case id of an image, and the stem of its label map, or "" if there is none.

    The whole name of the image is tried first, since "slice_0000" may be a name without nnU-Net's ending."""
    for case_id in (stem, stem.removesuffix(_CHANNEL)):
        for ending in _ENDINGS:
            if case_id + ending in labels:
                return case_id, case_id + ending
    return stem, ""


def _patient(case_id: str, pattern: str | None) -> str:
    if pattern is None:
        return case_id
    try:
        found = re.match(pattern, case_id)
    except re.error as error:
        raise InputError(f"'{pattern}' is not a regular expression ({error}); correct the option 'patient'.") from error
    if not found or not found[0]:
        raise InputError(f"The option patient = '{pattern}' finds no patient in the name '{case_id}'.")
    return found[0]


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'. {SOURCE}")
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("[!.]*")):
        suffix = next((s for s in (*SUFFIXES, *IMAGE_IOS) if path.name.lower().endswith(s)), None)
        if suffix and files.setdefault(path.name[: -len(suffix)], path) != path:
            raise InputError(f"'{path}' lies there under another ending too; keep one of the two.")
    return files


def _check_kinds(image: Path, label: Path, threshold: int | None) -> None:
    if is_picture(image) != is_picture(label):
        raise InputError(f"Of '{image.name}' and '{label.name}' one is a picture, one a volume; give two of a kind.")
    if not is_picture(image) and threshold is not None:
        raise InputError(f"A threshold is for pictures and '{image.name}' is a volume; leave the threshold out.")
    if label.suffix.lower() in (".jpg", ".jpeg") and threshold is None:
        raise InputError(f"JPEG blurs labels such as '{label.name}'; save them as PNG, or give a threshold.")


def _read(image: Path, label: Path, threshold: int | None) -> Labelled:
    if not is_picture(image):
        volume = read_volume(image)
        return Labelled(volume, read_label_map(label, volume))
    pixels = read_picture(image)
    values = read_values(label, pixels.shape)
    if threshold is not None:
        values = values > threshold
    elif values.min() < 0 or values.max() > 255 or np.any(values != np.round(values)):
        raise InputError(f"The mask '{label.name}' holds values other than whole numbers from 0 to 255.")
    return Labelled(picture_volume(pixels), values.astype(np.uint8)[None])
