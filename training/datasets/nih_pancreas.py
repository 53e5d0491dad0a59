"""NIH Pancreas-CT, from The Cancer Imaging Archive (TCIA): abdominal CT with the pancreas.

Layout: Pancreas-CT/PANCREAS_<four digits>/<study>/<series>/*.dcm, and label<four digits>.nii.gz in a folder of its own.
The headers of the labels do not place them on the DICOM grid, so they are matched by index. Voxel (i, j, k) of a label
is column i and row j of the slice with the k-th InstanceNumber. Nothing is flipped with respect to the DICOM pixels.
(dcm2niix stores rows bottom up, so compared with its NIfTI the labels are flipped along j.) Three sources say so:
DATA2NPY in github.com/twni2016/OrganSegRSTN_PyTorch (rows, columns, InstanceNumber), the mask generator in
github.com/atlan-antillia/Pancreas-ImageMask-Dataset (the same), and the README of github.com/mattiaspaul/deedsBCV with
its pull request 8 ("-flip y" against dcm2niix).
Roth et al., "Data From Pancreas-CT", TCIA (2016), doi:10.7937/K9/TCIA.2016.tNB1kqBU. CC-BY 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from AttnSegLib.errors import InputError
from AttnSegLib.images.dicom import files
from AttnSegLib.images.volume import read_volume
from training.datasets.chaos_mr import places
from training.slices.case import Case, Labelled

SOURCE = (
    "Download images and labels of Pancreas-CT from https://www.cancerimagingarchive.net/collection/pancreas-ct/ and "
    "give a folder that holds both: the folders PANCREAS_0001 and so on, and the files label0001.nii.gz and so on."
)
LABELS = {1: "pancreas"}


def cases(root: Path) -> Iterator[Case]:
    """One case for each patient. Raises `InputError` if one has no label file, or not exactly one series."""
    labels = {p.name[5:9]: p for p in sorted(root.rglob("label[0-9][0-9][0-9][0-9].nii.gz"))}
    for patient in sorted(root.rglob("PANCREAS_[0-9][0-9][0-9][0-9]")):
        number = patient.name[-4:]
        if number not in labels:
            raise InputError(f"There is no file label{number}.nii.gz under '{root}'. {SOURCE}")
        series = sorted({p.parent for p in patient.rglob("*.dcm")})
        if len(series) != 1:
            raise InputError(f"'{patient}' holds {len(series)} series, but should hold 1; download it again.")
        yield Case(patient.name, patient.name, partial(_read, series[0], labels[number]))


def _read(series: Path, label: Path) -> Labelled:
    volume, voxels = read_volume(series), read_volume(label).voxels
    slices = _by_instance_number(series)
    if voxels.shape != volume.voxels.shape or len(slices) != len(voxels):
        raise InputError(
            f"'{label}' has shape {voxels.shape}, but its image {volume.voxels.shape} from {len(slices)} slices with a "
            "number of their own; download both again."
        )
    if unknown := sorted(set(np.unique(voxels).tolist()) - {0, 1}):
        raise InputError(f"'{label}' has the value {unknown[0]}, but only 0 and 1 have a meaning; download it again.")
    label_map = np.zeros(voxels.shape, np.uint8)
    label_map[places(slices, volume)] = voxels
    return Labelled(volume, label_map)


def _by_instance_number(series: Path) -> list[Path]:
    slices: dict[int, Path] = {}
    for path in series.glob("*.dcm"):
        try:
            with files.quiet():
                slices[int(dcmread(path, specific_tags=["InstanceNumber"]).InstanceNumber)] = path
        except (InvalidDicomError, AttributeError, TypeError, ValueError) as error:
            raise InputError(f"'{path}' is no DICOM slice with an InstanceNumber; download it again.") from error
    return [slices[number] for number in sorted(slices)]
