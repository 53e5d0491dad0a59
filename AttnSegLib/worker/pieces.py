"""Work on large arrays in pieces, so that an application lives on between them. Standard library and numpy only.

A function that works so is a generator: it yields the bytes of each piece that is done, and returns its result. Python
threads would be no way out: beside Qt they starve.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import numpy as np

_Made = TypeVar("_Made")
InPieces = Generator[int, None, _Made]
_PIECE = 8 * 2**20  # bytes; 2 to 3 ms


def reserve(descriptor: int, size: int) -> InPieces[None]:
    """Take all the room of a file or of shared memory, bytes. Raises `OSError` if it is not there."""
    for start in range(0, size, _PIECE):
        piece = min(_PIECE, size - start)
        os.posix_fallocate(descriptor, start, piece)
        yield piece


def fill(array: np.ndarray, values: np.ndarray) -> InPieces[None]:
    """Copy values into an array of their shape, with at least one axis."""
    rows = max(1, _PIECE // max(array[:1].nbytes, 1))
    for start in range(0, len(array), rows):
        piece = array[start : start + rows]
        piece[...] = values[start : start + rows]
        yield piece.nbytes
