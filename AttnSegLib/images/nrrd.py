"""Reads NRRD files (.nrrd, .nhdr), after teem.sourceforge.net/nrrd/format.html. Needs only numpy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.grid import SILENT_AXES, SILENT_ORIGIN, SILENT_SPACING, affine_of, not_said
from AttnSegLib.images.packing import Damaged, Packing
from AttnSegLib.images.stored import (
    FROM_END,
    Contents,
    Stored,
    check_sizes,
    data_files,
    numbered_names,
    opened,
    voxels_of,
)

_FIELDS = (
    "content, number, type, block size, dimension, space, space dimension, sizes, spacings, thicknesses, axis mins, "
    "axis maxs, space directions, centers, centerings, kinds, labels, units, min, max, old min, old max, data file, "
    "endian, encoding, line skip, byte skip, sample units, space units, space origin, measurement frame"
)
_KNOWN = frozenset(_FIELDS.replace(" ", "").split(","))  # without spaces, since not all programs write them
_LONGEST_HEADER = 1 << 24  # bytes: some carry whole DICOM headers
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_PACKINGS = {
    "raw": Packing.NONE,
    "gz": Packing.GZIP,
    "gzip": Packing.GZIP,
    "bz2": Packing.BZIP2,
    "bzip2": Packing.BZIP2,
    "txt": Packing.TEXT,
    "text": Packing.TEXT,
    "ascii": Packing.TEXT,
}
_SIGNS = {  # factors that turn the axes of a space to LPS; None if the space does not say how the patient lies
    "left-posterior-superior": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "scanner-xyz": None,
    "3d-right-handed": None,
    "3d-left-handed": None,
}
_SHORT = {"lps": "left-posterior-superior", "ras": "right-anterior-superior", "las": "left-anterior-superior"}
_NOT_MM = ("m", "cm", "um", "\xb5m", "\u03bcm", "nm", "micron", "microns", "meter", "metre", "micrometer", "micrometre")
_IN_SPACE = ("", "???", "none", "domain", "space", "time")  # axes of another kind hold several values of one voxel


@dataclass(frozen=True)
class _Header:
    """The header of a file. fields: texts by name; listed: names of the data files; length: bytes of the header."""

    fields: dict[str, str]
    listed: list[str]
    length: int

    def get(self, name: str) -> str:
        """The text of a field; "" if the field is missing."""
        return self.fields.get(name, "")

    def must(self, name: str) -> str:
        """The text of a field. Raises `Damaged` if the field is missing."""
        if name not in self.fields:
            raise Damaged(f"its header lacks '{name}'")
        return self.fields[name]

    def whole(self, name: str, default: int | None = None) -> int:
        """A field as a whole number. Raises `Damaged` if it is none, or is missing without a default."""
        return default if default is not None and name not in self.fields else _whole(self.must(name), name)


def read_nrrd(path: Path) -> Contents:
    """Read a file. Raises `InputError` if it is no scalar volume, and `Damaged` if it is damaged."""
    with opened(path) as file:
        header = _header(file)
    sizes = [_whole(word, "sizes") for word in header.must("sizes").split()]
    if len(sizes) != header.whole("dimension"):
        raise Damaged("its header has sizes for another number of axes")
    axes = _axes_in_space(header, len(sizes))
    values = int(np.prod([n for axis, n in enumerate(sizes) if axis not in axes], dtype=object))
    along = [sizes[axis] for axis in axes]
    shape = check_sizes(path, along[:3], values, int(np.prod(along[3:], dtype=object)))
    affine, notices = _place(header, axes, f"'{path.name}'")
    voxels, left_out = voxels_of(_stored(header, path, shape))
    return Contents(voxels, affine, (*notices, *left_out))


def _header(file: BinaryIO) -> _Header:
    if not re.match(rb"NRRD000\d\r?\n", file.readline(16)):
        raise Damaged("it has no NRRD header")
    fields: dict[str, str] = {}
    listed: list[str] = []
    while line := file.readline(_LONGEST_HEADER):
        if file.tell() > _LONGEST_HEADER:
            raise Damaged("its header does not end")
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if not text:
            break
        if fields.get("datafile", "").startswith("LIST"):
            listed.append(text)
            continue
        name, colon, rest = text.partition(":")
        if text.startswith("#") or (colon and rest.startswith("=")):  # a comment, or a key and value of a user
            continue
        name = name.lower().replace(" ", "")
        if not colon or name not in _KNOWN or name in fields:
            raise Damaged("a line of its header is none, or there twice")
        fields[name] = rest.strip()
    return _Header(fields, listed, file.tell())


def _whole(word: str, name: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", word, re.ASCII):
        raise Damaged(f"'{name}' in its header is not a whole number")
    return int(word)


def _numbers(text: str, name: str) -> list[float]:
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise Damaged(f"'{name}' in its header is not a list of numbers") from error


def _axes_in_space(header: _Header, count: int) -> list[int]:
    """The axes along which voxels lie side by side; along the others lie the values of one voxel."""
    kinds = [kind.lower() for kind in header.get("kinds").split()] or [""] * count
    directions = _directions(header) or [np.zeros(0)] * count
    if len(kinds) != count or len(directions) != count:
        raise Damaged("its header has directions or kinds for another number of axes")
    return [axis for axis in range(count) if kinds[axis] in _IN_SPACE and directions[axis] is not None]


def _directions(header: _Header) -> list[np.ndarray | None]:
    """The direction of each axis as the header has it, or None for "none"; an empty list if it has no directions."""
    text = header.get("spacedirections")
    if re.sub(r"none|\([^()]*\)", "", text).strip():
        raise Damaged("the directions in its header are none")
    return [
        None if part == "none" else np.array(_numbers(part.strip("()"), "space directions"))
        for part in re.findall(r"none|\([^()]*\)", text)
    ]


def _place(header: _Header, axes: list[int], name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The affine (4x4, RAS, mm), and notices about what the header does not say."""
    _check_units(header, name)
    signs, dimension = _space(header)
    steps = _steps(header, axes, dimension, name)
    origin = _origin(header, axes, dimension)
    silent = [SILENT_SPACING] if steps is None else []
    if signs is None or not header.get("spacedirections"):
        silent.append(SILENT_AXES)
        signs = (1, 1, 1)
    if origin is None:
        silent.append(SILENT_ORIGIN)
    to_lps = np.array(signs)
    steps, origin = np.eye(3) if steps is None else steps, np.zeros(3) if origin is None else origin
    return affine_of(steps * to_lps[:, None], origin * to_lps), not_said(*silent)


