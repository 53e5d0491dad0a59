"""Unpacks a frame with GDCM, a part of SimpleITK that knows all compressions which scanners and archives use."""

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

# What stands before and after packed pixels: explicit and little-endian, as in all packed files (PS3.5, A.4).
_PIXELS, _END = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0\0\0\0\0"


def unpack(frame: bytes, pixels: StoredPixels, scratch: Path) -> np.ndarray:
    """Unpack one frame to its stored values (H, W).

    GDCM gets a new file with nothing but this frame. So it can neither rescale nor invert the values, no other tag can
    mislead it, and it never sees the name of the user's file, which may not be valid text.

    Args:
        frame: the packed bytes.
        pixels: how they are stored.
        scratch: a folder for temporary files.

    Raises:
        Unusable: if the frame is damaged, or packed in a way that GDCM does not know.
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
    if complaints:  # GDCM complains about a damaged JPEG, but returns an image
        raise Unusable(faults.CUT_PIXELS)
    if values.shape != (1, pixels.rows, pixels.columns):
        raise Unusable(faults.UNDECODABLE)
    decoded: np.ndarray = values[0]
    return decoded


class _Form(NamedTuple):
    """What the header of the temporary file says. It is the same for all frames of a scan."""

    syntax: UID
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    is_signed: bool


@lru_cache(8)
def _header(form: _Form) -> bytes:
    """The bytes of a DICOM file before its pixels."""
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
    """Catches the lines that C libraries write to standard error, since users should not see them. The list is filled
    at the end."""
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
