"""Reads the voxels of NIfTI, NRRD and MetaImage files, which store them raw, packed or written as text.

ITK's readers are not used: they end the process on some headers, and do not compare the checksum of packed voxels.
Here packed voxels are unpacked to the end, where the checksum is compared. Files that are too short or too long for
their header are refused, before memory is asked for where that is possible. Needs only numpy.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from AttnSegLib.errors import InputError, printable
from AttnSegLib.images.packing import MOST_DENSE, Damaged, Packing, read_text, unpacked

FROM_END = -1  # bytes to skip if it is not known how many: the voxels are the last bytes of the file
_MOST_FILES = 100_000


class Contents(NamedTuple):
    """What a file holds: voxels (D, H, W), affine (4x4, RAS, mm), notices and other_affines as in `Volume`."""

    voxels: np.ndarray
    affine: np.ndarray
    notices: tuple[str, ...] = ()
    other_affines: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Stored:
    """Where and how voxels are stored.

    Args:
        files: the data files. Each holds an equal part of the voxels.
        shape: (D, H, W).
        dtype: type of a voxel, with the byte order of the file.
        start: bytes of the header before the voxels.
        lines: text lines to skip behind the header.
        skip: bytes to skip before the voxels, after unpacking; or `FROM_END`.
        size: number of packed bytes; None if the header does not say it.
        is_apart: whether the voxels lie in other files than the header.
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype
    packing: Packing = Packing.NONE
    start: int = 0
    lines: int = 0
    skip: int = 0
    size: int | None = None
    is_apart: bool = False


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file, opened to read. Raises `InputError` for a folder, a pipe or a device, since reading a pipe would wait."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"'{path.name}' is not a file but a folder, a pipe or a device; give an image file.")
    with path.open("rb") as file:
        yield file


def name_for_itk(path: Path) -> str:
    """The name of a file that ITK can read.

    Raises `InputError` if the name is not UTF-8, for which ITK ends the process, or if it names no regular file.
    """
    with opened(path):
        pass
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"The name '{printable(str(path))}' is not valid UTF-8; rename it.") from error
    return str(path)


def data_files(header: Path, names: list[str]) -> tuple[Path, ...]:
    """The data files that a header names, beside it. Raises `InputError` if one is missing, `Damaged` for no name."""
    if not names:
        raise Damaged("its header names no data file")
    found = []
    for name in names:
        if not name or "\0" in name:
            raise Damaged("its header does not name its data files")
        path = header.parent / name
        if not path.exists():
            raise InputError(
                f"The data file '{path.name}' of '{header.name}' is missing; put it beside it, or give another file."
            )
        found.append(path)
    return tuple(found)