def _check_units(header: _Header, name: str) -> None:
    for unit in re.findall(r'"([^"]*)"', header.get("spaceunits") + header.get("units")):
        if unit.strip().lower() in _NOT_MM:
            raise InputError(f"The lengths in the header of {name} are in {unit}; save it with lengths in mm.")


def _space(header: _Header) -> tuple[tuple[int, int, int] | None, int]:
    """The signs that turn the axes of the header's space to LPS (None if not known), and the number of its axes."""
    name = header.get("space").lower()
    if not name:
        return None, header.whole("spacedimension", 3)
    has_time = name.endswith("-time") or (len(name) == 4 and name[:3] in _SHORT and name[3] == "t")
    name = name.removesuffix("-time")
    name = _SHORT.get(name[:3] if has_time else name, name)
    if name not in _SIGNS:
        raise Damaged("its header names a space that does not exist")
    return _SIGNS[name], 3 + has_time


def _steps(header: _Header, axes: list[int], dimension: int, name: str) -> np.ndarray | None:
    """The steps from a voxel to the next: (3, 3), a column each for i, j, k. None if the header has no distances."""
    if directions := _directions(header):
        along = [directions[axis] for axis in axes[:3]]
        if dimension < 3 or any(step is None or len(step) != dimension for step in along):
            raise Damaged("the directions in its header have another number of axes")
        return np.column_stack([step[:3] for step in along if step is not None])
    spacings = np.array(_numbers(header.get("spacings"), "spacings"))
    if not spacings.size:
        return None
    if spacings.size <= max(axes):
        raise Damaged("its header has spacings for another number of axes")
    spacings = spacings[axes[:3]]
    if np.isnan(spacings).all():  # the format writes NaN for what is not known
        return None
    if not (np.isfinite(spacings) & (spacings > 0)).all():
        raise InputError(f"The spacing of {name} is not above 0; correct its header.")
    return np.diag(spacings)


def _origin(header: _Header, axes: list[int], dimension: int) -> np.ndarray | None:
    """The position (3,) of the first voxel, in the header's space; None if the header does not say it."""
    text = header.get("spaceorigin")
    if text and text != "none":
        origin = _numbers(text.strip("()"), "space origin")
        if len(origin) != dimension:
            raise Damaged("the origin in its header has another number of axes")
        return np.array(origin[:3])
    starts, spacings = (np.array(_numbers(header.get(name), name)) for name in ("axismins", "spacings"))
    if header.get("spacedirections") or min(starts.size, spacings.size) <= max(axes):
        return None
    centers = (header.get("centerings") or header.get("centers")).split() or ["cell"] * starts.size
    halves = np.array([0.0 if center == "node" else 0.5 for center in centers])
    if halves.size <= max(axes):
        raise Damaged("its header has centerings for another number of axes")
    origin = (starts + halves[: starts.size] * spacings[: starts.size])[axes[:3]]
    return origin if np.isfinite(origin).all() else None


def _stored(header: _Header, path: Path, shape: tuple[int, int, int]) -> Stored:
    kind, encoding = header.must("type"), header.must("encoding").lower()
    dtype = next((np.dtype(code) for code, words in _TYPES.items() if kind in words), None)
    if kind == "block" or encoding == "hex":
        stored = "hexadecimal text" if encoding == "hex" else "blocks"
        raise InputError(f"'{path.name}' stores its voxels as {stored}, which is not read; save it packed by gzip.")
    if dtype is None or encoding not in _PACKINGS:
        raise Damaged("its header names a type or an encoding that does not exist")
    packing = _PACKINGS[encoding]
    if dtype.itemsize > 1 and packing is not Packing.TEXT:
        dtype = dtype.newbyteorder(_order(header.must("endian")))
    skip, lines = header.whole("byteskip", 0), header.whole("lineskip", 0)
    if skip < FROM_END or lines < 0 or (skip == FROM_END and packing is not Packing.NONE):
        raise Damaged("its header does not say where the voxels begin")
    if "datafile" not in header.fields:
        return Stored((path,), shape, dtype, packing, header.length, lines, skip)
    return Stored(_data_files(header, path), shape, dtype, packing, 0, lines, skip, is_apart=True)


def _order(word: str) -> Literal["<", ">"]:
    if word.lower() not in ("little", "big"):
        raise Damaged("its header names an order of bytes that does not exist")
    return "<" if word.lower() == "little" else ">"


def _data_files(header: _Header, path: Path) -> tuple[Path, ...]:
    text = header.get("datafile")
    if text.startswith("LIST"):
        return data_files(path, header.listed)
    numbered = re.fullmatch(r"(.*%.*d.*) ([+-]?\d+) ([+-]?\d+) ([+-]?\d+)( \d+)?", text)
    return data_files(path, numbered_names(*numbered.groups()[:4]) if numbered else [text])
