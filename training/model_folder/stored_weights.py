"""Writes the weights file of a model, with 32, 16 or 8 bits for each weight: docs/decisions/0011-eight-bits.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from AttnSegLib.errors import InputError

Bits = Literal[8, 16, 32]
BITS: tuple[Bits, ...] = get_args(Bits)
_HIGHEST = 127  # the largest number in 8 bits; -128 is not used, so that the range is symmetric
_FEWEST = 1000  # kernels with fewer weights, such as heads, are not stored in 8 bits: it would save almost nothing
_HALF_KEEPS = 2**-10  # half precision changes a value by no more than this share, unless it is too large or too small


def write_weights(network: nn.Module, bits: Bits, path: Path) -> None:
    """Write a network's weights, to be read by `AttnSegLib.models.weights.load_weights`.

    Args:
        network: whose weights are written.
        bits: for each weight. With 8, only large kernels have 8 bits. All other weights have 16, or 32 if they do not
            fit into 16.
        path: of the file.

    Raises:
        InputError: for weights that are not finite, or too large for 16 bits if these were asked for.
        OSError: if the disk is full.
    """
    weights = network.state_dict()
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise InputError("Some weights are not finite, so the training went wrong; export an earlier checkpoint.")
    if bits == 8:
        weights = _in_8_bits(weights, _output_axes(network))
    elif bits == 16:
        weights = {name: _in_16_bits(tensor) for name, tensor in weights.items()}
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in weights.items()}))


def _output_axes(network: nn.Module) -> dict[str, int]:
    """The names of all kernels, each with the axis of its output channels."""
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
    """A kernel as whole numbers times a scale. The product differs from the kernel by at most half a scale.

    Args:
        kernel: of any shape.
        axis: that of the output channels, each of which gets a scale.

    Returns:
        The numbers, int8, in the shape of the kernel; and the scales, float32, with size 1 along all other axes.
    """
    kernel = kernel.float()
    others = [other for other in range(kernel.dim()) if other != axis]
    largest = kernel.abs().amax(dim=others, keepdim=True)
    scale = (largest / _HIGHEST).clamp(min=torch.finfo(torch.float32).tiny)  # a scale is never 0
    return (kernel / scale).round().clamp(-_HIGHEST, _HIGHEST).to(torch.int8), scale


def _half_loses(tensor: Tensor) -> bool:
    """Whether a value in a tensor is too large or too small for half precision."""
    return tensor.is_floating_point() and not torch.allclose(tensor.half().float(), tensor, rtol=_HALF_KEEPS, atol=0)


def _in_16_bits(tensor: Tensor) -> Tensor:
    stored = tensor.half() if tensor.is_floating_point() else tensor
    if not torch.isfinite(stored).all():
        raise InputError("Some weights are too large for 16 bits; export with --weights-in 32.")
    return stored
