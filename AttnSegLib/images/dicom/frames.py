"""The slices in a DICOM file. A plain file has one slice, an enhanced file has one for each of its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.tag import Tag

from AttnSegLib.images.dicom import faults, files
from AttnSegLib.images.dicom.faults import DAMAGE, Fault, Unusable
from AttnSegLib.images.dicom.files import StoredPixels

_FARTHEST = 1e5  # mm; no scanner is larger

# The sequences in which enhanced files keep what plain files have in the header itself (PS3.3, C.7.6.16).
_GROUPS = {
    "PixelSpacing": ("PixelMeasuresSequence",),
    "ImagePositionPatient": ("PlanePositionSequence",),
    "ImageOrientationPatient": ("PlaneOrientationSequence",),
    "RescaleSlope": ("PixelValueTransformationSequence",),
    "RescaleIntercept": ("PixelValueTransformationSequence",),
    "StackID": ("FrameContentSequence",),
    "TemporalPositionIndex": ("FrameContentSequence",),
    "EffectiveEchoTime": ("MREchoSequence",),
    "DiffusionBValue": ("MRDiffusionSequence",),
    "DimensionIndexValues": ("FrameContentSequence",),
    "FrameAcquisitionNumber": ("FrameContentSequence",),
    "FlipAngle": ("MRTimingAndRelatedParametersSequence",),
    "InversionTimes": ("MRModifierSequence",),
    "NominalCardiacTriggerDelayTime": ("CardiacSynchronizationSequence",),
    "ComplexImageComponent": ("MRImageFrameTypeSequence",),
    "FrameType": ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence"),
}

# What may differ between the volumes of one series, in words and as tags. The most useful ones come first.
_DETAILS = {
    "echo time": ("EffectiveEchoTime", "EchoTime"),
    "time point": ("TemporalPositionIndex", "TemporalPositionIdentifier"),
    "b-value": ("DiffusionBValue",),
    "inversion time": ("InversionTimes", "InversionTime"),
    "kind": ("FrameType", "ImageType"),
    "component": ("ComplexImageComponent",),
    "trigger delay": ("NominalCardiacTriggerDelayTime", "TriggerTime"),
    "flip angle": ("FlipAngle",),
    "acquisition": ("FrameAcquisitionNumber", "AcquisitionNumber"),
    "dimension": ("DimensionIndexValues",),
}
_PLACES = {Tag(keyword) for keyword in ("ImagePositionPatient", "InStackPositionNumber", "StackID")}


@dataclass(frozen=True, eq=False)
class Scale:
    """How stored values become intensities: by slope and intercept, or by a table.

    Args:
        slope: factor of a stored value.
        intercept: what is added after that.
        table: a header with the table (ModalityLUTSequence), which is then used instead.
        padding: stored values from the first number to the second, both included, mark pixels that were not measured.
    """

    slope: float = 1.0
    intercept: float = 0.0
    table: Dataset | None = None
    padding: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice. Lengths are in mm, positions and directions in LPS.

    index: the number of the frame in its file; details: values that may tell the volumes of a series apart."""

    path: Path
    index: int
    pixels: StoredPixels
    scale: Scale
    is_inverted: bool
    is_localizer: bool
    kind: str
    series: str
    number: str
    space: str
    modality: str
    details: Mapping[str, str]
    stack_id: str
    spacing: np.ndarray  # (2,) along i, j
    position: np.ndarray  # (3,)
    axes: np.ndarray  # (3, 3), columns: directions of i, j and the slice normal

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pixels.rows, self.pixels.columns

    @property
    def distance(self) -> float:
        """The position along the slice normal, in mm."""
        return float(self.axes[:, 2] @ self.position)


@dataclass(frozen=True, eq=False)
class Rejected:
    """A DICOM file that is no slice of a volume, and why. kind, series and number are "" if they are not known."""

    path: Path
    fault: Fault
    kind: str = ""
    series: str = ""
    number: str = ""


_Find = Callable[[str], Any]


def frames_of(path: Path) -> list[Frame] | Rejected:
    """The slices in a DICOM file, or why it has none. Raises `OSError` if the file can't be opened."""
    identity = ("", "", "")
    try:
        with files.quiet():
            header = files.read_header(path)
            kind, series, number = (
                _text(header.get(tag)) for tag in ("SOPClassUID", "SeriesInstanceUID", "SeriesNumber")
            )
            identity = (kind, series, number)
            return _frames(header, path, identity)
    except Unusable as error:
        return Rejected(path, error.fault, *identity)
    except DAMAGE:
        return Rejected(path, faults.HEADER, *identity)
    except OSError as error:
        if error.errno is not None:  # from the system; those of pydicom about damage have no number
            raise
        return Rejected(path, faults.HEADER, *identity)


def _frames(header: Dataset, path: Path, identity: tuple[str, str, str]) -> list[Frame]:
    _check_kind(header)
    pixels = files.stored_pixels(header, path)
    _check_groups(header, pixels.frames)
    common = {
        "path": path,
        "pixels": pixels,
        "is_inverted": header.get("PhotometricInterpretation") == "MONOCHROME1",
        "kind": identity[0],
        "series": identity[1],
        "number": identity[2],
        "space": _text(header.get("FrameOfReferenceUID")),
        "modality": _text(header.get("Modality")),
    }
    told = _dimensions(header)
    return [_frame(common, _finder(header, index), index, told) for index in range(pixels.frames)]


