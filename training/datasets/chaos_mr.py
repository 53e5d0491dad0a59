"""CHAOS challenge, the MR part: four abdominal organs in T1-DUAL (in and out of phase) and T2-SPIR series.

Layout: MR/<patient>/T1DUAL/DICOM_anon/{InPhase,OutPhase}/*.dcm, MR/<patient>/T2SPIR/DICOM_anon/*.dcm, and beside each
DICOM_anon a folder Ground with one PNG per slice. Sorted by name, the first PNG belongs to the first slice file, and so
on; the names are mostly the same. The two phases share their PNGs. The order of names is often not that of positions.
Kavur et al., "CHAOS Challenge", Medical Image Analysis 69 (2021) 101950. CC-BY-SA 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from AttnSegLib.errors import InputError
from AttnSegLib.images.dicom import faults
from AttnSegLib.images.dicom.frames import Rejected, frames_of
from AttnSegLib.images.stored import name_for_itk
from AttnSegLib.images.volume import Volume, read_volume
from training.slices.case import Case, Labelled

SOURCE = (
    "Download CHAOS_Train_Sets.zip from https://zenodo.org/records/3431873, unpack it, and give the folder Train_Sets, "
    "or the one inside for the modality, in which the numbered patients lie."
)
LABELS = {1: "liver", 2: "right kidney", 3: "left kidney", 4: "spleen"}

_RANGES = {1: (55, 70), 2: (110, 135), 3: (175, 200), 4: (240, 255)}  # usually 63, 126, 189, 252
_LEVELS = {grey: label for label, (low, high) in _RANGES.items() for grey in range(low, high + 1)}
_FOLDERS = {
    "T1-DUAL in phase": ("T1DUAL", "DICOM_anon/InPhase"),
    "T1-DUAL out phase": ("T1DUAL", "DICOM_anon/OutPhase"),
    "T2-SPIR": ("T2SPIR", "DICOM_anon"),
}


def cases(root: Path, sequence: str = "T1-DUAL in phase") -> Iterator[Case]:
    """One case for each patient. sequence: "T1-DUAL in phase", "T1-DUAL out phase" or "T2-SPIR".

    Raises `InputError` for another sequence, and for a patient without slices or masks.
    """
    if sequence not in _FOLDERS:
        raise InputError(f"CHAOS has no MR sequence '{sequence}'; choose one of: {', '.join(_FOLDERS)}.")
    name, slices = _FOLDERS[sequence]
    for patient in patients(root, "MR"):
        series, masks = patient / name / slices, patient / name / "Ground"
        check_folders(series, masks)
        yield Case(f"mr_{patient.name}", f"mr_{patient.name}", partial(read, series, masks, _LEVELS))


def patients(root: Path, modality: str) -> list[Path]:
    """The folders of all patients of a modality ("MR" or "CT"), sorted by number.

    root: the folder Train_Sets, or the one of the modality."""
    folder = root / modality if (root / modality).is_dir() else root
    return sorted((p for p in folder.iterdir() if p.is_dir() and p.name.isdigit()), key=lambda p: int(p.name))


def check_folders(series: Path, masks: Path) -> None:
    """Raises `InputError` if a folder of slices or a folder of masks has no files."""
    for folder, pattern in ((series, "*.dcm"), (masks, "*.png")):
        if next(folder.glob(pattern), None) is None:
            raise InputError(f"There are no files {pattern} in '{folder}'; only a training set has both. {SOURCE}")


def read(series: Path, masks: Path, levels: Mapping[int, int]) -> Labelled:
    """Read the slices and their masks.

    Args:
        series: folder of the DICOM slices.
        masks: folder of the PNG masks.
        levels: the label for each grey level of a mask; 0 is background.

    Raises:
        InputError: if the files do not fit each other, or a mask has another grey level.
    """
    volume = read_volume(series)
    slices, pngs = _by_name(series, "*.dcm"), _by_name(masks, "*.png")
    depth = len(volume.voxels)
    if not len(slices) == len(pngs) == depth:
        raise InputError(
            f"'{masks}' holds {len(pngs)} masks for {len(slices)} slice files, of which {depth} make the volume; there "
            "must be one mask per slice: unpack the data set again."
        )
    names, stems = {p.stem for p in pngs}, {p.stem for p in slices}
    if names & stems and names != stems:
        raise InputError(f"Mask '{min(names - stems)}.png' in '{masks}' has no slice file; unpack the data set again.")
    label_map = np.zeros(volume.voxels.shape, np.uint8)
    for k, png in zip(places(slices, volume), pngs, strict=True):
        label_map[k] = _labels(png, levels, volume.voxels.shape[1:])
    return Labelled(volume, label_map)


def _by_name(folder: Path, pattern: str) -> list[Path]:
    """The files, sorted by the numbers in their names, even if these are not padded with zeros."""
    files = (p for p in folder.glob(pattern) if not p.name.startswith("."))
    return sorted(files, key=lambda p: ([int(n) for n in re.findall(r"\d+", p.stem)], p.name))


def places(slices: list[Path], volume: Volume) -> list[int]:
    """The index k of each slice file in the volume, by its position. Raises `InputError` if a file is no slice."""
    positions = []
    for path in slices:
        frames = frames_of(path)
        if isinstance(frames, Rejected):
            raise faults.refusal([path], frames.fault)
        positions.append(frames[0].position)
    ras = np.array(positions) * [-1, -1, 1] - volume.affine[:3, 3]
    return [round(k) for k in np.linalg.solve(volume.affine[:3, :3], ras.T)[2].tolist()]


def _labels(path: Path, levels: Mapping[int, int], shape: tuple[int, ...]) -> np.ndarray:
    try:
        pixels = sitk.GetArrayFromImage(sitk.ReadImage(name_for_itk(path), imageIO="PNGImageIO"))
    except RuntimeError as error:
        raise InputError(f"'{path}' is damaged or no PNG file; unpack the data set again.") from error
    if pixels.shape != shape:
        raise InputError(f"Mask '{path}' has shape {pixels.shape}, its slice {shape}; unpack the data set again.")
    known = {0: 0, **levels}
    if unknown := sorted(set(np.unique(pixels).tolist()) - known.keys()):
        raise InputError(f"Mask '{path}' has grey level {unknown[0]}, which stands for no organ; unpack it again.")
    table = np.zeros(max(known) + 1, np.uint8)
    table[list(known)] = list(known.values())
    return np.asarray(table[pixels])
