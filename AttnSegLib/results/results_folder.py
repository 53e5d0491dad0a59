"""Writes the folder or the file with the results of one run: all of them, or none if anything fails."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError, cause_of, printable
from AttnSegLib.unfinished import move_all, scratch_folder

SEGMENTATION = "segmentation.seg.nrrd"
REPORT = "report.json"
OVERVIEW = "overview.png"
_STEM = r"segmentation|(attention|probability|segmentation)-[\w-]+(~\d+)?"
_IS_IMAGE = re.compile(rf"({_STEM})\.(nrrd|seg\.nrrd|nii\.gz|dcm)")


def plain_name(text: str) -> str:
    """A text for file names: letters and digits stay, and whatever lies between them becomes one hyphen."""
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())


@contextlib.contextmanager
def results_folder(folder: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """A temporary folder for the results. Write into it within `writing`.

    If the block succeeds, its files are moved to `folder`; if not, they are removed. Old files in `folder` are removed
    only if the last report lists them, or if a new file has the same name.

    Args:
        folder: where the results go.
        overwrite: replace results that are there already.
        inputs: files that the run reads. They are never overwritten.

    Raises:
        InputError: before any work, if `folder` has results that are not to be overwritten, or can't be written to.
    """
    with contextlib.ExitStack() as stack:
        with writing(folder):
            _check_free(folder, overwrite, inputs)
            _check_writable(folder)
            scratch = stack.enter_context(scratch_folder(_existing_parent(folder)))
        with _nothing_written():
            yield scratch
        with writing(folder):
            new = [path.name for path in scratch.iterdir()]
            _check_free(folder, overwrite, inputs, new)  # again, since another run may have ended in the meantime
            with _uninterrupted():
                _publish(scratch, folder)


@contextlib.contextmanager
def result_file(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """A temporary folder for one file with the name of `path`. If the block succeeds, the file is moved to `path`.

    Arguments and errors are those of `results_folder`."""
    with contextlib.ExitStack() as stack:
        with writing(path):
            _check_file(path, overwrite, inputs)
            _check_writable(path.parent)
            scratch = stack.enter_context(scratch_folder(_existing_parent(path.parent)))
        with _nothing_written():
            yield scratch
        with writing(path):
            _check_file(path, overwrite, inputs)
            path.parent.mkdir(parents=True, exist_ok=True)
            (scratch / path.name).replace(path)


@contextlib.contextmanager
def _nothing_written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        about = f" ('{error.filename}')" if error.filename else ""
        raise InputError(f"The run failed: {cause_of(error)}{about}; nothing was written.") from error


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """For a block that only writes results: turns an `OSError` into an `InputError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Can't write to '{folder}': {cause_of(error)}; free some space or choose another folder."
        ) from error


def write_run_report(path: Path, report: dict[str, Any]) -> None:
    """Write the report of a run as JSON."""
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _check_file(path: Path, overwrite: bool, inputs: Sequence[Path]) -> None:
    """Raises `InputError` if the file may not be written."""
    if not _is_there(path):
        return
    if path.is_dir():
        raise InputError(f"'{path}' is a folder, and a file is to be written; choose another name.")
    if any(_is_same(path, given) for given in inputs):
        raise InputError(f"The input '{path}' would be overwritten by the result; choose another name.")
    if not overwrite:
        raise InputError(f"'{path}' is there already; choose another name or --overwrite.")


def _check_free(folder: Path, overwrite: bool, inputs: Sequence[Path], new: Sequence[str] = ()) -> None:
    """Raises `InputError` if results would replace a file that they must not. new: names of the results, if known."""
    names = {SEGMENTATION, REPORT, OVERVIEW, *new}
    if not overwrite:  # files with names like those of our images may come from another run
        names |= {path.name for path in _images(folder)}
    else:
        names |= _listed(folder)
    earlier = [folder / name for name in sorted(names) if _is_there(folder / name)]
    if earlier and not overwrite:
        raise InputError(f"'{folder}' already holds results ({earlier[0].name}); choose another folder or --overwrite.")
    for path in earlier:
        if path.is_dir() and not path.is_symlink():
            raise InputError(f"'{path}' is a folder, where a result is to be written; choose another folder.")
        if any(_is_same(path, given) for given in inputs):
            raise InputError(f"The input '{path}' would be overwritten by the results; choose another folder.")


def _is_same(path: Path, given: Path) -> bool:
    try:
        return path.samefile(given)
    except OSError:  # one of them can't be opened, which is reported when it is read
        return False


def _is_there(path: Path) -> bool:
    """Whether a path exists, even as a link to nowhere. Raises `OSError` for a name that is not possible."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _images(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _IS_IMAGE.fullmatch(path.name)] if folder.is_dir() else []


def _listed(folder: Path) -> set[str]:
    """The names of the results that the report in a folder lists; empty if there is no report of AttnSeg."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        images = [*report["attention"].values(), *report.get("segmentation", [])]
        images += report.get("probability", {}).values()
        images = [name for name in images if _IS_IMAGE.fullmatch(name)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()
    return {SEGMENTATION, REPORT, OVERVIEW, *images}


def _check_writable(folder: Path) -> None:
    """Try to make the folder and a file in it, and remove both again. Raises `OSError` or `InputError` if it fails."""
    try:
        str(folder.absolute()).encode("utf-8")
    except UnicodeEncodeError as error:  # with such a name, some libraries that write files end the process
        raise InputError(
            f"The name of the folder '{printable(str(folder))}' is not valid UTF-8; choose another folder."
        ) from error
    if folder.is_symlink() and not folder.exists():
        raise InputError(f"'{folder}' is a link to a folder that does not exist; choose another folder.")
    made = []
    try:
        for path in reversed([folder, *folder.parents]):
            if not path.exists():
                path.mkdir()
                made.append(path)
        tempfile.TemporaryFile(dir=folder).close()
    finally:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # somebody else may use it by now
                path.rmdir()


def _publish(scratch: Path, folder: Path) -> None:
    """Put the new files into the folder, and remove the results of the last run: all of it, or nothing.

    A new folder appears by a single renaming, so it is complete even if the process is killed. In a folder that was
    there before, the old report is removed first, and the new one is added last."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch.rename(folder)
        return
    new = sorted((path.name for path in scratch.iterdir()), key=lambda name: name == REPORT)
    old = sorted(_listed(folder) | set(new), key=lambda name: name != REPORT)
    old = [name for name in old if _is_there(folder / name)]
    aside = scratch.with_name("earlier")
    aside.mkdir()
    moves = [(folder / name, aside / name) for name in old] + [(scratch / name, folder / name) for name in new]
    move_all(moves)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delays Ctrl-C, SIGTERM and SIGHUP to the end of a block, which should be short. Does nothing on Windows."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _existing_parent(folder: Path) -> Path:
    """The folder itself, or its nearest parent that exists: on the same disk, so that moving a file only renames it."""
    for parent in (folder, *folder.absolute().parents):
        if parent.exists():
            return parent
    return Path()
