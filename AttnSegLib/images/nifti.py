"""What ITK's reader keeps to itself of a NIfTI file: it reads voxels that are missing, NaN or infinite as 0."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

_FLOATS = {16: "f4", 64: "f8"}  # datatype of the header to numpy's
_FIRST, _SECOND = 348, 540  # bytes of the headers of NIfTI-1 and NIfTI-2
_CHUNK = 3 << 19  # bytes: whole voxels of any type, of three colours, too


def voxels_are_finite(path: Path, count: int, datatype: int, bits: int) -> bool:
    """Whether none of the `count` voxels is NaN or infinite, as they are stored. bits: of a voxel.

    Raises `EOFError` if the file holds fewer, and what `gzip` raises if it can't be unpacked to the end.
    """
    with _unpacked(path) as file:
        order, offset = _layout(file.read(_SECOND))
        dtype = np.dtype(order + _FLOATS[datatype] if datatype in _FLOATS else f"V{bits // 8}")
        file.seek(offset)
        finite, missing = True, count
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            voxels = np.frombuffer(chunk, dtype, min(missing, len(chunk) // dtype.itemsize))
            finite = finite and (dtype.kind != "f" or bool(np.isfinite(voxels).all()))
            missing -= len(voxels)
    if missing:
        raise EOFError
    return finite


def _unpacked(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if is_packed else path.open("rb")


def _layout(header: bytes) -> tuple[str, int]:
    """Byte order, as numpy writes it, and where the voxels begin."""
    order = "<" if int.from_bytes(header[:4], "little") in (_FIRST, _SECOND) else ">"
    (size,) = struct.unpack_from(f"{order}i", header)
    form, place = ("q", 168) if size == _SECOND else ("f", 108)
    (offset,) = struct.unpack_from(order + form, header, place)
    return order, int(offset) if size < offset < 1 << 40 else size  # ITK, too, begins behind the header at the earliest
