"""What marked attention costs when nobody asks for it: python -m Testing.benchmarks.network_alone.markers

Each network runs as it is and with its marks switched off, in turns, so that whatever else the machine does meets both;
counted is processor time of one thread, which minds that least. Off means that a mark is called as a bare function:
coefficients are handed on, self-attention goes straight to its kernel.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from AttnSegLib import networks
from AttnSegLib.networks.attention import AttentionMap, ChannelCoefficients, SelfAttention

CASES = ("anunet", "msdualguided", "afnet", "eccamunet")
WIDTH, BATCH, SIZE, ROUNDS = 16, 4, 256, 15
_MARKS = (AttentionMap, ChannelCoefficients, SelfAttention)


def main() -> None:
    """Print a table: marks, seconds of a forward pass, and how much longer it takes with marks."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    print(
        f"Marked but not asked for, width {WIDTH}, {BATCH} slices of {SIZE}x{SIZE}, 1 thread, {ROUNDS} pairs in turns"
    )
    print(f"  {'':16}{'marks':>6}{'s a pass':>10}{'longer, %: median':>19}{'quartiles':>16}{'calls alone, %':>16}")
    for name in CASES:
        network = networks.create(name, width=WIDTH).eval()
        marked, bare = _in_turns(network, torch.rand(BATCH, 1, SIZE, SIZE))
        longer = [100 * (one / other - 1) for one, other in zip(marked, bare, strict=True)]
        low, middle, high = statistics.quantiles(longer, n=4)
        marks = sum(isinstance(module, _MARKS) for module in network.modules())
        seconds = statistics.median(bare)
        alone = 100 * marks * _seconds_of_a_call() / seconds
        print(f"  {name:16}{marks:6}{seconds:10.3f}{middle:19.2f}{low:9.2f} to{high:5.2f}{alone:15.4f}")
    torch.set_num_threads(threads)
    print()


@contextmanager
def without_marks() -> Iterator[None]:
    """Marks are called without what torch does around a module."""
    AttentionMap.__call__ = ChannelCoefficients.__call__ = _hand_on
    SelfAttention.__call__ = SelfAttention.forward
    try:
        yield
    finally:
        for kind in _MARKS:
            del kind.__call__


def _hand_on(_mark: nn.Module, coefficients: Tensor) -> Tensor:
    return coefficients


def _in_turns(network: nn.Module, slices: Tensor) -> tuple[list[float], list[float]]:
    """Seconds of forward passes with and without marks; who is first changes from round to round."""
    marked: list[float] = []
    bare: list[float] = []
    for number in range(ROUNDS + 1):
        for with_marks in (number % 2 == 0, number % 2 == 1):
            if with_marks:
                marked.append(_seconds(network, slices))
            else:
                with without_marks():
                    bare.append(_seconds(network, slices))
    return marked[1:], bare[1:]  # the first round warms up


@torch.inference_mode()
def _seconds(network: nn.Module, *inputs: Any) -> float:
    start = time.process_time()
    network(*inputs)
    return time.process_time() - start


def _seconds_of_a_call(calls: int = 100_000) -> float:
    mark, coefficients = AttentionMap("a mark"), torch.zeros(1)
    start = time.process_time()
    for _ in range(calls):
        mark(coefficients)
    return (time.process_time() - start) / calls


if __name__ == "__main__":
    main()
