"""Side by side in turns: whatever else the machine does meets all who are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch

from Testing.benchmarks.measuring.machine import wait


@dataclass(frozen=True)
class Seconds:
    """Of one thing, once a round: on the clock, and of the processor, all threads together."""

    runs: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def least(self) -> float:
        return min(self.runs)

    @property
    def most(self) -> float:
        return max(self.runs)

    @property
    def median_cpu(self) -> float:
        """With one thread this minds least what else the machine does."""
        return statistics.median(self.cpu)

    def per(self, number: int) -> Seconds:
        """A share of it."""
        return Seconds(*(tuple(value / number for value in values) for values in (self.runs, self.cpu)))


def in_turns(
    calls: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, rare: Collection[str] = ()
) -> dict[str, Seconds]:
    """Each call once a round, whoever is first another one in each; nothing is warmed up here.

    rare: names of long ones, called in the first round only.
    """
    names = list(calls)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if number == 0 or name not in rare:
                cpu = time.process_time()
                runs[name].append((seconds(calls[name], device), time.process_time() - cpu))
    return {name: Seconds(*zip(*values, strict=True)) for name, values in runs.items()}


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Wall time of a call, the card's work included."""
    wait(device)
    start = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - start
