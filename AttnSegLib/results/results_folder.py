"""The folder of results of one run: complete, or not there at all."""

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
    """Letters, digits and hyphens of a text, for file names."""
    return "-".join("".join(c if c.isalnum() else " " for c in text).split())


@contextlib.contextmanager
def results_folder(folder: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """A temporary folder to write into, within `writing`; its files move to `folder` when the block ends well, and
    vanish when it does not. Of what was there before only results go that the last report lists, or that new ones
    replace. inputs: files that are read, and so must not be overwritten.

    Raises `InputError`, before any work is done, if results are there already and are not to be overwritten, or if the
    folder can't be written to.
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
            _check_free(folder, overwrite, inputs, new)  # again: another run may have ended meanwhile
            with _uninterrupted():
                _publish(scratch, folder)


@contextlib.contextmanager
def result_file(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """A temporary folder to write one file into, named as `path`; it moves to `path` when the block ends well. Raises
    as `results_folder`."""
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
    """For a block that only writes results. Raises `InputError` that blames the folder if that fails."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Can't write to '{folder}': {cause_of(error)}; free some space or choose another folder."
        ) from error


def write_run_report(path: Path, report: dict[str, Any]) -> None:
    """Write the numbers of a run as JSON."""
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
    """Raises `InputError` if results would replace what they may not. new: names of all results, if they are known."""
    names = {SEGMENTATION, REPORT, OVERVIEW, *new}
    if not overwrite:  # what is called as our images are may be some of another run
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
    except OSError:  # one of them can't be read, which is for the reader to say
        return False


def _is_there(path: Path) -> bool:
    """Also for a link to nowhere. Raises `OSError` for a name that can't be."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _images(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _IS_IMAGE.fullmatch(path.name)] if folder.is_dir() else []


def _listed(folder: Path) -> set[str]:
    """Names of the results that the folder's report lists; none if it is no report of ours."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        images = [*report["attention"].values(), *report.get("segmentation", [])]
        images += report.get("probability", {}).values()
        images = [name for name in images if _IS_IMAGE.fullmatch(name)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()
    return {SEGMENTATION, REPORT, OVERVIEW, *images}


def _check_writable(folder: Path) -> None:
    """Make the folder and a file in it, and take both away again. Raises `OSError` and `InputError`."""
    try:
        str(folder.absolute()).encode("utf-8")
    except UnicodeEncodeError as error:  # some libraries that write files end the process
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
            with contextlib.suppress(OSError):  # somebody else uses it by now
                path.rmdir()


def _publish(scratch: Path, folder: Path) -> None:
    """Move the new files in and the results of the last run away: all of it, or none. A folder that was not there
    comes by one renaming, so that nothing is half-written even if the process is killed in the middle; one that was
    has its report last."""
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
    """Ctrl-C, SIGTERM and SIGHUP wait until the block is done; for blocks of milliseconds. Windows has no such mask."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _existing_parent(folder: Path) -> Path:
    """The folder itself or its nearest ancestor that exists: on the same disk, so that moving is a renaming."""
    for parent in (folder, *folder.absolute().parents):
        if parent.exists():
            return parent
    return Path()
