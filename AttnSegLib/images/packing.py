"""Reads voxels that are packed or written as text. Packed ones are read to their end, where the checksum is compared.
Needs only numpy."""

from __future__ import annotations

import bz2
import itertools
import zlib
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, BinaryIO

import numpy as np

_CHUNK = 1 << 18  # bytes read from a file at once; smaller chunks are slower
_AT_ONCE = 1 << 22  # bytes unpacked at once
_LONGEST_NUMBER = 64  # characters


class Damaged(Exception):
    """A file is damaged. The message says why, as a part of a sentence that fits into brackets."""


class Packing(Enum):
    """How voxels are packed."""

    NONE = "raw"
    GZIP = "gzip"
    ZLIB = "zlib"  # gzip is read, too
    BZIP2 = "bzip2"
    TEXT = "text"


_ENGINES: dict[Packing, Callable[[], Any]] = {
    Packing.GZIP: lambda: zlib.decompressobj(31),
    Packing.ZLIB: lambda: zlib.decompressobj(47),
    Packing.BZIP2: bz2.BZ2Decompressor,
}
MOST_DENSE = {Packing.GZIP: 1032, Packing.ZLIB: 1032, Packing.BZIP2: 2_000_000}  # most bytes that one byte unpacks to


def unpacked(file: BinaryIO, packing: Packing) -> Iterator[bytes]:
    """Unpack a file from its current position to its end, in pieces.

    Raises `Damaged` if the file is cut off, if a checksum differs, or if something else follows the packed bytes.
    """
    chunks = iter(lambda: file.read(_CHUNK), b"")
    chunk = next(chunks, b"")
    while True:  # gzip and bzip2 allow several parts
        engine = _ENGINES[packing]()
        while not engine.eof:
            if not chunk:
                raise Damaged("its packed voxels end too early")
            yield from _pieces(engine, chunk)
            chunk = engine.unused_data or next(chunks, b"")
        if packing is Packing.GZIP:  # some copies are filled up with zeros at their end
            chunk = next(filter(None, (part.lstrip(b"\0") for part in itertools.chain([chunk], chunks))), b"")
        if not chunk:
            return
        if packing is Packing.ZLIB:
            raise Damaged("something follows its packed voxels")


def _pieces(engine: Any, chunk: bytes) -> Iterator[bytes]:
    try:
        piece = engine.decompress(chunk, _AT_ONCE)
        yield piece
        while not engine.eof and len(piece) == _AT_ONCE:  # the chunk may hold more
            piece = engine.decompress(getattr(engine, "unconsumed_tail", b""), _AT_ONCE)  # bzip2 keeps the rest inside
            yield piece
    except (zlib.error, OSError, EOFError) as error:
        raise Damaged("its packed voxels do not match their checksum") from error


def read_text(file: BinaryIO, voxels: np.ndarray) -> int:
    """Read numbers, which are separated by space, into voxels (n,). Returns 0, the bytes behind the voxels.

    Raises `Damaged` if there are more or fewer than n numbers, or if one does not fit the type of the voxels."""
    filled, begun = 0, b""
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        words = (begun + chunk).split()
        begun = words.pop() if words and not chunk[-1:].isspace() else b""
        if max(map(len, [*words, begun]), default=0) > _LONGEST_NUMBER:
            raise Damaged("its voxels are not numbers")
        filled += _put_numbers(words, voxels[filled:])
    filled += _put_numbers(begun.split(), voxels[filled:])
    if filled < len(voxels):
        raise Damaged("voxels are missing at its end")
    return 0


def _put_numbers(words: list[bytes], voxels: np.ndarray) -> int:
    if len(words) > len(voxels):
        raise Damaged("it holds more voxels than its header says")
    if not words:
        return 0
    wide = {"i": np.int64, "u": np.uint64}.get(voxels.dtype.kind, np.float64)
    try:
        numbers = np.array(words).astype(wide)
    except (ValueError, OverflowError) as error:
        raise Damaged("its voxels are not numbers") from error
    with np.errstate(over="ignore"):
        fitting = numbers.astype(voxels.dtype)
    if voxels.dtype.kind in "iu" and (fitting != numbers).any():
        raise Damaged("its voxels do not fit the type that its header says")
    voxels[: len(words)] = fitting
    return len(words)
