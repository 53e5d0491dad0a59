"""Data sets by name. Each is one file that reads the layout as downloaded:

SOURCE: one sentence: where to get the data set, and which folder to give as its root.
LABELS: what the values in its label maps mean; empty where the data set says it itself.
cases(root, **options): the cases, by id. Quick: files are found and paired, and read by `Case.read`.
"""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from AttnSegLib.errors import InputError
from training.slices.case import Case


def dataset_names() -> list[str]:
    """Names that `cases_of` knows, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def cases_of(name: str, root: Path, **options: Any) -> list[Case]:
    """The cases of a data set under its root folder.

    Raises `InputError` for a name, an option or a layout that is not known, or if a case appears twice.
    """
    module = reader(name)
    known = settings(name, {})
    if unknown := sorted(options.keys() - known.keys()):
        raise InputError(
            f"The data set '{name}' has no option '{unknown[0]}'; it has: {', '.join(known) or 'none at all'}."
        )
    if not root.is_dir():
        raise InputError(f"There is no folder '{root}'. {module.SOURCE}")
    found = list(module.cases(root, **options))
    if not found:
        raise InputError(f"No cases in '{root}'. {module.SOURCE}")
    ids = [case.id for case in found]
    if doubled := sorted({case_id for case_id in ids if ids.count(case_id) > 1}):
        raise InputError(f"Case '{doubled[0]}' lies in '{root}' more than once; keep one copy.")
    return found


def settings(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """All options of a data set: what it takes for those that are not given, too."""
    taken = list(inspect.signature(reader(name).cases).parameters.values())[1:]
    return {parameter.name: parameter.default for parameter in taken} | options


def reader(name: str) -> ModuleType:
    """The module that reads a data set. Raises `InputError` for a name that is not known."""
    if name not in dataset_names():
        raise InputError(f"There is no data set '{name}'; choose one of: {', '.join(dataset_names())}.")
    return import_module(f"{__name__}.{name}")
