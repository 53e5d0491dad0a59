"""Memory that a prediction on a CPU keeps from slice to slice.

A network asks for the same large blocks for every slice. By default glibc returns each block to the system when it
is freed. The system must then fill it with zeros, page by page, before it is used again, which takes up to a quarter of
the time of a slice of 512 x 512.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4  # parameters of mallopt, from malloc.h
# The thresholds as glibc sets them in time.
_DEFAULTS = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _TOP_PAD: 128 << 10}


@contextmanager
def memory_kept() -> Iterator[None]:
    """Freed memory stays with this process until the block ends. Does nothing where there is no glibc."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_TOP_PAD, 128 << 20)  # other threads than the first keep theirs in heaps of 64 MB: none goes as empty
    try:
        yield
    finally:
        for parameter, value in _DEFAULTS.items():
            libc.mallopt(parameter, value)
        libc.malloc_trim(0)
