"""DICOM parametric maps, by highdicom: attention or probability on the slices that a scan was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from AttnSegLib.models.card import Code, ModelSpec
from AttnSegLib.results.dicom_segmentation import complete_headers, dicom_concept, maker_of
from AttnSegLib.results.segmentation_file import to_steps

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_FIRST_SERIES = 101  # behind that of the segmentation
_BODY = Code("SCT", "38266002", "Entire body")
_SCHEME = "99ATTNSEG"  # of our own: DICOM has no code for either


@dataclass(frozen=True, eq=False)
class MeaningfulMap:
    """A map (D, H, W) from 0 to 1 on the grid of a scan, and of what. title: of an attention map; id of a segment."""

    kind: Literal["attention", "probability"]
    title: str
    values: np.ndarray


def write_parametric_map(path: Path, one: MeaningfulMap, spec: ModelSpec, source: tuple[Path, str | None, int]) -> None:
    """Write a map as float32, rounded by `to_steps`. Patient and study are those of the scan.

    Args:
        path: of the file.
        one: the map.
        spec: the model that made it.
        source: folder or file of the scan, and the number of its series, as for `read_volume`; and which map it is,
            counted from 0.

    Raises:
        InputError: for a scan whose headers lack what DICOM needs.
        OSError: if the file can't be written.
    """
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping
    from highdicom.sr import CodedConcept

    from AttnSegLib.images.dicom.series import sources_of

    scan, series, number = source
    files, frames = sources_of(scan, series)
    in_order = np.zeros(one.values.shape, np.float32)
    in_order[frames] = to_steps(one.values)
    meaning = RealWorldValueMapping(
        lut_label=one.kind,
        lut_explanation=f"{one.kind}: {one.title}"[:64],
        unit=CodedConcept("1", "UCUM", "no units"),
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=CodedConcept(one.kind, _SCHEME, one.kind.capitalize()),
    )
    with complete_headers(scan):
        written = ParametricMap(
            source_images=files,
            pixel_array=in_order,
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[meaning],
            voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
            content_label=one.kind.upper(),
            **maker_of(spec, _FIRST_SERIES + number, f"{one.kind}: {one.title}"),
        )
        written.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [_anatomy(spec)]
        _sort_frames(written)
        written.save_as(path)


def _sort_frames(written: Dataset) -> None:
    """Along the normal of the slices, as dcmqi takes them to be; highdicom sorts them the other way round."""
    orientation = written.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    normal = np.cross(*np.array(orientation, float).reshape(2, 3))
    groups = list(written.PerFrameFunctionalGroupsSequence)
    places = [np.array(group.PlanePositionSequence[0].ImagePositionPatient, float) @ normal for group in groups]
    order = np.argsort(places)
    frames = np.frombuffer(written.FloatPixelData, np.float32).reshape(len(groups), -1)
    written.PerFrameFunctionalGroupsSequence = [groups[number] for number in order]
    written.FloatPixelData = frames[order].tobytes()


def _anatomy(spec: ModelSpec) -> Dataset:
    """What is seen on the slices; dcmqi, by which Slicer reads maps, crashes without it."""
    from pydicom.dataset import Dataset

    part = spec.labels[0].type if len(spec.labels) == 1 else _BODY
    anatomy = Dataset()
    anatomy.FrameLaterality = "U"  # unpaired, or both sides
    anatomy.AnatomicRegionSequence = [dicom_concept(part)]
    return anatomy
