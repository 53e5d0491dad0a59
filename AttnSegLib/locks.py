"""Locks between processes; the system takes them from one that is killed. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_BETWEEN = 0.05  # seconds between two tries of who waits


def take_lock(file: IO[Any]) -> bool | None:
    """Whether the lock on an open file could be taken; it is held until the file is closed. None on Windows, and where
    the file system knows no locks."""
    if sys.platform == "win32":
        return None
    try:
        return take_lock_anywhere(file)
    except OSError:
        return None


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether the lock on a file, which is made if need be and has nothing in it, is this process's during the block;
    always, if it waits, and where the file system knows no locks."""
    with path.open("a+b") as file:
        while not (is_ours := _take_if_known(file)) and wait:
            time.sleep(_BETWEEN)
        yield is_ours


def take_lock_anywhere(file: IO[Any]) -> bool:
    """As `take_lock`, on Windows, too. Raises `OSError` where the file system knows no locks."""
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def _take_if_known(file: IO[Any]) -> bool:
    try:
        return take_lock_anywhere(file)
    except OSError:  # the file system knows no locks
        return True
