"""Writes the images of one run in the file format that was asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.inference.prediction import Prediction
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.results.dicom_segmentation import check_dicom_source, check_highdicom, write_dicom_segmentation
from AttnSegLib.results.parametric_map import MeaningfulMap, write_parametric_map
from AttnSegLib.results.results_folder import OVERVIEW, SEGMENTATION, plain_name
from AttnSegLib.results.segmentation_file import write_heat_map_file, write_label_map_file, write_segmentation_file

FORMATS = ("seg.nrrd", "nifti", "nifti-per-segment", "dicom-seg")
_BY_NAME = {".nii": "nifti", ".nii.gz": "nifti", ".nrrd": "seg.nrrd", ".dcm": "dicom-seg"}
_NOT_WRITTEN = (".mha", ".mhd", ".nhdr", ".hdr", ".img", ".gz", ".png", ".stl")  # refused, since users may expect them


@dataclass(frozen=True)
class WantedFormat:
    """The file format of a segmentation, and what the files must name.

    Args:
        name: one of `FORMATS`.
        image, series: the scan, as for `read_volume`. A DICOM SEG refers to it.
        without: titles of the attention maps that were switched off. The picture names them.
    """

    name: str
    image: Path
    series: str | None = None
    without: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises `InputError` if the format is not one of `FORMATS`, or can't be made of this scan."""
        check_format(self.name)
        if self.name == "dicom-seg":
            check_dicom_source(self.image)


def format_of_file(path: Path) -> str | None:
    """The format that belongs to the ending of a file's name; None for the name of a folder.

    Raises `InputError` if the ending is that of a format that is not written.
    """
    name = path.name.lower()
    kind = next((kind for suffix, kind in _BY_NAME.items() if name.endswith(suffix)), None)
    if kind is None and name.endswith(_NOT_WRITTEN):
        raise InputError(f"'{path.name}' can't be written; end it in .nii.gz, .seg.nrrd or .dcm, or give a folder.")
    return kind


def write_run_files(
    folder: Path, spec: ModelSpec, prediction: Prediction, reference: np.ndarray | None, wanted: WantedFormat
) -> dict[str, dict[str, str] | list[str]]:
    """Write the segmentation, the maps and, if matplotlib is installed, the picture.

    Args:
        folder: where to write.
        spec: the model.
        prediction: its result.
        reference: label map (D, H, W) to draw into the picture; None for none.
        wanted: the file format.

    Returns:
        The names of the files for the report: `segmentation` (a list), `attention` (by the title of the map) and, if
        there are any, `probability` (by the id of the segment).

    Raises:
        InputError: if the format is not one of `FORMATS`, or no DICOM SEG can be made of the scan.
        OSError: if a file can't be written.
    """
    segmentation = _write_segmentation(folder, spec, prediction, wanted)
    with ThreadPoolExecutor(1) as beside:  # the picture is drawn while maps are packed, outside of Python's lock
        picture = None if no_picture() else beside.submit(_draw, folder, spec, prediction, reference, wanted)
        maps = _write_maps(folder, spec, prediction, wanted)
    if picture:
        picture.result()
    return {"segmentation": segmentation} | maps


def _draw(
    folder: Path, spec: ModelSpec, prediction: Prediction, reference: np.ndarray | None, wanted: WantedFormat
) -> None:
    from AttnSegLib.results.pictures.overview import Overview, write_overview

    maps = prediction.attention
    influences = {title: known for title in maps if (known := spec.influence_of(title))}
    title = ", ".join([spec.title, *(f"without {one}" for one in wanted.without)])
    labels = prediction.label_map
    shown = Overview(title, prediction.stack, labels, spec.labels, maps, reference, influences)
    write_overview(folder / OVERVIEW, shown)


def write_one_file(path: Path, spec: ModelSpec, prediction: Prediction, wanted: WantedFormat) -> None:
    """Write only the segmentation. Raises `OSError`, and `InputError` if no DICOM SEG can be made of the scan."""
    affine = prediction.stack.volume.affine
    if wanted.name == "nifti":
        write_label_map_file(path, prediction.label_map, affine)
    elif wanted.name == "dicom-seg":
        write_dicom_segmentation(path, prediction.label_map, spec, (wanted.image, wanted.series))
    else:
        write_segmentation_file(path, prediction.label_map, affine, spec.labels)


def no_picture() -> list[str]:
    """A notice if there will be no picture, since matplotlib is missing; an empty list if there will be one."""
    if find_spec("matplotlib") is not None:
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns if it can't write to the user's home
        return []
    return [f"There is no {OVERVIEW}, since matplotlib is missing; to have it: pip install matplotlib."]


def check_format(name: str) -> None:
    """Raises `InputError` if the format is not one of `FORMATS`, or its package is missing."""
    if name not in FORMATS:
        raise InputError(f"There is no file format '{name}'; choose one of: {', '.join(FORMATS)}.")
    if name == "dicom-seg":
        check_highdicom()


def _write_segmentation(folder: Path, spec: ModelSpec, prediction: Prediction, wanted: WantedFormat) -> list[str]:
    """Write the segmentation, and return the names of its files."""
    check_format(wanted.name)
    if wanted.name == "nifti-per-segment":
        return _masks(folder, spec, prediction)
    name = {"seg.nrrd": SEGMENTATION, "nifti": "segmentation.nii.gz", "dicom-seg": "segmentation.dcm"}[wanted.name]
    write_one_file(folder / name, spec, prediction, wanted)
    return [name]


def _write_maps(
    folder: Path, spec: ModelSpec, prediction: Prediction, wanted: WantedFormat
) -> dict[str, dict[str, str]]:
    """Kind to title to name of the file."""
    suffix = {"seg.nrrd": ".nrrd", "dicom-seg": ".dcm"}.get(wanted.name, ".nii.gz")
    maps = [MeaningfulMap("attention", title, values) for title, values in prediction.attention.items()]
    ids = {label.value: label.id for label in spec.labels}
    maps += [MeaningfulMap("probability", ids[value], values) for value, values in prediction.probabilities.items()]
    names = _different([f"{one.kind}-{plain_name(one.title)}" for one in maps], suffix)
    for number, (name, one) in enumerate(zip(names, maps, strict=True)):
        if wanted.name == "dicom-seg":
            write_parametric_map(folder / name, one, spec, (wanted.image, wanted.series, number))
        else:
            write_heat_map_file(folder / name, one.values, prediction.stack.volume.affine)
    written: dict[str, dict[str, str]] = {"attention": {}}
    for name, one in zip(names, maps, strict=True):
        written.setdefault(one.kind, {})[one.title] = name
    return written


def _masks(folder: Path, spec: ModelSpec, prediction: Prediction) -> list[str]:
    """Write a mask for each segment, 1 inside and 0 outside, even if it is empty. Returns the names of the files."""
    names = _different((f"segmentation-{plain_name(label.id)}" for label in spec.labels), ".nii.gz")
    for name, label in zip(names, spec.labels, strict=True):
        mask = (prediction.label_map == label.value).astype(np.uint8)
        write_label_map_file(folder / name, mask, prediction.stack.volume.affine)
    return names


def _different(stems: Iterable[str], suffix: str) -> list[str]:
    """Different file names for the stems. Two titles can have the same stem, since stems leave characters out."""
    names: list[str] = []
    for stem in stems:
        number = sum(name.startswith(f"{stem}.") or name.startswith(f"{stem}~") for name in names)
        names.append(f"{stem}{suffix}" if not number else f"{stem}~{number + 1}{suffix}")
    return names
