"""Reads MetaImage files (.mha, .mhd), after itk.org/Wiki/ITK/MetaIO/Documentation. Needs only numpy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.grid import SILENT_AXES, SILENT_ORIGIN, SILENT_SPACING, SKEW, affine_of, not_said
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

_LONGEST_HEADER = 1 << 24  # bytes: some carry whole DICOM headers
_MOST_AXES = 10  # of the format
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",  # 4 bytes in this format, whatever a long has on this machine
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_TRANSFORM = ("TransformMatrix", "Rotation", "Orientation")  # three names for the same field
_ORIGIN = ("Offset", "Position", "Origin")
_ORDER = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")


@dataclass(frozen=True)
class _Header:
    """The header of a file. fields: texts by name; listed: names of the data files; length: bytes of the header."""

    fields: dict[str, str]
    listed: list[str]
    length: int

    def get(self, *names: str) -> str:
        """The text of a field, which may have any of these names; "" if the field is missing."""
        return next((self.fields[name] for name in names if name in self.fields), "")

    def says(self, *names: str) -> bool:
        """Whether a field is true."""
        return self.get(*names)[:1] in ("T", "t", "1")

    def whole(self, name: str, default: int | None = None) -> int:
        """A field as a whole number. Raises `Damaged` if it is none, or is missing without a default."""
        if default is not None and name not in self.fields:
            return default
        if not re.fullmatch(r"[+-]?\d{1,18}", self.get(name), re.ASCII):
            raise Damaged(f"'{name}' in its header is not a whole number")
        return int(self.get(name))

    def numbers(self, count: int, *names: str) -> np.ndarray | None:
        """A field as a list of `count` numbers; None if it is missing. Raises `Damaged` for anything else."""
        if not (text := self.get(*names)):
            return None
        try:
            numbers = np.array([float(word) for word in text.replace(",", " ").split()])
        except ValueError as error:
            raise Damaged(f"'{names[0]}' in its header is not a list of numbers") from error
        if len(numbers) != count:
            raise Damaged(f"'{names[0]}' in its header is not a list of {count} numbers")
        return numbers


def read_metaimage(path: Path) -> Contents:
    """Read a file. Raises `InputError` if it is no scalar volume, and `Damaged` if it is damaged."""
    with opened(path) as file:
        header = _header(file)
    axes = header.whole("NDims")
    if header.get("ObjectType") not in ("", "Image") or not 1 <= axes <= _MOST_AXES:
        raise Damaged("its header is not that of an image")
    sizes = header.numbers(axes, "DimSize")
    if sizes is None or not all(size.is_integer() and 0 < size < 1 << 53 for size in sizes.tolist()):
        raise Damaged("'DimSize' in its header is not a list of whole numbers")
    whole = [int(size) for size in sizes]
    frames = int(np.prod(whole[3:], dtype=object))
    shape = check_sizes(path, whole[:3], header.whole("ElementNumberOfChannels", 1), frames)
    affine, notices = _place(header, axes, f"'{path.name}'")
    voxels, left_out = voxels_of(_stored(header, path, shape))
    return Contents(voxels, affine, (*notices, *left_out))


def _header(file: BinaryIO) -> _Header:
    fields: dict[str, str] = {}
    while line := file.readline(_LONGEST_HEADER):
        if file.tell() > _LONGEST_HEADER:
            raise Damaged("its header does not end")
        name, equals, value = line.decode("utf-8", "surrogateescape").partition("=")
        if not equals and not name.strip():
            continue
        if not equals or name.strip() in fields:
            raise Damaged("a line of its header is none, or there twice")
        fields[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":  # the voxels come next, or the names of their files
            length = file.tell()
            is_list = value.strip().startswith("LIST")
            rest = file.read(_LONGEST_HEADER).decode("utf-8", "surrogateescape") if is_list else ""
            return _Header(fields, rest.split("\n"), length)
    raise Damaged("it has no MetaImage header")


def _place(header: _Header, axes: int, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The affine (4x4, RAS, mm), and notices about what the header does not say."""
    silent: list[str] = []
    notices: tuple[str, ...] = ()
    spacing = header.numbers(axes, "ElementSpacing")
    if spacing is None and (spacing := header.numbers(axes, "ElementSize")) is not None:
        notices = ("The header says how large voxels are, not how far apart; their size was taken for both.",)
    if spacing is None:
        silent.append(SILENT_SPACING)
        spacing = np.ones(axes)
    if not (np.isfinite(spacing) & (spacing > 0)).all():
        raise InputError(f"The spacing of {name} is not above 0; correct its header.")
    rows = header.numbers(axes * axes, *_TRANSFORM)
    if rows is None:
        silent.append(SILENT_AXES)
        rows = np.eye(axes).ravel()
    directions = rows.reshape(axes, axes)[:3, :3].T  # the file has each axis as a row
    with np.errstate(all="ignore"):  # invalid numbers are refused below
        lengths = np.linalg.norm(directions, axis=0)
    if not (np.abs(lengths - 1) < SKEW).all():
        raise InputError(f"The directions of the axes of {name} are not of length 1; correct its header.")
    origin = header.numbers(axes, *_ORIGIN)
    if origin is None:
        silent.append(SILENT_ORIGIN)
        origin = np.zeros(axes)
    return affine_of(directions * spacing[:3], origin[:3]), (*notices, *not_said(*silent))


def _stored(header: _Header, path: Path, shape: tuple[int, int, int]) -> Stored:
    kind = header.get("ElementType")
    if kind.endswith("_ARRAY"):
        raise InputError(f"'{path.name}' has several values per voxel (colour, vectors or frames); export one of them.")
    if kind not in _TYPES:
        raise Damaged("its header names a type of voxels that does not exist")
    is_text = "BinaryData" in header.fields and not header.says("BinaryData")
    is_packed = header.says("CompressedData")
    if is_text and is_packed:
        raise Damaged("its header says that its voxels are packed text")
    packing = Packing.TEXT if is_text else Packing.ZLIB if is_packed else Packing.NONE
    dtype = np.dtype(_TYPES[kind]).newbyteorder(">" if header.says(*_ORDER) and not is_text else "<")
    size = header.whole("CompressedDataSize", 0) or None if is_packed else None
    if header.get("ElementDataFile").lower() == "local":
        return Stored((path,), shape, dtype, packing, header.length, size=size)
    skip = header.whole("HeaderSize", 0)
    if skip < FROM_END or (skip == FROM_END and packing is not Packing.NONE):
        raise Damaged("its header does not say where the voxels begin")
    return Stored(_data_files(header, path), shape, dtype, packing, skip=skip, size=size, is_apart=True)


def _data_files(header: _Header, path: Path) -> tuple[Path, ...]:
    text = header.get("ElementDataFile")
    if text.startswith("LIST"):
        return data_files(path, [line.strip() for line in header.listed if line.strip()])
    numbered = re.fullmatch(r"(.*%.*d\S*)((?: [+-]?\d+){3})", text)
    if not numbered:
        return data_files(path, [text])
    first, last, step = numbered[2].split()
    return data_files(path, numbered_names(numbered[1], first, last, step))