def numbered_names(pattern: str, first: str, last: str, step: str) -> list[str]:
    """Names of data files by a pattern as in C, such as "slice%03d.raw", with each number from `first` to `last`.

    Raises `Damaged` if the pattern or the numbers make no sense."""
    begin, end, by = int(first), int(last), int(step)
    if not re.fullmatch(r"[^%]*%0?\d?d[^%]*", pattern) or by == 0 or abs((end - begin) // by) > _MOST_FILES:
        raise Damaged("its header does not name its data files")
    return [pattern % number for number in range(begin, end + (1 if by > 0 else -1), by)]


def check_sizes(path: Path, sizes: list[int], values: int, frames: int) -> tuple[int, int, int]:
    """The shape (D, H, W) of a scalar volume.

    Args:
        path: its name stands in the messages.
        sizes: voxels along i, j, k, as many as the header has.
        values: numbers in one voxel.
        frames: number of volumes in the file.

    Raises:
        InputError: for colours, several frames and images of two axes.
        Damaged: if a number is not above 0.
    """
    if values < 1 or frames < 1 or any(n < 1 for n in sizes):
        raise Damaged("a size in its header is not above 0")
    if values != 1:
        raise InputError(
            f"'{path.name}' has {values} values per voxel (colour, vectors or frames); export one of them."
        )
    if frames != 1:
        raise InputError(f"'{path.name}' is a 4D image of {frames} frames; export the frame to segment as a volume.")
    if len(sizes) < 3:
        raise InputError(f"'{path.name}' is a single slice ({'x'.join(map(str, sizes))}); give a whole volume.")
    return sizes[2], sizes[1], sizes[0]


def voxels_of(stored: Stored) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read the voxels (D, H, W), in the byte order of this machine, and give a notice if bytes follow them.

    Raises `Damaged`; `OSError` and `MemoryError` are passed on.
    """
    count = math.prod(stored.shape)
    if count % len(stored.files):
        raise Damaged("its voxels do not share out evenly among its data files")
    part = count // len(stored.files)
    for path in stored.files:
        with _named(path, stored), opened(path) as file:
            _check_room(file, stored, part)
    voxels = np.empty(count, stored.dtype)  # memory is used only as it is filled
    most = count // max(stored.shape) * stored.dtype.itemsize  # with a slice more, the shape in the header is wrong
    behind = 0
    for number, path in enumerate(stored.files):
        with _named(path, stored), opened(path) as file:
            behind += _fill(voxels[number * part : (number + 1) * part], file, stored, most)
    if not stored.dtype.isnative:
        voxels = voxels.byteswap(inplace=True).view(stored.dtype.newbyteorder("="))
    notices = (f"The {behind} bytes behind the voxels were left out.",) if behind else ()
    return voxels.reshape(stored.shape), notices


@contextmanager
def _named(path: Path, stored: Stored) -> Iterator[None]:
    """Adds the name of the data file to a `Damaged` if voxels lie in other files than the header."""
    try:
        yield
    except Damaged as error:
        if not stored.is_apart:
            raise
        raise Damaged(f"in '{path.name}': {error}") from error


def _check_room(file: BinaryIO, stored: Stored, count: int) -> None:
    """Raises `Damaged` if a file is too short for `count` voxels. Called before memory is asked for."""
    available = os.fstat(file.fileno()).st_size - stored.start
    needed = count * stored.dtype.itemsize
    if stored.size is not None and stored.size != available:
        raise Damaged(f"its packed voxels take {available} bytes, and its header says {stored.size}")
    if stored.packing is Packing.NONE:
        fits = needed + max(stored.skip, 0) <= available
    elif stored.packing is Packing.TEXT:
        fits = 2 * count - 1 <= available
    else:
        fits = needed <= MOST_DENSE[stored.packing] * available
    if not fits:
        raise Damaged(f"its header says {'x'.join(map(str, stored.shape[::-1]))} voxels, for which it is too short")


def _fill(voxels: np.ndarray, file: BinaryIO, stored: Stored, most: int) -> int:
    """Read a file into voxels (n,), and return how many bytes follow. Raises `Damaged` for `most` bytes or more."""
    file.seek(stored.start)
    for _ in itertools.takewhile(bool, (file.readline() for _ in range(stored.lines))):
        pass
    into = voxels.view(np.uint8).data
    if stored.packing is Packing.TEXT:
        behind = read_text(file, voxels)
    elif stored.packing is Packing.NONE:
        behind = _read_raw(file, into, stored.skip)
    else:
        behind = _read_packed(unpacked(file, stored.packing), into, stored.skip, most)
    if behind >= most:
        raise Damaged("it holds more voxels than its header says")
    return behind


def _read_raw(file: BinaryIO, into: memoryview, skip: int) -> int:
    size = os.fstat(file.fileno()).st_size
    place = size - len(into) if skip == FROM_END else file.tell() + skip
    file.seek(place)
    if file.readinto(into) < len(into):  # type: ignore[attr-defined]  # it is buffered
        raise Damaged("voxels are missing at its end")
    return size - place - len(into)


def _read_packed(pieces: Iterator[bytes], into: memoryview, skip: int, most: int) -> int:
    filled = behind = 0
    for piece in pieces:
        part = memoryview(piece)[skip:]
        skip -= min(skip, len(piece))
        taken = min(len(part), len(into) - filled)
        into[filled : filled + taken] = part[:taken]
        filled += taken
        behind += len(part) - taken
        if behind >= most:  # stop here: a file that is made for it can unpack almost without end
            raise Damaged("it holds more voxels than its header says")
    if filled < len(into):
        raise Damaged("voxels are missing at its end")
    return behind
