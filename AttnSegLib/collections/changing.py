"""Changes a collection safely: only one process at a time, and `collection.json` is always complete."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from AttnSegLib.collections.collection import COLLECTION, FORMAT, IMAGES, LABELS, Collection, open_collection
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.locks import take_lock_anywhere
from AttnSegLib.typed_json import to_json
from AttnSegLib.unfinished import whole_file

_LOCK = ".lock"


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[Collection]:
    """The collection in a folder, locked for the time of the block.

    Raises `InputError` if there is no collection, if another process changes it, or if its drive can't lock files. An
    `OSError` in the block becomes an `InputError`, too.
    """
    open_collection(folder)  # first, so that no lock file is made where there is no collection
    try:
        with (folder / _LOCK).open("a+b") as lock:
            _take(lock, folder)
            collection = open_collection(folder)
            _sweep(collection)
            yield collection
    except OSError as error:
        raise InputError(
            f"The collection in '{folder}' can't be changed ({cause_of(error)}) and is as it was; free some space, or "
            "check the drive."
        ) from error


def write_collection(collection: Collection) -> None:
    """Write `collection.json`. The new file replaces the old one only when it is complete. Raises `OSError`."""
    text = json.dumps({"format": FORMAT} | to_json(collection), indent=2, allow_nan=False)
    with whole_file(collection.folder / COLLECTION) as file:
        file.write(f"{text}\n".encode())


def _take(lock: IO[bytes], folder: Path) -> None:
    """Lock a file until it is closed, which also the end of the process does. Raises `InputError` if that fails."""
    try:
        taken = take_lock_anywhere(lock)
    except OSError as error:
        raise InputError(
            f"The drive of '{folder}' can't lock files, so two users could spoil each other's cases; keep the "
            "collection on a disk of this computer."
        ) from error
    if not taken:
        raise InputError(
            f"Another window or process changes the collection in '{folder}' right now; wait until it is done."
        )


def _sweep(collection: Collection) -> None:
    """Remove files that belong to no case: a process may have ended before its work was done."""
    known = {case.file for case in collection.cases}
    for name in (IMAGES, LABELS):
        for path in (collection.folder / name).glob("case_*.nrrd"):
            if path.name not in known:
                with contextlib.suppress(OSError):
                    path.unlink()
