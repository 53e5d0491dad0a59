"""Medical Segmentation Decathlon: any task of 3D volumes, as downloaded (imagesTr/*.nii.gz, labelsTr/*.nii.gz).

Antonelli et al., "The Medical Segmentation Decathlon", Nature Communications 13 (2022) 4128. CC-BY-SA 4.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from AttnSegLib.errors import InputError
from AttnSegLib.volume import read_label_map, read_volume
from training.case import Case


def cases(root: Path) -> Iterator[Case]:
    """The labelled cases of a task folder, by id. Raises `InputError` if images and labels do not pair up."""
    images = _by_id(root / "imagesTr")
    labels = _by_id(root / "labelsTr")
    if not images:
        raise InputError(f"No images in '{root / 'imagesTr'}'; give the folder of a Decathlon task.")
    if unpaired := sorted(images.keys() ^ labels.keys()):
        raise InputError(f"Case '{unpaired[0]}' has an image or a label map, but not both; download the task again.")
    for case_id, path in images.items():
        volume = read_volume(path)
        yield Case(case_id, volume, read_label_map(labels[case_id], volume))


def _by_id(folder: Path) -> dict[str, Path]:
    """Case id to file, without the "._" files that the archives carry from macOS."""
    return {p.name.removesuffix(".nii.gz"): p for p in sorted(folder.glob("[!.]*.nii.gz"))}
