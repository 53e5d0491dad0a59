"""The networks by name: each file in papers/ and in the rooms of baselines/ is one."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

from AttnSegLib.errors import InputError

if TYPE_CHECKING:
    from torch import nn


_BASELINES = ("baselines.unets", "baselines.on_backbones")
_EXTRA = "transformers"  # what SegFormer comes from; the other networks need torch only


def network_names() -> list[str]:
    """Names that `create` knows, in alphabetical order. Imports no torch."""
    return sorted([*_files("papers"), *baseline_names()])


def baseline_names() -> list[str]:
    """Those of `network_names` that the papers only compare with, in alphabetical order. Imports no torch."""
    return sorted(name for room in _BASELINES for name in _files(room))


def network_class(name: str) -> Any:
    """The class of a network; besides building it tells the figure `published` in its paper.

    Raises `InputError` for a name that does not exist, and for a baseline whose library is not installed.
    """
    if name not in network_names():
        raise InputError(f"There is no network '{name}'; choose one of: {', '.join(network_names())}.")
    room = next(room for room in ("papers", *_BASELINES) if name in _files(room))
    try:
        return import_module(f"{__name__}.{room}.{name}").Network
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing != _EXTRA:
            raise
        raise InputError(f"Network '{name}' needs {missing}; install it: pip install 'attnseg[baselines]'.") from error


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


def _files(room: str) -> list[str]:
    folders = [f"{folder}/{room.replace('.', '/')}" for folder in __path__]
    return [module.name for module in pkgutil.iter_modules(folders)]
