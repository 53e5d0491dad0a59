"""Imports, downloads and deletes the user's own models. Standard library only, like the catalog."""

from __future__ import annotations

import contextlib
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import FileIO
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import sha256_of
from AttnSegLib.models.download import LARGEST, writing_failed
from AttnSegLib.models.download import Download as Download
from AttnSegLib.models.download import DownloadState as DownloadState
from AttnSegLib.models.places import is_seen, resource_folder
from AttnSegLib.models.places import user_folder as user_folder
from AttnSegLib.unfinished import replace_folder, scratch_folder

MOST_FILES = 100
_CHUNK = 2**20  # bytes
_FINDER = "__MACOSX"  # a folder that macOS adds to zip files; it holds nothing of the model
_USUAL = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeError, RuntimeError)  # RuntimeError: it has a password


@dataclass(frozen=True)
class _Entry:
    """A file to import. name: its path in the model folder; size: bytes; open: a function that opens it."""

    name: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def import_model(path: Path | str, *, overwrite: bool = False) -> ModelSpec:
    """Copy a model into the user's folder, and return its card from there.

    The card must be valid, and the weights must be those that it names. They may be missing if the card says where to
    download them. If the same model is installed already, nothing is copied unless only its weights were missing.

    Args:
        path: a model folder, or a zip file of one.
        overwrite: replace another model of the user that has the same id.

    Raises:
        InputError: if anything is wrong, or if another model has this id. Then nothing is changed.
    """
    path, home = Path(path), user_folder()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with scratch_folder(home) as scratch:
            staged = scratch / "model"
            with _listed(path) as files:
                for entry in _model_of(path, files):
                    _copy(entry, staged / entry.name)
            spec = _checked(path, staged)
            here = _here_already(spec, home / spec.id, overwrite)
            if here is None:
                replace_folder(staged, home / spec.id)
        return here or load_card(home / spec.id / CARD)
    except OSError as error:
        raise writing_failed(error, home) from error
    finally:
        with contextlib.suppress(OSError):  # if there are models in it, it is not empty, and stays
            home.rmdir()


def can_delete(spec: ModelSpec) -> bool:
    """Whether the user's folder holds something of the model."""
    return is_seen(_users_part(spec))


def delete(spec: ModelSpec) -> None:
    """Remove a model of the user, or the downloaded weights of a bundled one.

    Raises `InputError` if the user's folder holds nothing of the model, or if a file is in use.
    """
    part, home = _users_part(spec), user_folder()
    if not is_seen(part):
        place = "is part of AttnSeg" if _is_bundled(spec) else f"lies in '{spec.folder}'"
        raise InputError(f"Model '{spec.id}' {place}; only imported and downloaded models can be deleted here.")
    try:
        with scratch_folder(home) as scratch:
            part.replace(scratch / part.name)
    except OSError as error:
        raise InputError(f"Model '{spec.id}' can't be deleted from '{home}'; close what uses it, try again.") from error
    with contextlib.suppress(OSError):  # if there are other models in it, it is not empty, and stays
        home.rmdir()


def _is_bundled(spec: ModelSpec) -> bool:
    return spec.folder.parent == resource_folder("Models")


def _users_part(spec: ModelSpec) -> Path:
    """The file or folder that the user's folder may hold of a model. It need not exist."""
    if spec.folder.parent == user_folder():
        return spec.folder
    return spec.download_path.parent if _is_bundled(spec) else spec.download_path


@contextlib.contextmanager
def _listed(path: Path) -> Iterator[Iterator[_Entry]]:
    """The files in a folder or a zip file. Raises `InputError` if the path is neither, or damaged."""
    if path.is_dir():
        yield _files_of_folder(path)
        return
    if not path.is_file():
        raise InputError(f"There is no '{path}'; give a model folder or a zip file of one.")
    try:
        with zipfile.ZipFile(path) as archive:
            yield _files_of_zip(path, archive)
    except _BAD_ZIP as error:
        raise InputError(f"'{path.name}' is damaged, has a password, or is no zip file; get it again.") from error


