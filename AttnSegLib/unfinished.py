"""Files and folders are written beside their place and take it when they are whole.

What a killed process left unfinished goes with the next one that writes there. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from AttnSegLib.locks import take_lock

_PREFIX = ".attnseg-"
_NAME = re.compile(re.escape(_PREFIX) + r"\w{8}")  # as `tempfile` makes them of the prefix
_LOCK = "lock"
_OLD = 24 * 3600.0  # seconds, after which a folder is abandoned that nobody can have locked


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """An empty folder under `parent` that vanishes when the block ends. Folders of processes that were killed before
    they could do so vanish, too.

    Raises `OSError` if it can't be made.
    """
    _sweep(parent)
    while True:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as name:
            lock = Path(name) / _LOCK
            with lock.open("w") as file:
                if take_lock(file) is False or not lock.exists():  # somebody sweeps, or has swept, at this very moment
                    continue
                folder = Path(name) / "files"
                folder.mkdir()
                yield folder
            return


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path` when the block ends well, and vanishes when it does not.

    Then it is on the disk: a lost power supply leaves the old one or the new one. Raises `OSError`.
    """
    with scratch_folder(path.parent) as scratch:
        unfinished = scratch / path.name
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)


def replace_folder(whole: Path, target: Path) -> None:
    """Give a folder, made in a `scratch_folder`, the place `target`; what was there goes to the scratch folder.

    Raises `OSError` if that fails; then all is where it was.
    """
    away = [(target, whole.with_name(f"{whole.name}.earlier"))] if target.exists() else []
    move_all([*away, (whole, target)])


def move_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Move files or folders, each from the first path to the second, on one disk: all of them, or none.

    Raises `OSError` if one can't be moved; then all are where they were.
    """
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.replace(target)
            done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.replace(source)
        raise


def _sweep(parent: Path) -> None:
    """Remove what was abandoned. Whatever can't be removed stays: it is nobody's fault now."""
    with contextlib.suppress(OSError):
        for path in list(parent.iterdir()):
            if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(path)


def _remove_if_abandoned(folder: Path) -> None:
    """Remove a folder whose lock no process holds. Its lock is held meanwhile, so that a process that has just made the
    folder sees that it is lost.

    Raises `OSError` if it can't be looked at.
    """
    lock, is_old = folder / _LOCK, time.time() - folder.stat().st_mtime > _OLD
    is_abandoned = is_old
    with contextlib.ExitStack() as stack:
        if lock.exists() and sys.platform == "win32":  # where nobody can remove what another process has open
            lock.unlink()
            is_abandoned = True
        elif lock.exists():
            taken = take_lock(stack.enter_context(lock.open("r+")))
            is_abandoned = is_old if taken is None else taken
        if is_abandoned:
            shutil.rmtree(folder, ignore_errors=True)
    if is_abandoned and folder.exists():  # on NFS, an open file leaves another name behind until it is closed
        folder.rmdir()
