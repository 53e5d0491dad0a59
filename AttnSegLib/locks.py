"""Locks between processes; the system takes them from one that is killed. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


def take_lock(file: IO[Any], *, wait: bool = False) -> bool | None:
    """Whether the lock on an open file could be taken; it is held until the file is closed. None on Windows, and where
    the file system knows no locks. wait: until nobody else holds it."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether the lock on a file, which is made if need be, is this process's during the block; always, if it waits,
    and where there are no locks."""
    with path.open("a") as file:
        yield take_lock(file, wait=wait) is not False


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
