"""Reads the header of one DICOM file and finds its pixels. What the header says is checked against the file."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from AttnSegLib.images.dicom import faults
from AttnSegLib.images.dicom.faults import Unusable
from AttnSegLib.images.dicom.signs import PREAMBLE

_DEFERRED = 1024  # bytes: longer values, such as the pixels, are read only when they are needed
_UNDEFINED = 0xFFFFFFFF  # what stands as the length of packed pixels
_INFLATED = 1 << 26, 20  # a deflated file may unpack to so many bytes, or so many times its size; more is an attack
_LARGEST = 1 << 15  # pixels a side; detectors have a tenth of it

# Only these tags are read, which takes half the time.
_KEYWORDS = """
    SOPClassUID SeriesInstanceUID SeriesNumber FrameOfReferenceUID Modality ImageType NumberOfFrames
    ImagePositionPatient ImageOrientationPatient PixelSpacing EchoTime TemporalPositionIdentifier DiffusionBValue
    InversionTime TriggerTime FlipAngle AcquisitionNumber DimensionIndexSequence SharedFunctionalGroupsSequence
    PerFrameFunctionalGroupsSequence SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored
    HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleSlope RescaleIntercept
    ModalityLUTSequence PixelData FloatPixelData DoubleFloatPixelData
"""
_MOSAIC = Tag(0x0019, 0x100A)  # NumberOfImagesInMosaic, if (0019,0010) says so
_MOSAIC_CREATOR = Tag(0x0019, 0x0010)
_TAGS = [*map(Tag, re.findall(r"\w+", _KEYWORDS)), _MOSAIC, _MOSAIC_CREATOR]


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """How and where the pixels of a file are stored: in `inflated`, or, if that is None, from byte `offset` on."""

    syntax: UID
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool
    frames: int
    offset: int
    inflated: bytes | None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one unpacked frame."""
        return self.rows * self.columns * self.bits_allocated // 8

    @contextmanager
    def opened(self, path: Path) -> Iterator[BinaryIO]:
        """An open file, positioned at the first byte of the pixels. path: the DICOM file."""
        if self.inflated is not None:
            yield BytesIO(self.inflated)
            return
        with path.open("rb") as file:
            file.seek(self.offset)
            yield file


def read_header(path: Path) -> Dataset:
    """Read the header of a DICOM file, without its pixels. Raises one of `faults.DAMAGE` if it can't be read."""
    with path.open("rb") as file:
        begin = file.read(1 << 10)
    deflated = DeflatedExplicitVRLittleEndian.encode() in begin
    if deflated:
        _check_inflated(path)
    return dcmread(path, defer_size=None if deflated else _DEFERRED, force=True, specific_tags=_TAGS)


def stored_pixels(header: Dataset, path: Path) -> StoredPixels:
    """How and where a file stores its pixels. Raises `Unusable` if they are no grey image, or not as many as the header
    says."""
    raw = _pixel_element(header)
    samples, colours = header.get("SamplesPerPixel", 1), header.get("PhotometricInterpretation", "MONOCHROME2")
    if samples != 1 or colours not in ("MONOCHROME1", "MONOCHROME2"):
        raise Unusable(faults.COLOUR)
    value = raw.value if header.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian else None
    pixels = StoredPixels(
        syntax=_syntax(header),
        rows=int(header.Rows),
        columns=int(header.Columns),
        bits_allocated=int(header.BitsAllocated),
        bits_stored=int(header.get("BitsStored") or header.BitsAllocated),
        is_signed=bool(header.get("PixelRepresentation", 0)),
        frames=int(header.get("NumberOfFrames") or 1),
        offset=raw.value_tell,
        inflated=value,
    )
    if pixels.bits_allocated not in (8, 16, 32) or not 0 < pixels.bits_stored <= pixels.bits_allocated:
        raise Unusable(faults.BITS)
    if not (0 < pixels.rows < _LARGEST and 0 < pixels.columns < _LARGEST and pixels.frames > 0):
        raise Unusable(faults.too_few(pixels.rows, pixels.columns))
    if not pixels.syntax.is_encapsulated:
        held = len(value) if value is not None else path.stat().st_size - raw.value_tell
        _check_length(pixels, min(raw.length, held))
    elif raw.length != _UNDEFINED:
        raise Unusable(faults.CUT_PIXELS)
    return pixels


def is_mosaic(header: Dataset) -> bool:
    """Whether the file is a mosaic: all slices of a volume in one picture, as Siemens scanners store time series.

    Some enhanced files have the marks of a mosaic, but each of their frames is a slice; they are none."""
    if "PerFrameFunctionalGroupsSequence" in header:
        return False
    kinds = header.get("ImageType") or []
    if "MOSAIC" in ([kinds] if isinstance(kinds, str) else list(kinds)):
        return True
    return "SIEMENS" in str(header.get(_MOSAIC_CREATOR, "")) and _MOSAIC in header


@contextmanager
def quiet() -> Iterator[None]:
    """Hides the warnings of pydicom. What matters to the user is told in our own sentences."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _pixel_element(header: Dataset) -> Any:
    if any(keyword in header for keyword in ("FloatPixelData", "DoubleFloatPixelData")):
        raise Unusable(faults.NO_SCAN)
    if "PixelData" not in header:
        kind = UID(str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID", "")))
        is_image = "Rows" in header or "Image Storage" in kind.name
        raise Unusable(faults.NO_PIXELS if is_image else faults.NO_IMAGE if kind else faults.HEADER)
    return header.get_item("PixelData", keep_deferred=True)


def _syntax(header: Dataset) -> UID:
    """The transfer syntax. If the file does not say it, the one that pydicom read it with."""
    told = header.file_meta.get("TransferSyntaxUID")
    if told:
        return UID(told)
    implicit, little = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _check_length(pixels: StoredPixels, length: int) -> None:
    """Raises `Unusable` unless the pixels have `length` bytes. They may be followed by filler bytes, at most a row."""
    surplus = length - pixels.frame_bytes * pixels.frames
    if surplus < 0:
        raise Unusable(faults.too_few(pixels.rows, pixels.columns))
    if surplus > max(pixels.columns * pixels.bits_allocated // 8, 1):
        raise Unusable(faults.too_many(pixels.rows, pixels.columns))


def _check_inflated(path: Path) -> None:
    begin = PREAMBLE + 4 + 12 + int(read_file_meta_info(path).FileMetaInformationGroupLength)
    packed = path.read_bytes()[begin:]
    least, times = _INFLATED
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacking.decompress(packed, max(least, times * len(packed)))
    if not unpacking.eof:
        raise ValueError("it does not end, or not in reasonable time")
