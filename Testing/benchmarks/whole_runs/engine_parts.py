"""What each home-made part of torch's engine gives: python -m Testing.benchmarks.whole_runs.engine_parts

Whole predictions by torch alone, with all parts, then without each of them: networks are not folded; freed memory goes
back to the system; one batch at a time with all threads instead of lanes. "plain": none of them, channels last alone.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from AttnSegLib import networks
from AttnSegLib.images.volume import Volume, read_volume
from AttnSegLib.inference.cost import lanes_and_size
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder
from Testing.benchmarks.measuring import inputs, machine
from Testing.benchmarks.measuring.turns import in_turns

_LARGE, _FEW = 512, 6  # pixels along each side of a large slice, and how many of them
_WIDE = ("afnet", "anunet")  # also at the papers' widths; with the others it would take minutes
_SLOW = ("msdualguided", "omeganet")  # large slices take minutes
_ROUNDS = 3
_CPU = torch.device("cpu")


def _channels_last(network: nn.Module) -> nn.Module:
    twin = copy.deepcopy(network).eval()
    twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    return twin


def _one_lane(*load: Any) -> tuple[int, int]:
    return 1, lanes_and_size(*load)[1]


_TAKEN_OUT: dict[str, tuple[str, Callable[..., Any]]] = {
    "folding": ("AttnSegLib.inference.runner.folded", _channels_last),
    "memory": ("AttnSegLib.inference.predictor.memory_kept", nullcontext),
    "lanes": ("AttnSegLib.inference.runner.lanes_and_size", _one_lane),
}
_WAYS = {"all": (), **{f"no {name}": (name,) for name in _TAKEN_OUT}, "plain": tuple(_TAKEN_OUT)}


def main() -> None:
    """Print a table for each number format that AttnSeg would choose here, and for float32."""
    options = _options()
    torch.set_num_threads(options.threads)
    sample = read_volume(resource_folder("Samples") / "left_atrium_mr" / "image.nrrd")
    large = inputs.mr(_FEW, _LARGE)
    chosen = str(Compute().resolve_dtype(_CPU)).removeprefix("torch.")
    for precision in dict.fromkeys(("float32", chosen)):
        print(f"By torch, {precision}, {options.threads} thread(s): ms a slice, of the processor, times as long as all")
        print(f"  {'':22}" + "".join(f"{way:>24}" for way in _WAYS))
        for name in options.networks:
            spec = find_model(f"{name}-left_atrium-mr")
            print(_row(f"{name}, sample", partial(SlicePredictor.from_model, spec), sample, precision), flush=True)
            if name not in _SLOW:
                as_it_is = replace(spec, preprocessing=large.preprocessing)
                make = partial(SlicePredictor.from_model, as_it_is)
                print(_row(f"{name}, {_LARGE}x{_LARGE}", make, large.volume, precision), flush=True)
            if name in _WIDE:
                make = partial(SlicePredictor, networks.create(name), large.preprocessing)
                print(_row(f"{name}, full, {_LARGE}x{_LARGE}", make, large.volume, precision), flush=True)


def _row(title: str, make: Callable[[Compute], SlicePredictor], volume: Volume, precision: str) -> str:
    calls = {way: partial(_predict, _predictor(make, precision, way), volume, way) for way in _WAYS}
    slices = [len(call().stack) for call in calls.values()]  # and all of them are warm now
    times = {way: one.per(slices[0]) for way, one in in_turns(calls, _ROUNDS, _CPU).items()}
    least = times["all"].median
    cells = (f"{1000 * one.median:9.1f}{1000 * one.median_cpu:9.1f}{one.median / least:6.2f}" for one in times.values())
    return f"  {title:22}" + "".join(cells)


def _predictor(make: Callable[[Compute], SlicePredictor], precision: str, way: str) -> SlicePredictor:
    with _without(way):
        return make(Compute("cpu", None, precision, "torch"))


def _predict(predictor: SlicePredictor, volume: Volume, way: str) -> Any:
    with _without(way):
        return predictor.predict(volume)


def _without(way: str) -> ExitStack:
    stack = ExitStack()
    for name in _WAYS[way]:
        target, instead = _TAKEN_OUT[name]
        stack.enter_context(patch(target, instead))
    return stack


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks.whole_runs.engine_parts", description=__doc__)
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--networks", nargs="+", default=inputs.NETWORKS, choices=inputs.NETWORKS, metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    main()
