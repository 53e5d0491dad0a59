"""Data sets by name. Each file here reads one data set in the layout in which it is downloaded. It has:

SOURCE: one sentence that says where to get the data set, and which folder to give as its root.
LABELS: what the values in its label maps mean; empty if the data set itself says it.
cases(root, **options): the cases, each with an id of its own. This is quick, since it only finds files and pairs them.
    `Case.read` reads them, and prints what was assumed about a case to standard error, once for each sentence.
"""

from __future__ import annotations

import hashlib
import inspect
import pkgutil
import sys
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from AttnSegLib.errors import InputError
from training.slices.case import Case, Labelled


def dataset_names() -> list[str]:
    """The names of all data sets, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def cases_of(name: str, root: Path, **options: Any) -> list[Case]:
    """The cases of a data set.

    Args:
        name: of the data set.
        root: its folder.
        options: of the data set. All data sets have "anonymous", which replaces ids by codes, since the names of files
            may be those of patients.

    Raises:
        InputError: for a name, an option or a layout that is not known, or if a case appears twice.
    """
    module = reader(name)
    known = settings(name, {})
    if unknown := sorted(options.keys() - known.keys()):
        raise InputError(f"The data set '{name}' has no option '{unknown[0]}'; it has: {', '.join(known)}.")
    if not root.is_dir():
        raise InputError(f"There is no folder '{root}'. {module.SOURCE}")
    is_anonymous = options.pop("anonymous", False)
    found = list(module.cases(root, **options))
    if not found:
        raise InputError(f"No cases in '{root}'. {module.SOURCE}")
    ids = [case.id for case in found]
    if doubled := sorted({case_id for case_id in ids if ids.count(case_id) > 1}):
        raise InputError(f"Case '{doubled[0]}' lies in '{root}' more than once; keep one copy.")
    if is_anonymous:  # sorted anew, since the old order tells something about the names
        found = [replace(case, id=_pseudonym(case.id), patient=_pseudonym(case.patient)) for case in found]
        found.sort(key=lambda case: case.id)
    return [replace(case, read=partial(_read, case)) for case in found]


def settings(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """All options of a data set, with its defaults for those that are not given."""
    taken = list(inspect.signature(reader(name).cases).parameters.values())[1:]
    return {"anonymous": False} | {parameter.name: parameter.default for parameter in taken} | options


def reader(name: str) -> ModuleType:
    """The module that reads a data set. Raises `InputError` for a name that is not known."""
    if name not in dataset_names():
        raise InputError(f"There is no data set '{name}'; choose one of: {', '.join(dataset_names())}.")
    return import_module(f"{__name__}.{name}")


def _pseudonym(name: str) -> str:
    return f"case-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def _read(case: Case) -> Labelled:
    """Read a case, and print its notices."""
    labelled = case.read()
    for notice in labelled.volume.notices:
        _tell(f"Case '{case.id}': {notice}")
    return labelled


@cache  # prints each sentence once, since a command that trains and then scores reads a case twice
def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)
