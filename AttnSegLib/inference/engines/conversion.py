"""A folded network as an OpenVINO model: its logits, and at each mark what its map is made of.

The model takes slices of any size. All marks are outputs, so that one conversion serves every choice of maps: what
nobody wants is cut off when the model is compiled. It is kept in a folder whose name tells weights and versions.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from AttnSegLib import __version__
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.models.eight_bits import EightBits
from AttnSegLib.models.places import user_folder
from AttnSegLib.networks.attention import (
    ChannelCoefficients,
    SelfAttention,
    Spatial,
    attention_maps,
    channel_coefficients,
)
from AttnSegLib.unfinished import replace_folder, scratch_folder

if TYPE_CHECKING:
    import openvino

Mark = Spatial | ChannelCoefficients
LOGITS = "logits"  # name of that output; no map has such a title
_MODEL = "network.xml"
_SIDES = (64, 96)  # of the slice that is traced; not square, so that height and width are told apart
_LIBRARY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Origin:
    """Where a network comes from, so that it can be made again in float32, and its conversion be found again.

    Args:
        make: the network, unfolded or folded.
        channels: of the slices.
        identity: what decides how it computes, such as its weights' SHA-256; empty: nothing is kept on the disk.
        eight_bits: how it computes in 8 bits; None if it can't.
    """

    make: Callable[[], nn.Module]
    channels: int
    identity: tuple[str, ...] = ()
    eight_bits: EightBits | None = None

    @property
    def folder(self) -> Path | None:
        """Of its conversion, which need not be there; None if it is not kept."""
        if not self.identity:
            return None
        versions = (__version__, torch.__version__, str(openvino_module().__version__), _code())
        name = [hashlib.sha256(json.dumps(one).encode()).hexdigest()[:16] for one in (self.identity, versions)]
        return user_folder() / ".openvino" / "-".join(name)


def openvino_module() -> Any:
    """The package. Raises `InputError` if it is not there, or can't be loaded.

    It is kept from loading `openvino_telemetry`, which would tell its makers of each import and conversion.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # Python's way to say: not there
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise InputError("OpenVINO can't be loaded; install it (pip install attnseg[openvino]).") from error
    return openvino


@cache
def openvino_core() -> openvino.Core:
    """The one of this process. Each sets a stack for signals and, when it goes, puts back the one before, which is gone
    if that was another core's: the next signal would then end the process."""
    core: openvino.Core = openvino_module().Core()
    return core


def converted(origin: Origin) -> tuple[openvino.Model, str]:
    """The model of a network, from the disk if it lies there, and a sentence if it could not be kept there, else "".

    Raises `RuntimeError` for a network that OpenVINO does not know how to run.
    """
    folder = origin.folder
    if folder is not None and (folder / _MODEL).exists():
        with contextlib.suppress(RuntimeError):  # a damaged file: converted again
            return openvino_core().read_model(folder / _MODEL), ""
    model = _convert(origin.make(), origin.channels)
    try:
        if folder is not None:
            _keep(model, folder)
    except OSError as error:
        return model, f"OpenVINO's copy of the network can't be kept ({cause_of(error)}); each run converts it again."
    return model, ""


def marks_of(network: nn.Module) -> dict[str, Mark]:
    """All marks of a network that become outputs, by title."""
    return {**attention_maps(network), **channel_coefficients(network)}


def parts_of(mark: Mark) -> tuple[str, ...]:
    """The names of the outputs that the coefficients of a mark are made of."""
    return (f"{mark.title}: queries", f"{mark.title}: keys") if isinstance(mark, SelfAttention) else (mark.title,)


def map_of(mark: Spatial, parts: tuple[Tensor, ...], size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
    """As `SelfAttention.maps`, from a mark's outputs; size: (H, W) of the slice.

    How much a place is looked at is computed by torch, as everywhere else, which never has the whole matrix.
    """
    if not isinstance(mark, SelfAttention):
        return parts[0], None
    queries, keys = parts  # (n, h*w, d)
    shrunk = round((size[0] * size[1] / queries.shape[1]) ** 0.5)  # positions are every so many pixels
    return mark.maps((queries, keys, None, (size[0] // shrunk, size[1] // shrunk)), queries, None)


class _WithMarks(nn.Module):
    """Slices (N, C, H, W) to the logits, and to what the marks see, whose names are `names` from then on."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.names: list[str] = []

    def forward(self, slices: Tensor) -> tuple[Tensor, ...]:
        seen: dict[str, Tensor] = {}

        def hook(mark: Mark, inputs: tuple[Any, ...], output: Tensor) -> None:
            parts = inputs[:2] if isinstance(mark, SelfAttention) else (output,)
            seen.update(zip(parts_of(mark), parts, strict=True))

        handles = [mark.register_forward_hook(hook) for mark in marks_of(self.network).values()]
        logits = self.network(slices).logits
        for handle in handles:
            handle.remove()
        self.names = [LOGITS, *seen]
        return (logits, *seen.values())


def _convert(network: nn.Module, channels: int) -> openvino.Model:
    example = torch.rand(1, channels, *_SIDES)
    whole = _WithMarks(network.eval())
    level = logging.root.level  # a conversion that fails leaves another one, for all of this process
    try:
        with warnings.catch_warnings(action="ignore"), torch.no_grad():  # torch is against tracing
            traced = torch.jit.trace(whole, example, check_trace=False)
            model = openvino_module().convert_model(traced, example_input=example, input=[(-1, channels, -1, -1)])
    except Exception as error:  # what tracing and converting raise has nothing in common
        raise RuntimeError("it does not know some of the network's operations") from error
    finally:
        logging.root.setLevel(level)
    for output, name in zip(model.outputs, whole.names, strict=True):
        output.get_tensor().set_names({name})
    return model


def _keep(model: openvino.Model, folder: Path) -> None:
    """Raises `OSError`. What other versions made of the same network goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent) as scratch:
        whole = scratch / folder.name
        whole.mkdir()
        openvino_module().save_model(model, whole / _MODEL, compress_to_fp16=False)
        replace_folder(whole, folder)
    for other in folder.parent.glob(f"{folder.name.split('-')[0]}-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _code() -> str:
    """A digest of the code that makes and changes networks, which in a checkout changes without a new version."""
    own = [_LIBRARY / "inference" / "folding.py", Path(__file__), Path(__file__).with_name("eight_bits.py")]
    files = [*sorted((_LIBRARY / "networks").rglob("*.py")), *own]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
