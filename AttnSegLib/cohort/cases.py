"""Which cases there are: scans in folders, BIDS trees, DICOM series, and lists of cases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from AttnSegLib.cohort.case_list import cases_of_list, is_case_list
from AttnSegLib.cohort.naming import case_name, check_different
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.images.dicom.signs import is_dicom
from AttnSegLib.images.picture import IMAGE_IOS
from AttnSegLib.images.volume import SUFFIXES

_BIDS = "dataset_description.json"
_BIDS_SCANS = ("anat", "ct")  # its folders of scans that can be segmented; others hold 4D images and field maps
_BIDS_OTHER = ("derivatives", "sourcedata", "code", "stimuli", "phenotype")


@dataclass(frozen=True)
class Search:
    """match: pattern for the path below the folder that is searched, such as "*T2w*"; without: a folder that is left
    out, where the results go; pictures: whether PNG, TIFF and JPEG files are scans; notify: gets a sentence for each
    folder that can't be looked into."""

    match: str | None = None
    without: Path | None = None
    pictures: bool = False
    notify: Callable[[str], None] = lambda _sentence: None


_EVERYWHERE = Search()


def find_cases(sources: Sequence[Path], search: Search = _EVERYWHERE) -> list[CohortCase]:
    """The cases of folders (searched recursively), image files and lists (.csv, .tsv), by name.

    Raises `InputError` if there is none, if a source or list can't be read, or if two cases would have one name.
    """
    found: list[CohortCase] = []
    for source in sources:
        found += _cases_of(source, search)
    if not found:
        raise InputError(_nothing_in(sources, search))
    check_different(found)
    return sorted(found, key=lambda case: case.name)


def _nothing_in(sources: Sequence[Path], search: Search) -> str:
    """Why there is no case, and what to do."""
    where = ", ".join(repr(str(source)) for source in sources)
    unmatched = Search(without=search.without, pictures=search.pictures)
    paths = [path.relative_to(source) for source in sources if source.is_dir() for path in _scans(source, unmatched)]
    if not paths:
        return (
            f"There is no scan in {where}: no NIfTI, NRRD or MetaImage file and no DICOM series; give another folder, "
            "or a list (.csv) with a column 'image'."
        )
    return (
        f"Of {len(paths)} scan{'s' * (len(paths) != 1)} in {where}, such as '{paths[0].as_posix()}', none has a path "
        f"that fits '{search.match}'; change --match (* stands for any letters, so '*' alone fits all)."
    )


def _cases_of(source: Path, search: Search) -> list[CohortCase]:
    if is_case_list(source):
        return cases_of_list(source)
    if source.is_dir():
        scans = [(path, path.relative_to(source)) for path in _scans(source, search)]
        return [CohortCase(_name(source, path, below), path) for path, below in scans if _fits(below, search.match)]
    if not source.exists():
        raise InputError(f"'{source}' is not there; correct the path.")
    return [CohortCase(case_name(source.name), source)]


def _name(source: Path, path: Path, below: Path) -> str:
    """By the path below the folder; in BIDS the file's name alone, which has the subject in it."""
    if path.name.startswith("sub-") and path.is_file():
        return case_name(path.name)
    return case_name("_".join(below.parts) or source.absolute().name)


def _fits(below: Path, match: str | None) -> bool:
    return match is None or fnmatch(below.as_posix(), match) or fnmatch(below.name, match)


def _scans(root: Path, search: Search) -> Iterator[Path]:
    """Files of scans, and folders of DICOM slices."""
    seen: set[tuple[int, int]] = set()
    in_bids: list[Path] = []

    def complain(error: OSError) -> None:
        search.notify(f"'{error.filename}' can't be looked into ({cause_of(error)}) and was left out.")

    for name, folders, files in os.walk(root, onerror=complain, followlinks=True):
        folder = Path(name)
        if _is_left_out(folder, files, search, seen):
            folders.clear()
            continue
        if _BIDS in files:
            in_bids.append(folder)
            folders[:] = [one for one in folders if one not in _BIDS_OTHER]
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        if folder.name in _BIDS_SCANS or not any(folder.is_relative_to(tree) for tree in in_bids):
            yield from _scans_in(folder, sorted(files), search)


def _is_left_out(folder: Path, files: list[str], search: Search, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder was here before, which links can bring about, or holds results."""
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in seen or (search.without is not None and folder.resolve() == search.without.resolve()):
        return True
    seen.add(identity)
    is_result = "report.json" in files and any(name.startswith("segmentation") for name in files)
    return is_result or {"cohort.json", "cohort.csv"} <= set(files)


def _scans_in(folder: Path, files: list[str], search: Search) -> Iterator[Path]:
    suffixes = (*SUFFIXES, *IMAGE_IOS) if search.pictures else SUFFIXES
    files = [name for name in files if not name.startswith(".")]
    images = [name for name in files if name.lower().endswith(suffixes) and not name.lower().endswith(".seg.nrrd")]
    yield from (folder / name for name in images)
    others = [name for name in files if name not in images and name != "DICOMDIR"]
    slices = (name for name in others if _is_slice(folder / name))
    first = next(slices, None)
    if first is not None:  # one file alone may hold many frames
        yield folder / first if next(slices, None) is None else folder


def _is_slice(path: Path) -> bool:
    try:
        return is_dicom(path)
    except OSError:  # a file that can't be read is none of ours to name before anyone asks for it
        return False
