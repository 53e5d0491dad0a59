"""Writes voxels as packed NRRD, with their exact place. NIfTI would round the place to single precision."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from AttnSegLib.unfinished import whole_file

_TYPES = {
    "i1": "int8",
    "u1": "uint8",
    "i2": "int16",
    "u2": "uint16",
    "i4": "int32",
    "u4": "uint32",
    "i8": "int64",
    "u8": "uint64",
    "f4": "float",
    "f8": "double",
}
_FAST = 1  # zlib's fastest level, since a user waits
_GZIP = 31  # by this number for the window, zlib writes the gzip format
_AT_ONCE = 1 << 24  # bytes packed at once


def write_voxels_file(path: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Write voxels (D, H, W) on the grid of an affine (4x4, RAS, mm). The file appears only when it is complete.

    Raises `OSError` if that fails; then nothing is left behind.
    """
    voxels = _storable(voxels)
    packer = zlib.compressobj(_FAST, wbits=_GZIP)
    whole = voxels.data.cast("B")
    with whole_file(path) as file:
        file.write(_header(voxels, affine).encode("ascii"))
        for start in range(0, len(whole), _AT_ONCE):
            file.write(packer.compress(whole[start : start + _AT_ONCE]))
        file.write(packer.flush())


def _storable(voxels: np.ndarray) -> np.ndarray:
    """The voxels as one block of memory, little endian, and of a type that NRRD has: float16 becomes float32."""
    kind = voxels.dtype.str[1:]
    kind = {"f2": "f4", "b1": "u1"}.get(kind, kind)
    return np.ascontiguousarray(voxels, dtype=np.dtype("<" + kind))


def _header(voxels: np.ndarray, affine: np.ndarray) -> str:
    depth, height, width = voxels.shape
    directions = " ".join(_vector(affine[:3, axis]) for axis in range(3))
    return (
        "NRRD0004\n"
        f"type: {_TYPES[voxels.dtype.str[1:]]}\n"
        "dimension: 3\n"
        "space: right-anterior-superior\n"
        f"sizes: {width} {height} {depth}\n"
        f"space directions: {directions}\n"
        "kinds: domain domain domain\n"
        "endian: little\n"
        "encoding: gzip\n"
        f"space origin: {_vector(affine[:3, 3])}\n\n"
    )


def _vector(values: np.ndarray) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"
