"""Reading safetensors files without the safetensors package, which Slicer does not have.

Format: https://huggingface.co/docs/safetensors: 8 bytes with the header's length, a JSON header with name, type, shape
and place of each tensor, then the bytes. Nothing in such a file is ever executed.
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

_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def load_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file by name; floating-point ones as float32.

    Raises `InputError` if the file is missing, is not the one with that SHA-256, or is malformed.
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
        return _parse(content)
    except (ValueError, KeyError, TypeError, RuntimeError, struct.error) as error:
        raise InputError(f"The weights of model '{path.parent.name}' are not a valid safetensors file.") from error


def _parse(content: bytes) -> dict[str, Tensor]:
    (length,) = struct.unpack_from("<Q", content)
    if length > len(content) - 8:
        raise ValueError("the header is longer than the file")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("the header is not an object")
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype, shape = _TYPES[entry["dtype"]], entry["shape"]
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"'{name}' has the wrong size")
        bytes_of_tensor = bytearray(content[8 + length + begin : 8 + length + end])
        tensor = torch.frombuffer(bytes_of_tensor, dtype=dtype).reshape(shape)
        tensors[name] = tensor.float() if dtype.is_floating_point else tensor
    return tensors