def _check_kind(header: Dataset) -> None:
    """Raises `Unusable` for images that are not slices of a scan."""
    if files.is_mosaic(header):
        raise Unusable(faults.MOSAIC)
    if _text(header.get("Modality")) in ("SEG", "RTDOSE", "PR", "KO"):
        raise Unusable(faults.NO_SCAN)


def _check_groups(header: Dataset, frames: int) -> None:
    """Raises `Unusable` if there are several frames and not each has its own description."""
    groups = header.get("PerFrameFunctionalGroupsSequence") or []
    if groups and len(groups) != frames:
        raise Unusable(faults.HEADER)
    if frames > 1 and not groups:
        raise Unusable(faults.FRAMES)


def _dimensions(header: Dataset) -> list[int]:
    """The positions, in a frame's list of dimension indices, of those that count something else than places."""
    described = header.get("DimensionIndexSequence") or []
    return [n for n, item in enumerate(described) if item.get("DimensionIndexPointer") not in _PLACES]


def _frame(common: dict[str, Any], find: _Find, index: int, dimensions: list[int]) -> Frame:
    spacing, position, axes = _place(find)
    details = {word: next(filter(None, (_text(find(tag)) for tag in tags)), "") for word, tags in _DETAILS.items()}
    indices = details["dimension"].split("\\")
    details["dimension"] = "\\".join(indices[n] for n in dimensions if n < len(indices))
    return Frame(
        **common,
        index=index,
        scale=_scale(find, common["pixels"]),
        is_localizer="LOCALIZER" in details["kind"],
        details=details,
        stack_id=_text(find("StackID")),
        spacing=spacing,
        position=position,
        axes=axes,
    )


def _finder(header: Dataset, index: int) -> _Find:
    """A function that looks up a tag of one frame: in the frame's own groups, in the shared ones, in the header."""
    own, shared = header.get("PerFrameFunctionalGroupsSequence"), header.get("SharedFunctionalGroupsSequence")
    groups = [sequence[place] for sequence, place in ((own, index), (shared, 0)) if sequence]

    def find(keyword: str) -> Any:
        for group in groups:
            for name in _GROUPS.get(keyword, ()):
                items = group.get(name)
                if items and keyword in items[0]:
                    return items[0].get(keyword)
        return header.get(keyword)

    return find


def _place(find: _Find) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The spacing (2,), position (3,) and axes (3, 3) of a slice, as in `Frame`. Raises `Unusable` if they are missing
    or make no sense."""
    found = [find(keyword) for keyword in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")]
    if not all(found):
        raise Unusable(faults.NO_PLACE)
    try:
        spacing, position, orientation = (np.array(value, float).ravel() for value in found)
    except (TypeError, ValueError) as error:
        raise Unusable(faults.WRONG_PLACE) from error
    if (len(spacing), len(position), len(orientation)) != (2, 3, 6):
        raise Unusable(faults.WRONG_PLACE)
    rows, normal = orientation[:3], np.cross(orientation[:3], orientation[3:])
    is_right = 0.9 < np.linalg.norm(rows) < 1.1 and 0.9 < np.linalg.norm(normal) < 1.1
    if not (is_right and (np.abs(position) < _FARTHEST).all() and ((spacing > 0) & (spacing < _FARTHEST)).all()):
        raise Unusable(faults.WRONG_PLACE)
    rows, normal = rows / np.linalg.norm(rows), normal / np.linalg.norm(normal)  # exactly 1: the tag is rounded
    return spacing[::-1], position, np.column_stack([rows, np.cross(normal, rows), normal])  # the tag has rows first


def _scale(find: _Find, pixels: StoredPixels) -> Scale:
    padding = _padding(find, pixels)
    table = find("ModalityLUTSequence")
    if table:
        holder = Dataset()
        holder.ModalityLUTSequence = table
        _check_table(holder)
        return Scale(table=holder, padding=padding)
    try:
        slope, intercept = (
            default if value is None or value == "" else float(value)
            for value, default in ((find("RescaleSlope"), 1.0), (find("RescaleIntercept"), 0.0))
        )
    except (TypeError, ValueError) as error:
        raise Unusable(faults.SCALE) from error
    if not (np.isfinite([slope, intercept]).all() and slope != 0):
        raise Unusable(faults.SCALE)
    return Scale(slope, intercept, padding=padding)


def _check_table(holder: Dataset) -> None:
    """Raises `Unusable` for a table that pydicom can't apply, or that is too short."""
    try:
        table = holder.ModalityLUTSequence[0]
        entries, value = table.LUTDescriptor[0] or 1 << 16, table.LUTData
        is_whole = len(value) >= entries * (2 if isinstance(value, bytes) and table.LUTDescriptor[2] > 8 else 1)
        apply_modality_lut(np.zeros(1, np.int16), holder)
    except DAMAGE as error:
        raise Unusable(faults.SCALE) from error
    if not is_whole:
        raise Unusable(faults.SCALE)


def _padding(find: _Find, pixels: StoredPixels) -> tuple[int, int] | None:
    """The first and the last stored value of padding; None if the file names none.

    Many files write a negative value as a positive one, so it is brought to the bits and the sign of the pixels."""
    found = (find("PixelPaddingValue"), find("PixelPaddingRangeLimit"))
    ends = [int(value) for value in found if value not in (None, "")]
    if not ends:
        return None
    span = 1 << pixels.bits_stored
    ends = [end % span for end in ends]
    if pixels.is_signed:
        ends = [end - span if end >= span // 2 else end for end in ends]
    return min(ends), max(ends)


def _text(value: Any) -> str:
    """The value of a tag as one line of text; "" for None."""
    if value is None:
        return ""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return str(value).strip("\0 ")
    return "\\".join(str(part) for part in value)
