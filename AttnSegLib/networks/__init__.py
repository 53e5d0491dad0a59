"""The networks by name. One file each; a file that does not start with an underscore is a network."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

from AttnSegLib.errors import InputError

if TYPE_CHECKING:
    from torch import nn


def names() -> list[str]:
    """Names that `create` knows, in alphabetical order. Imports no torch."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def network_class(name: str) -> Any:
    """The class of a network; besides building it tells its `paper`, and the figure `published` there. Raises
    `InputError` for a name that does not exist."""
    if name not in names():
        raise InputError(f"There is no network '{name}'; choose one of: {', '.join(names())}.")
    return import_module(f"{__name__}.{name}").Network


def create(name: str, **options: Any) -> nn.Module:
    """Build a network with random weights.

    `options` are keywords of the network's class: `in_channels`, `num_classes`, `width`, ... Raises `InputError` for a
    name or an option that does not exist.
    """
    kind = network_class(name)
    known = list(inspect.signature(kind).parameters)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(f"Network '{name}' has no option '{unknown[0]}'; it takes: {', '.join(known)}.")
    network: nn.Module = kind(**options)
    return network
