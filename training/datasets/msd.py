"""Medical Segmentation Decathlon: any task of 3D volumes, such as Task02 Heart, Task03 Liver, Task07 Pancreas.

The headers of Task02 are wrong, and are corrected here: docs/decisions/0002-slice-plane.md.
Layout: dataset.json, imagesTr/*.nii.gz, labelsTr/*.nii.gz. The archives also hold "._" files from macOS, which are not
read.
Antonelli et al., "The Medical Segmentation Decathlon", Nature Communications 13 (2022) 4128. CC-BY-SA 4.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from AttnSegLib.errors import InputError
from AttnSegLib.images import decathlon
from AttnSegLib.images.volume import read_label_map, read_volume
from training.slices.case import Case, Labelled

SOURCE = (
    "Download a task of the Medical Segmentation Decathlon from http://medicaldecathlon.com and give its folder, the "
    "one with imagesTr and labelsTr in it."
)
LABELS: dict[int, str] = {}  # the task's dataset.json says it


def cases(root: Path) -> Iterator[Case]:
    """The labelled cases of a task: those that dataset.json lists, or all if there is no such file.

    Raises `InputError` if a case lacks its image or its label map.
    """
    images, labels = _by_id(root / "imagesTr"), _by_id(root / "labelsTr")
    for case_id in _listed(root) or sorted(images.keys() | labels.keys()):
        if case_id not in images or case_id not in labels:
            raise InputError(f"Case '{case_id}' lacks its image or its label map; download the task again.")
        yield Case(case_id, case_id, partial(_read, images[case_id], labels[case_id]))


def _listed(root: Path) -> list[str]:
    path = root / "dataset.json"
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["training"]
        return sorted(Path(entry["image"]).name.removesuffix(".nii.gz") for entry in entries)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"'{path}' is not the description of a Decathlon task; download the task again.") from error


def _by_id(folder: Path) -> dict[str, Path]:
    return {p.name.removesuffix(".nii.gz"): p for p in sorted(folder.glob("[!.]*.nii.gz"))}


def _read(image: Path, labels: Path) -> Labelled:
    volume = read_volume(image)
    if decathlon.is_mislabelled_heart(volume.voxels.shape, volume.affine):
        volume = replace(volume, affine=decathlon.true_affine(volume.affine), other_affines=(volume.affine,))
    return Labelled(volume, read_label_map(labels, volume))