def _files_of_folder(path: Path) -> Iterator[_Entry]:
    for file in path.rglob("*"):
        status = file.lstat()
        if stat.S_ISREG(status.st_mode):
            yield _Entry(PurePosixPath(file.relative_to(path).as_posix()), status.st_size, partial(FileIO, file))
        elif not stat.S_ISDIR(status.st_mode):
            raise InputError(f"'{path.name}' holds the link '{file.name}'; put the file itself there.")


def _files_of_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for info in archive.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if not name.parts or name.is_absolute() or ".." in name.parts or ":" in info.filename:
            raise InputError(f"'{path.name}' would write outside of its folder ('{info.filename}'); do not trust it.")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"'{path.name}' holds the link '{info.filename}'; put the file itself there.")
        if info.compress_type not in _USUAL:
            raise InputError(f"'{path.name}' is packed in an unusual way; unpack it and give the folder.")
        if not info.is_dir() and _FINDER not in name.parts:
            yield _Entry(name, info.file_size, partial(archive.open, info))


def _model_of(path: Path, files: Iterator[_Entry]) -> list[_Entry]:
    """The files of the one model among the files. Raises `InputError` if there is none, more than one, or too much."""
    entries = list(islice(files, MOST_FILES + 1))
    if len(entries) > MOST_FILES:
        raise InputError(f"'{path.name}' holds more than {MOST_FILES} files; give a folder with one model only.")
    if sum(entry.size for entry in entries) > LARGEST:
        raise InputError(f"'{path.name}' holds more than {LARGEST / 2**30:.0f} GiB; that is not a model of AttnSeg.")
    if len({str(entry.name).casefold() for entry in entries}) < len(entries):
        raise InputError(f"'{path.name}' holds a file twice; make it again.")
    tops = [entry.name.parent for entry in entries if entry.name.name == CARD and len(entry.name.parts) <= 2]
    if len(tops) != 1:
        raise InputError(
            f"'{path.name}' holds {len(tops)} models; give the folder in which one {CARD} lies, or its zip."
        )
    inside = [entry for entry in entries if entry.name.is_relative_to(tops[0])]
    return [replace(entry, name=entry.name.relative_to(tops[0])) for entry in inside]


def _copy(entry: _Entry, target: Path) -> None:
    """Copy a file. Raises `InputError` if it can't be read."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = entry.size  # never copy more than was counted, even if the file grows meanwhile
    try:
        source = entry.open()
    except OSError as error:
        raise InputError(
            f"'{entry.name}' of the model can't be read; check its permissions, or get it again."
        ) from error
    with source, target.open("wb") as copy:
        while left > 0 and (chunk := source.read(min(left, _CHUNK))):
            copy.write(chunk)
            left -= len(chunk)


def _checked(path: Path, folder: Path) -> ModelSpec:
    """The card of a copied model. Raises `InputError` if the card or the weights are not valid."""
    spec = load_card(folder / CARD, f"in '{path.name}'")
    weights = folder / spec.weights
    if not weights.is_file():
        if spec.url:
            return spec
        raise InputError(f"The weights '{spec.weights}' are missing in '{path.name}'; get the model again.")
    if sha256_of(weights) != spec.sha256:
        raise InputError(
            f"The weights in '{path.name}' are damaged or were changed (SHA-256 differs from the card); get the model "
            "again."
        )
    return spec


def _here_already(new: ModelSpec, target: Path, overwrite: bool) -> ModelSpec | None:
    """The same model, if it is installed already; None if the new one is to be installed.

    A bundled model is the same if its weights are; a model of the user, in `target`, if its card and weights are.
    Raises `InputError` if the id belongs to another model that is not to be overwritten.
    """
    if (resource_folder("Models") / new.id / CARD).is_file():
        bundled = load_card(resource_folder("Models") / new.id / CARD)
        if bundled.sha256 == new.sha256:
            return bundled
        raise InputError(f"Another model '{new.id}' is part of AttnSeg; give yours another id in its {CARD}.")
    if overwrite or not (target / CARD).is_file():
        return None
    with contextlib.suppress(InputError):  # a damaged model counts as another one
        here = load_card(target / CARD)
        if replace(here, size_bytes=new.size_bytes) == new:  # size_bytes may be unknown until the weights are here
            if not here.is_available:
                return None if new.is_available else here
            if sha256_of(here.weights_path) == new.sha256:
                return here
    raise InputError(f"There is another model '{new.id}' already; delete it first, or import with overwrite.")
