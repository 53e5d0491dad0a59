"""Reads safetensors files without the safetensors package, which Slicer does not have.

The format (https://huggingface.co/docs/safetensors) is: 8 bytes with the length of the header, a JSON header with name,
type, shape and place of each tensor, then the bytes. Nothing in such a file is ever executed.

A kernel in 8 bits is two tensors. NAME holds whole numbers. NAME.scale holds what to multiply them with: one number for
each output channel, with size 1 along the other axes.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from AttnSegLib.errors import InputError

_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "I8": torch.int8}


def load_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, by name. Floating-point numbers become float32.

    Raises `InputError` if the file is missing, has another SHA-256, is malformed, or holds NaN or infinite numbers.
    """
    if not path.is_file():
        raise InputError(f"The weights '{path.name}' of model '{path.parent.name}' are missing; get it again.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"The weights of model '{path.parent.name}' can't be read; check its permissions.") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"The weights of model '{path.parent.name}' are damaged or were changed (SHA-256 differs from the card); "
            "install the model again."
        )
    try:
        tensors = _multiplied(_parse(content))
    except (ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:  # RuntimeError: too deep JSON
        raise InputError(f"The weights of model '{path.parent.name}' are not a valid safetensors file.") from error
    if nonsense := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise InputError(
            f"The weights of model '{path.parent.name}' are NaN or infinite in '{nonsense[0]}'; get the model again."
        )
    return tensors


def _parse(content: bytes) -> dict[str, Tensor]:
    (length,) = struct.unpack_from("<Q", content)
    if length > len(content) - 8:
        raise ValueError("the header is longer than the file")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("the header is not an object")
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    _check_offsets([entry["data_offsets"] for entry in entries.values()], len(content) - 8 - length)
    tensors = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        dtype, shape = _TYPES[entry["dtype"]], entry["shape"]
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"'{name}' has the wrong size")
        bytes_of_tensor = bytearray(content[8 + length + begin : 8 + length + end])
        tensor = torch.frombuffer(bytes_of_tensor, dtype=dtype).reshape(shape)
        tensors[name] = tensor.float() if dtype.is_floating_point else tensor
    return tensors


def _check_offsets(offsets: list[list[int]], length: int) -> None:
    """Raises `ValueError` if tensors overlap or lie outside the file. The format forbids overlaps; with many of them, a
    small file could fill the memory."""
    last = 0
    for begin, end in sorted(offsets):
        if not (isinstance(begin, int) and isinstance(end, int) and last <= begin <= end <= length):
            raise ValueError("tensors lie over each other or outside the file")
        last = end


def _multiplied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, with those in 8 bits turned to float32. Raises `KeyError` or `ValueError` if a scale is missing or
    does not fit."""
    for name in [name for name, tensor in tensors.items() if tensor.dtype == torch.int8]:
        numbers, scale = tensors[name], tensors.pop(f"{name}.scale")
        if not _is_scale(scale, numbers):
            raise ValueError(f"'{name}.scale' is no scale of '{name}'")
        tensors[name] = numbers * scale
    return tensors


def _is_scale(scale: Tensor, numbers: Tensor) -> bool:
    """Whether a scale has one number above 0 for each channel along one axis of `numbers`. Raises `ValueError` if the
    two have a different number of axes."""
    along = [sizes for sizes in zip(scale.shape, numbers.shape, strict=True) if sizes[0] != 1]
    fits = len(along) <= 1 and all(one == other for one, other in along)
    return fits and scale.is_floating_point() and bool((torch.isfinite(scale) & (scale > 0)).all())
