"""How far from what the machine can do: make bench

The machine's peak is that of a large matrix product, its bandwidth that of copying a large tensor, both measured here,
with the same threads. Two floors for a network:

- operations: all multiplications and additions at the peak. No direct convolution can be faster.
- layers: each convolution or product by itself takes the longer of its operations at the peak, and its operands and
  result, each once, at the bandwidth; everything in between costs nothing. Caches can make a single layer faster.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from AttnSegLib import networks
from AttnSegLib.inference.device import Compute
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.measuring.turns import in_turns, seconds
from Testing.benchmarks.others.peers import OURS, PAPERS, Peer, Refused, Setting, in_bfloat16

_MATRICES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}  # rows and columns; small ones fit between interruptions
_COPY = 1 << 26  # numbers
_REPEATS = 20


@dataclass(frozen=True)
class Machine:
    """operations a second; bytes a second, those read and those written."""

    peak: float
    bandwidth: float

    @classmethod
    def measured(cls, device: torch.device, dtype: torch.dtype) -> Machine:
        """The best of some sizes and tries: what the machine can do, not what it does on average."""
        peak = max(_product_rate(side, device, dtype) for side in _MATRICES[device.type])
        numbers = torch.ones(_COPY, device=device)
        target = torch.empty_like(numbers)
        copying = min(seconds(lambda: target.copy_(numbers), device) for _ in range(_REPEATS))
        return cls(peak, 2 * numbers.nbytes / copying)


def _product_rate(side: int, device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a product of two square matrices."""
    one, other = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")  # on a GPU TF32, which convolutions use by default and products do not
    fastest = min(seconds(lambda: one @ other, device) for _ in range(_REPEATS))
    torch.set_float32_matmul_precision(before)
    return 2 * side**3 / fastest


@dataclass(frozen=True)
class Operation:
    """One convolution or product: operations, and bytes of operands and result, each once."""

    flops: int
    nbytes: int


class _Operations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Operation] = []

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            flops = count(*args, **(kwargs or {}), out_val=result)
            self.found.append(Operation(flops, sum(tensor.nbytes for tensor in tensors)))
        return result


def operations(name: str, size: int, dtype: torch.dtype) -> list[Operation]:
    """Of a network on one slice, counted without running it."""
    with torch.device("meta"):
        network = networks.create(name, num_classes=inputs.CLASSES).eval().to(dtype)
        image = torch.empty(1, 1, size, size, dtype=dtype)
    with torch.no_grad(), _Operations() as counter:
        network(image)
    return counter.found


def floors(found: Sequence[Operation], machine: Machine) -> tuple[float, float]:
    """Seconds by operations, and by layers."""
    by_operations = sum(operation.flops for operation in found) / machine.peak
    by_layers = sum(max(one.flops / machine.peak, one.nbytes / machine.bandwidth) for one in found)
    return by_operations, by_layers


def main(run: Run) -> None:
    """Print a table: what each network needs, its floors, and measured times as multiples of the second one."""
    for peers, dtype in _formats(run.device):
        machine = Machine.measured(run.device, dtype)
        print(f"Roofline, one slice of 256x256 ({str(dtype).removeprefix('torch.')}): the machine does", end=" ")
        print(f"{machine.peak / 1e9:.0f} GFLOP/s and {machine.bandwidth / 1e9:.1f} GB/s")
        who = "".join(f"{peer.name + ', ms':>18}{'/ layers':>10}" for peer in peers)
        print(f"  {'':14}{'GFLOP':>8}{'MB':>8}{'operations, ms':>16}{'layers, ms':>12}{who}")
        for name in run.networks:
            found = operations(name, 256, dtype)
            by_operations, by_layers = floors(found, machine)
            flops, nbytes = sum(one.flops for one in found) / 1e9, sum(one.nbytes for one in found) / 1e6
            times = _cells(name, peers, run, by_layers)
            print(
                f"  {name:14}{flops:8.1f}{nbytes:8.0f}{1000 * by_operations:16.1f}{1000 * by_layers:12.1f}{times}",
                flush=True,
            )


def _formats(device: torch.device) -> Iterator[tuple[tuple[Peer, ...], torch.dtype]]:
    yield (PAPERS, OURS), torch.float32
    if Compute().resolve_dtype(device) == torch.bfloat16:
        yield (in_bfloat16(OURS),), torch.bfloat16


def _cells(name: str, peers: Sequence[Peer], run: Run, by_layers: float) -> str:
    try:
        return "".join(f"{1000 * t:18.1f}{t / by_layers:10.2f}" for t in _measured(name, peers, run))
    except Refused as error:
        return f"  {error}"


def _measured(name: str, peers: Sequence[Peer], run: Run) -> list[float]:
    """Seconds a slice."""
    case = inputs.mr(32 if run.device.type == "cuda" else 1)
    network = inputs.a_network(name, run.device)
    setting, images = Setting.of(case, run.device, run.threads), case.slices().to(run.device)
    prepared = {peer.name: peer.network_alone(copy.deepcopy(network), setting) for peer in peers}
    calls = {title: lambda run=run: run(images) for title, run in prepared.items()}
    for call in calls.values():
        call()
    return [time.median / len(images) for time in in_turns(calls, 3, run.device).values()]
