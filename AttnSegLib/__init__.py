"""AttnSeg: 2D attention networks over the slices of a volume, with the maps of where they looked.

Importing the package imports neither torch nor SimpleITK: inside 3D Slicer they may not be installed yet. `segment`,
`Segmenter` and `SegmentedImage` are fetched from `python_api` when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from AttnSegLib.python_api import SegmentedImage, Segmenter, segment

__version__ = "0.1.0"
__all__ = ["SegmentedImage", "Segmenter", "__version__", "segment"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("AttnSegLib.python_api"), name)
