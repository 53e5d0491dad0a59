"""Locks between processes; the system takes them from one that is killed. Windows has none: there is no waiting."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether the lock on a file, which is made if need be, is this process's during the block; always, if it waits,
    and where the file system knows no locks."""
    with path.open("a") as file:
        yield _take(file.fileno(), wait=wait)


def _take(descriptor: int, *, wait: bool) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
