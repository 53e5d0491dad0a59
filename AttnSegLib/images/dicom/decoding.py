"""Unpacking a frame by GDCM, which SimpleITK brings: it knows all compressions that scanners and archives use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, SecondaryCaptureImageStorage

from AttnSegLib.images.dicom import codestream, faults
from AttnSegLib.images.dicom.faults import Unusable
from AttnSegLib.images.dicom.files import StoredPixels

# Element and end of packed pixels, explicit and little-endian, as all packed files are (PS3.5, A.4).
_PIXELS, _END = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0\0\0\0\0"


def unpack(frame: bytes, pixels: StoredPixels, scratch: Path) -> np.ndarray:
    """Stored values (H, W). scratch: a folder. Raises `Unusable` for damage and for what GDCM does not know.

    GDCM gets a file with nothing but this frame in it: so it can neither rescale nor invert, no other tag can mislead
    it, and names that are no text never reach it.
    """
    codestream.check_frame(frame, pixels)
    path = scratch / "frame.dcm"
    form = _Form(*(getattr(pixels, name) for name in _Form._fields))
    path.write_bytes(b"".join([_header(form), _PIXELS, encapsulate([frame]), _END]))
    try:
        with _overheard(scratch / "complaints.txt") as complaints:
            values = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))
    except RuntimeError as error:
        raise Unusable(faults.UNDECODABLE) from error
    if complaints:  # of damaged JPEG: it goes on with whatever comes out
        raise Unusable(faults.CUT_PIXELS)
    if values.shape != (1, pixels.rows, pixels.columns):
        raise Unusable(faults.UNDECODABLE)
    decoded: np.ndarray = values[0]
    return decoded


class _Form(NamedTuple):
    """What the frames of a scan have in common."""

    syntax: UID
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool


@lru_cache(8)
def _header(form: _Form) -> bytes:
    """All of a file but its pixels."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = form.syntax
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    file.Rows, file.Columns, file.SamplesPerPixel = form.rows, form.columns, 1
    file.PhotometricInterpretation, file.PixelRepresentation = "MONOCHROME2", int(form.is_signed)
    file.BitsAllocated, file.BitsStored, file.HighBit = form.bits_allocated, form.bits_stored, form.bits_stored - 1
    buffer = BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@contextmanager
def _overheard(path: Path) -> Iterator[list[str]]:
    """What C libraries write to standard error, which no user should read. Filled at the end."""
    complaints: list[str] = []
    try:
        usual = os.dup(2)
    except OSError:  # a program without a console has none
        yield complaints
        return
    with path.open("w+") as file:
        try:
            os.dup2(file.fileno(), 2)
            yield complaints
        finally:
            os.dup2(usual, 2)
            os.close(usual)
        file.seek(0)
        complaints += file.readlines()
