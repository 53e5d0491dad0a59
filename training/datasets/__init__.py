"""Data sets by name. Each is one file that reads the layout as downloaded:

SOURCE: one sentence: where to get the data set, and which folder to give as its root.
LABELS: what the values in its label maps mean; empty where the data set says it itself.
cases(root, **options): the cases, by id. Quick: files are found and paired, and read by `Case.read`, which also says
on standard error what was assumed of a case, once each.
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
    """Names that `cases_of` knows, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def cases_of(name: str, root: Path, **options: Any) -> list[Case]:
    """The cases of a data set under its root folder. With the option "anonymous", which all data sets have, ids are
    made of those that the files give, but do not show them: they may be names of patients.

    Raises `InputError` for a name, an option or a layout that is not known, or if a case appears twice.
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
    if is_anonymous:  # also their order would say something
        found = [replace(case, id=_pseudonym(case.id), patient=_pseudonym(case.patient)) for case in found]
        found.sort(key=lambda case: case.id)
    return [replace(case, read=partial(_read, case)) for case in found]


def settings(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """All options of a data set: what it takes for those that are not given, too."""
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
    """A case as its data set reads it, with its notices told."""
    labelled = case.read()
    for notice in labelled.volume.notices:
        _tell(f"Case '{case.id}': {notice}")
    return labelled


@cache  # a case may be read again, by a command that trains and then scores
def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)
