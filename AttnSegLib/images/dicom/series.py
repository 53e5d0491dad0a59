"""Reads a volume from a folder of slices, or from a file of many frames."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from AttnSegLib.errors import InputError, printable
from AttnSegLib.images.dicom import faults, pixels, spacing, stacks
from AttnSegLib.images.dicom.files import quiet
from AttnSegLib.images.dicom.frames import Frame, Rejected, frames_of
from AttnSegLib.images.dicom.signs import is_dicom
from AttnSegLib.images.dicom.stacks import Stack


class Reading(NamedTuple):
    """What was read, with the same fields as `Volume`: voxels (D, H, W), affine (4x4, RAS, mm) and the rest."""

    voxels: np.ndarray
    affine: np.ndarray
    modality: str | None
    notices: tuple[str, ...]
    padding: float | None


def read_series(folder: Path, number: str | None = None) -> Reading:
    """Read the DICOM series in a folder.

    Args:
        folder: where the slices lie.
        number: the SeriesNumber to take if there are several series, or "3.2" for the second volume of number 3.

    Raises:
        InputError: for a folder without DICOM slices; with several volumes and no `number`; with damaged, missing,
            doubled, odd or unevenly spaced slices; or with a tilted gantry.
    """
    return _reading(*_chosen_of_folder(folder, number))


def sources_of(path: Path, number: str | None = None) -> tuple[list[Dataset], list[int]]:
    """The headers of the files that hold a volume, and where each slice k of the volume is.

    If each slice is a file: their headers in the order of the volume, and 0, 1, 2, ... If all slices are frames of one
    file: its header, and the index of the frame of each slice.

    Args:
        path: a folder, or a file of many frames.
        number: as for `read_series`.

    Raises:
        InputError: as `read_series`; and if the volume is only a part of a file of frames, or lies in several of them.
    """
    chosen, _ = (_chosen_of_folder if path.is_dir() else _chosen_of_file)(path, number)
    frames = sorted(chosen.frames, key=lambda frame: frame.distance)
    paths = list(dict.fromkeys(frame.path for frame in frames))
    with quiet():
        headers: list[Dataset] = [dcmread(one, stop_before_pixels=True) for one in paths]
    if len(paths) == len(frames):
        return headers, list(range(len(frames)))
    if len(paths) > 1 or frames[0].pixels.frames != len(frames):
        raise InputError(f"'{printable(path.name)}' is only a part of a file of many frames; choose another format.")
    return headers, [frame.index for frame in frames]


def _chosen_of_folder(folder: Path, number: str | None) -> tuple[Stack, list[str]]:
    """The slices of the chosen series in a folder, and notices. Raises as `read_series`."""
    place = f"'{printable(folder.name)}'"
    frames: list[Frame] = []
    rejected: list[Rejected] = []
    others: list[Path] = []
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        if not is_dicom(path):
            others.append(path)
        elif path.name != "DICOMDIR":
            found = frames_of(path)
            if isinstance(found, Rejected):
                rejected.append(found)
            else:
                frames += found
    all_stacks, notices = stacks.stacks_of(frames)
    _check_found(all_stacks, place, number, rejected)
    chosen, beside = stacks.choose(all_stacks, place, number)
    _check_rejected(chosen, rejected, others)
    left = f"{len(rejected)} DICOM file(s) without a usable slice were left out."
    return chosen, [*([left] if rejected else []), *notices, *beside]


def read_file(path: Path, number: str | None = None) -> Reading:
    """Read the volume in one DICOM file of many frames. number: as for `read_series`. Raises `InputError` for a file of
    one slice, and as `read_series` does."""
    return _reading(*_chosen_of_file(path, number))


def _chosen_of_file(path: Path, number: str | None) -> tuple[Stack, list[str]]:
    """The slices of the chosen volume in a file, and notices. Raises as `read_file`."""
    frames = frames_of(path)
    if isinstance(frames, Rejected):
        raise faults.refusal([path], frames.fault)
    place = f"'{printable(path.name)}'"
    if len(frames) == 1:
        raise InputError(f"{place} is a single DICOM slice; give the folder in which all slices of its series lie.")
    all_stacks, notices = stacks.stacks_of(frames)
    chosen, beside = stacks.choose(all_stacks, place, number)
    return chosen, [*notices, *beside]


def _reading(chosen: Stack, notices: list[str]) -> Reading:
    frames = sorted(chosen.frames, key=lambda frame: frame.distance)
    notices += spacing.check_frames(frames)
    voxels, padding, share = pixels.intensities(frames)
    if padding is not None:
        notices.append(
            f"{100 * share:.1f} % of the voxels are padding (the value {padding:g}), outside of what was measured, and "
            "are taken as background."
        )
    if any(frame.is_inverted for frame in frames):
        notices.append(
            "The slices are marked to be shown inverted (MONOCHROME1); the intensities are taken as they are stored, "
            "rescaled but not inverted."
        )
    return Reading(voxels, spacing.affine(frames), frames[0].modality or None, tuple(notices), padding)


def _check_found(all_stacks: list[Stack], place: str, number: str | None, rejected: list[Rejected]) -> None:
    """Raises `InputError` for a folder without slices, or in which damage leaves only single slices."""
    asked_for = [stack for stack in all_stacks if number in (None, stack.name, stack.frames[0].number)]
    images = [one for one in rejected if one.fault != faults.NO_IMAGE]
    if asked_for:
        images = [one for one in rejected if one.fault.is_damage and max(map(len, asked_for)) == 1]
    if images and (asked_for or not all_stacks):
        fault, _ = Counter(one.fault for one in images).most_common(1)[0]
        raise faults.refusal([one.path for one in images if one.fault == fault], fault)
    if not all_stacks:
        raise InputError(
            f"The folder {place} holds no DICOM slices; give the folder in which the slice files themselves lie."
        )


def _check_rejected(chosen: Stack, rejected: list[Rejected], others: list[Path]) -> None:
    """Raises `InputError` for files that seem to be damaged slices of the chosen series."""
    kinds = {"", *(frame.kind for frame in chosen.frames)}
    of_series = [one for one in rejected if not one.series or stacks.is_of(chosen, one)]
    lost = [one for one in of_series if one.fault.is_damage or one.kind in kinds]
    if lost:
        fault = lost[0].fault
        raise faults.refusal([one.path for one in lost if one.fault == fault], fault)
    patterns = {_pattern(frame.path) for frame in chosen.frames}
    if alike := [path for path in others if _pattern(path) in patterns]:
        raise faults.refusal(alike, faults.HEADER)


def _pattern(path: Path) -> str:
    return re.sub(r"\d+", "#", path.name)
