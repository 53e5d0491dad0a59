"""The weights file of a model, in 32, 16 or 8 bits a weight: docs/decisions/0011-eight-bits.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from AttnSegLib.errors import InputError

Bits = Literal[8, 16, 32]
BITS: tuple[Bits, ...] = get_args(Bits)
_HIGHEST = 127  # of the whole numbers in 8 bits; -128 stays unused, so that they are symmetric
_FEWEST = 1000  # weights of a kernel in 8 bits: smaller ones, such as heads, would save next to nothing
_HALF_KEEPS = 2**-10  # of a value, at least, unless it is too large or too small for half precision


def write_weights(network: nn.Module, bits: Bits, path: Path) -> None:
    """Write what `AttnSegLib.models.weights.load_weights` reads.

    bits: of a weight. With 8, this holds for kernels only; all else is in 16, or in 32 where 16 lose it.
    Raises `InputError` for weights that are not finite, or too large for 16 bits.
    """
    weights = network.state_dict()
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise InputError("Some weights are not finite, so the training went wrong; export an earlier checkpoint.")
    if bits == 8:
        weights = _in_8_bits(weights, _output_axes(network))
    elif bits == 16:
        weights = {name: _in_16_bits(tensor) for name, tensor in weights.items()}
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    path.chmod(0o644)  # safetensors makes it readable for its owner only


def _output_axes(network: nn.Module) -> dict[str, int]:
    """The names of all kernels, and which of their axes counts the output channels."""
    return {
        f"{name}.weight": int(getattr(module, "transposed", False))
        for name, module in network.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear))
    }


def _in_8_bits(weights: dict[str, Tensor], axes: dict[str, int]) -> dict[str, Tensor]:
    stored = {}
    for name, tensor in weights.items():
        if name in axes and tensor.numel() >= _FEWEST:
            stored[name], stored[f"{name}.scale"] = quantised(tensor, axes[name])
        else:
            stored[name] = tensor if _half_loses(tensor) else _in_16_bits(tensor)
    return stored


def quantised(kernel: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Whole numbers (int8, the kernel's shape) and a scale for each channel along an axis (float32, of size 1 along all
    other axes), whose product is the kernel, but for half a scale at most."""
    kernel = kernel.float()
    others = [other for other in range(kernel.dim()) if other != axis]
    largest = kernel.abs().amax(dim=others, keepdim=True)
    scale = (largest / _HIGHEST).clamp(min=torch.finfo(torch.float32).tiny)  # of a channel of zeros: not 0
    return (kernel / scale).round().clamp(-_HIGHEST, _HIGHEST).to(torch.int8), scale


def _half_loses(tensor: Tensor) -> bool:
    """Whether some value is too large or too small for half precision."""
    return tensor.is_floating_point() and not torch.allclose(tensor.half().float(), tensor, rtol=_HALF_KEEPS, atol=0)


def _in_16_bits(tensor: Tensor) -> Tensor:
    stored = tensor.half() if tensor.is_floating_point() else tensor
    if not torch.isfinite(stored).all():
        raise InputError("Some weights are too large for 16 bits; export with --weights-in 32.")
    return stored
