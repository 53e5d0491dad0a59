"""The folder of results of one run: complete, or not there at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
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
def results_folder(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary folder to write into; its files move to `folder` when the block ends well, and vanish when it does
    not.

    Raises `InputError`, before any work is done, if results are there already and are not to be overwritten, or if the
    folder can't be written to; and, when the block ends in a writing error, if the disk is full.
    """
    earlier = _earlier_results(folder)
    if earlier and not overwrite:
        raise InputError(f"'{folder}' already holds results ({earlier[0].name}); choose another folder or --overwrite.")
    try:
        with tempfile.TemporaryDirectory(prefix=".attnseg-", dir=_existing_parent(folder)) as scratch:
            yield Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            for path in earlier:
                path.unlink()
            for path in Path(scratch).iterdir():
                path.replace(folder / path.name)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"Can't write to '{folder}': {reason}; free some space or choose another folder.") from error


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write the numbers of a run as JSON."""
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _earlier_results(folder: Path) -> list[Path]:
    names = [folder / name for name in (SEGMENTATION, REPORT, OVERVIEW)]
    return [path for path in (*names, *folder.glob("attention-*.nrrd")) if path.exists()]


def _existing_parent(folder: Path) -> Path:
    """The folder itself or its nearest ancestor that exists: on the same disk, so that moving is a renaming."""
    for parent in (folder, *folder.absolute().parents):
        if parent.exists():
            return parent
    return Path()
