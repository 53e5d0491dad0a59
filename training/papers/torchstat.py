"""Counts a network as the profiler torchstat does (github.com/Swall0w/torchstat), which AF-Net's Table 5 comes from.

Its memory is the sum of the outputs of all leaf modules in MB, its FLOPs are multiply-accumulates with those of
normalisation, ReLU and pooling. A module that is called several times counts once, as in its last call; transposed
convolutions, sigmoid and softmax cost nothing; functional calls are not seen at all. So what counts depends on how a
network was written, and whoever counts ours says where its reference has modules and we have functions, or the other
way round. Nothing is computed: all on torch's "meta" device.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d
from torch.overrides import TorchFunctionMode

from AttnSegLib.networks.attention import SelfAttention

MEAN, MAXIMUM = torch.Tensor.mean, torch.Tensor.amax

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout2d, SelfAttention)
_Function = Callable[..., Any]


@dataclass(frozen=True)
class Torchstat:
    """megabytes: of all outputs. gflops: multiply-accumulates, in 10^9; gmadd: multiplications and additions one by
    one."""

    megabytes: float
    gflops: float
    gmadd: float

    def __add__(self, other: Torchstat) -> Torchstat:
        return Torchstat(self.megabytes + other.megabytes, self.gflops + other.gflops, self.gmadd + other.gmadd)


@dataclass(frozen=True)
class Written:
    """How the reference is written. modules: functions whose calls are modules there, each call another one. shared:
    those whose calls are all of one module. functional: modules of ours that are functional calls there."""

    modules: Collection[_Function] = ()
    shared: Collection[_Function] = ()
    functional: Collection[nn.Module] = ()


def profiled(network: nn.Module, channels: int, size: int, written: Written = Written()) -> Torchstat:  # frozen
    """A forward pass of one picture (1, channels, size, size) by a network on the "meta" device."""
    counter = _Counter(network, written)
    with torch.no_grad(), counter:
        network(torch.empty(1, channels, size, size, device="meta"))
    return Torchstat(
        4 * sum(counter.outputs.values()) / 2**20,
        sum(counter.flops.values()) / 1e9,
        sum(counter.madd.values()) / 1e9,
    )


class _Counter(TorchFunctionMode):
    def __init__(self, network: nn.Module, written: Written):
        super().__init__()
        self.written = written
        self.outputs: dict[Hashable, int] = {}
        self.flops: dict[Hashable, int] = {}
        self.madd: dict[Hashable, int] = {}
        for module in network.eval().modules():
            if isinstance(module, _LAYERS) and module not in set(written.functional):
                module.register_forward_hook(self._layer)

    def _layer(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.flops[module], self.madd[module] = _cost_of_layer(module, inputs[0], output)
        matrix = isinstance(module, SelfAttention)  # the reference's softmax puts the whole matrix out
        self.outputs[module] = inputs[0].shape[1] * inputs[1].shape[1] if matrix else output.numel()

    def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = function(*args, **(kwargs or {}))
        over_channels = function in (MEAN, MAXIMUM) and kwargs["dim"] == 1  # functional in every reference
        if function in (*self.written.modules, *self.written.shared) and not over_channels:
            call = function if function in self.written.shared else len(self.outputs)
            self.outputs[call] = output.numel()
            self.flops[call], self.madd[call] = _cost_of_call(function, args[0], output)
        return output


def _cost_of_layer(module: nn.Module, x: Tensor, y: Tensor) -> tuple[int, int]:
    if isinstance(module, nn.Conv2d):
        products = y[0, 0].numel() * module.weight.numel()
        bias = y.numel() if module.bias is not None else 0
        return products + bias, 2 * products - y.numel() + bias
    if isinstance(module, nn.BatchNorm2d):
        return 2 * x.numel(), 4 * x.numel()
    return (x.numel(), x.numel()) if isinstance(module, nn.ReLU) else (0, 0)


def _cost_of_call(function: _Function, x: Tensor, y: Tensor) -> tuple[int, int]:
    if function is max_pool2d:
        return x.numel(), 3 * y.numel()  # MAdd: of 2x2 pixels
    if function is interpolate:
        return y[0, 0].numel(), 0  # the channels are forgotten
    return (x.numel(), x.numel()) if function is torch.relu else (0, 0)
