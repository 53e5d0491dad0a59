"""Data sets by name. Each is one file with `cases(root)`, which reads the layout as downloaded."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from AttnSegLib.errors import InputError
from training.case import Case


def names() -> list[str]:
    """Names that `cases` knows, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def cases(name: str, root: Path) -> Iterator[Case]:
    """The cases of a data set under its root folder. Raises `InputError` for a name or a layout that is not known."""
    if name not in names():
        raise InputError(f"There is no data set '{name}'; choose one of: {', '.join(names())}.")
    return import_module(f"{__name__}.{name}").cases(root)
