"""The folder of results of one run: complete, or not there at all."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError

SEGMENTATION = "segmentation.seg.nrrd"
REPORT = "report.json"
OVERVIEW = "overview.png"


def attention_file(title: str) -> str:
    """File name of an attention map: "gate 0,1" becomes "attention-gate-0-1.nrrd"."""
    return "attention-" + "-".join("".join(c if c.isalnum() else " " for c in title).split()) + ".nrrd"


@contextlib.contextmanager
def results_folder(folder: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """A temporary folder to write into; its files move to `folder` when the block ends well, and vanish when it does
    not. inputs: files that are read, and so must not be overwritten.

    Raises `InputError`, before any work is done, if results are there already and are not to be overwritten, or if the
    folder can't be written to; and, when the block ends in a writing error, if the disk is full.
    """
    _check_free(folder, overwrite, inputs)
    try:
        with tempfile.TemporaryDirectory(prefix=".attnseg-", dir=_existing_parent(folder)) as scratch:
            yield Path(scratch)
            _check_free(folder, overwrite, inputs)  # again: another run may have ended meanwhile
            with _uninterrupted():
                _publish(Path(scratch), folder)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"Can't write to '{folder}': {reason}; free some space or choose another folder.") from error


def write_run_report(path: Path, report: dict[str, Any]) -> None:
    """Write the numbers of a run as JSON."""
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _check_free(folder: Path, overwrite: bool, inputs: Sequence[Path]) -> None:
    earlier = _earlier_results(folder)
    if earlier and not overwrite:
        raise InputError(f"'{folder}' already holds results ({earlier[0].name}); choose another folder or --overwrite.")
    for path in earlier:
        if any(given.exists() and path.samefile(given) for given in inputs):
            raise InputError(f"The input '{path}' would be overwritten by the results; choose another folder.")


def _publish(scratch: Path, folder: Path) -> None:
    """Move the new files in, then remove what an earlier run left and this one did not replace."""
    folder.mkdir(parents=True, exist_ok=True)
    new = [path.replace(folder / path.name) for path in scratch.iterdir()]
    for path in set(_earlier_results(folder)) - set(new):
        path.unlink()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block is done; for blocks of milliseconds. Windows has no such mask."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _earlier_results(folder: Path) -> list[Path]:
    names = [folder / name for name in (SEGMENTATION, REPORT, OVERVIEW)]
    return [path for path in (*names, *folder.glob("attention-*.nrrd")) if path.exists()]


def _existing_parent(folder: Path) -> Path:
    """The folder itself or its nearest ancestor that exists: on the same disk, so that moving is a renaming."""
    for parent in (folder, *folder.absolute().parents):
        if parent.exists():
            return parent
    return Path()
