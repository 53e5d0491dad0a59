"""Packs a collection into one zip file, to train on another computer. `training.teach` can read this file."""

from __future__ import annotations

import contextlib
import os
import shlex
import zipfile
from pathlib import Path

from AttnSegLib.collections.changing import changing
from AttnSegLib.collections.collection import COLLECTION, IMAGES, LABELS, open_collection
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.unfinished import scratch_folder, whole_file

_HOW = "HOW-TO-TRAIN.txt"
_CHECKOUT = "https://github.com/AttnSeg/SlicerAttnSeg"


def command_for(path: Path) -> str:
    """The command to run on the other computer, where the zip file `path` lies then."""
    name = path.name if shlex.quote(path.name) == path.name else f'"{path.name}"'  # which Windows knows, too
    return f"attnseg teach {name} --time 2h --out ."


def zip_collection(folder: Path, path: Path) -> str:
    """Write the collection in a folder as a zip file, and return the command to run on the other computer.

    A collection that can't be written to can be packed, too. Raises `InputError` if the file's name does not end in
    .zip, if the file is there already, if somebody changes the collection right now, if it lacks a file, or if the disk
    is full.
    """
    if path.suffix.lower() != ".zip":
        raise InputError(f"'{path.name}' must end in .zip; give such a name.")
    if path.exists():
        raise InputError(f"There is a file '{path}' already; give another name.")
    with changing(folder) if os.access(folder, os.W_OK) else contextlib.nullcontext(open_collection(folder)) as packed:
        names = [COLLECTION, *(f"{part}/{case.file}" for case in packed.cases for part in (IMAGES, LABELS))]
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise InputError(f"The collection in '{folder}' lacks its file '{missing[0]}'; restore it from a copy.")
        try:
            with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:  # of voxels that are packed already
                for name in names:
                    archive.write(folder / name, name)
                archive.writestr(_HOW, _how(path))
        except OSError as error:
            raise InputError(
                f"'{path}' can't be written ({cause_of(error)}); free some space, or choose another folder."
            ) from error
    return command_for(path)


def unzip_collection(path: Path) -> Path:
    """Unpack a collection into a folder beside the zip file, unless it is there already, and return this folder.

    Raises `InputError` if the zip file holds no complete collection, or can't be unpacked.
    """
    folder = path.with_suffix("")
    if folder.exists():
        return open_collection(folder).folder
    try:
        with scratch_folder(path.parent) as scratch:
            made = scratch / "collection"
            with zipfile.ZipFile(path) as archive:
                archive.extractall(made)  # never writes outside of `made`, whatever names are in the file
            open_collection(made)
            made.rename(folder)
    except (zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"'{path.name}' is damaged, or not a zip file; copy it again.") from error
    except OSError as error:
        raise InputError(f"'{path.name}' can't be unpacked ({cause_of(error)}); free some space.") from error
    return folder


def _how(path: Path) -> str:
    return (
        "Train a model on these cases, in an environment with Python 3.11 or newer:\n\n"
        f"  git clone {_CHECKOUT}\n"
        f"  pip install --editable './{_CHECKOUT.rpartition('/')[2]}[train]'\n\n"
        "Then, in the folder of this zip file:\n\n"
        f"  {command_for(path)}\n\n"
        "It ends with the folder of a model. Bring that back, and import it: attnseg models import FOLDER\n"
    )
