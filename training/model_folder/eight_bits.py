"""Lets models compute labels in 8 bits: python -m training.model_folder.eight_bits MODEL ... --root DATA"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.engines.conversion import converted, openvino_core, openvino_module
from AttnSegLib.inference.engines.eight_bits import convolutions, graph_of, of_labels, rounded_inputs
from AttnSegLib.inference.prediction import IN_8_BITS
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.card_file import CARD, load_card, write_card
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.eight_bits import EightBits
from training.model_folder.card_scores import dice_by_patient
from training.scoring.candidates import Model
from training.scoring.evaluation import evaluate
from training.scoring.truth import Truth, Wanted, truth_of

if TYPE_CHECKING:
    import openvino

MOST_LOST = 0.003  # mean Dice
_CASES, _SLICES = 8, 6  # of the training, for the ranges: so many cases, and slices of each
_FEWEST_CHANNELS = 8  # of input and output; 8 bits gain nothing with fewer
_EPILOG = f"""
Writes onto a model's card which range the input of each convolution has, among slices of {_CASES} cases of its
training, and what the Dice loses on its validation cases, or if it had none, on its test cases. Where that is more than
{MOST_LOST}, the convolutions that round most coarsely stay in 32 bits, more and more of them.
"""

Range = tuple[float, float]
Ranges = tuple[Range | None, ...]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        for name in options.models:
            spec = find_model(name)
            eight = eight_bits(spec, options.root)
            card = load_card(spec.folder / CARD)
            known = card.size_bytes if card.url else None  # if the weights lie beside the card, the reader finds it
            write_card(replace(card, eight_bits=eight, size_bytes=known), spec.folder)
            print(f"{spec.id}: {what_was_lost(eight)}", flush=True)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def what_was_lost(eight: EightBits) -> str:
    """The convolutions in 8 bits, and the Dice, for the terminal."""
    count = sum(limits is not None for limits in eight.ranges)
    dice = f"Dice {eight.dice_in_8_bits:.4f} in 8 bits, {eight.dice_in_32_bits:.4f} in 32"
    return f"{count} of {len(eight.ranges)} convolutions in 8 bits; {dice}"


def eight_bits(spec: ModelSpec, root: Path) -> EightBits:
    """How a model computes in 8 bits.

    Args:
        spec: the model, with its weights in place.
        root: folder of the data set that it was trained on.

    Raises:
        InputError: if OpenVINO is not installed, if the data set lacks cases, if there are none to measure the Dice on,
            or if it falls by more than `MOST_LOST` however many convolutions stay in 32 bits.
    """
    openvino_module()
    facts = spec.training
    judges = facts.validation_cases or facts.test_cases
    if not judges or not facts.training_cases:
        raise InputError(f"Model '{spec.id}' has no validation or test cases to measure 8 bits on; train with some.")
    trained = truth_of(spec, root, Wanted(cases=facts.training_cases[:_CASES]))
    network = _Network(spec, _slices(trained, spec))
    judge = _Judge(spec, truth_of(spec, root, Wanted(cases=judges)))
    lost = 1.0
    for ranges in network.less_and_less():
        found = judge.judged(network.graph, ranges)
        if found.dice_in_32_bits - found.dice_in_8_bits <= MOST_LOST:
            return found
        lost = min(lost, found.dice_in_32_bits - found.dice_in_8_bits)
    raise InputError(
        f"In 8 bits, the mean Dice of model '{spec.id}' falls by {lost:.4f}, where {MOST_LOST} is allowed, even with "
        "half of the convolutions in 32 bits; leave 8 bits out."
    )


def _slices(truth: Truth, spec: ModelSpec) -> Iterator[Tensor]:
    """Slices (1, C, H, W) of each case, evenly from the first quarter to the last."""
    for case in truth.cases:
        stack = SliceStack.of(truth.read(case).volume, spec.preprocessing)
        numbers = np.linspace(len(stack) / 4, 3 * len(stack) / 4, _SLICES).astype(int)
        yield from (stack.slices([number]) for number in sorted(set(numbers.tolist())))


class _Judge:
    """Measures the Dice of a model in both forms."""

    def __init__(self, spec: ModelSpec, truth: Truth):
        self._spec, self._truth = spec, truth
        self._in_32_bits = self._dice(SlicePredictor.from_model(spec, Compute("cpu", precision="float32")))

    def judged(self, graph: str, ranges: Ranges) -> EightBits:
        """The ranges, and what they cost. Raises `InputError` if this machine does not compute so."""
        patients = sorted({case.patient for case in self._truth.cases})
        kind = "validation" if self._spec.training.validation_cases else "test"
        meaning = f"mean Dice over labels and patients, on {len(patients)} {kind} patient{'s' * (len(patients) > 1)}"
        found = EightBits(graph, ranges, round(self._in_32_bits, 4), 0.0, meaning)
        predictor = SlicePredictor.from_model(
            replace(self._spec, eight_bits=found), Compute("cpu", precision=IN_8_BITS)
        )
        dice = self._dice(predictor)
        if IN_8_BITS not in predictor.engines.name:
            raise InputError(f"Model '{self._spec.id}' can't be computed in 8 bits on this machine; try another one.")
        return replace(found, dice_in_8_bits=round(dice, 4))

    def _dice(self, predictor: SlicePredictor) -> float:
        scores = evaluate([Model("one", predictor)], self._truth)
        dice = dice_by_patient(scores, {case.id: case.patient for case in self._truth.cases})
        return 1.0 if dice is None else dice


class _Network:
    """A converted network, and how its convolutions may round."""

    def __init__(self, spec: ModelSpec, slices: Iterable[Tensor]):
        origin = SlicePredictor.from_model(spec, Compute("cpu", precision="float32")).traits.origin
        assert origin is not None  # of a model it is known
        model = of_labels(converted(origin)[0])
        self.graph, self._roundings = graph_of(model), roundings(model, slices)

    def less_and_less(self) -> Iterator[Ranges]:
        """The ranges, and then without the 1, 2, 4, ... that round most coarsely, up to half of them."""
        noises = [(one.noise, number) for number, one in enumerate(self._roundings) if one is not None]
        worst = [number for _, number in sorted(noises, reverse=True)]
        left_out = 0
        while left_out <= len(worst) // 2:
            kept = set(worst[left_out:])
            yield tuple(one.limits if one and n in kept else None for n, one in enumerate(self._roundings))
            left_out = 2 * left_out or 1


class Rounding(NamedTuple):
    """limits: what the input of a convolution goes from and to. noise: what rounding it to 8 bits changes, as a share;
    both mean squares."""

    limits: Range
    noise: float


def roundings(model: openvino.Model, slices: Iterable[Tensor]) -> list[Rounding | None]:
    """For each convolution of a network for labels, among slices (1, C, H, W); None where 8 bits would gain nothing.

    Convolutions of which one reads what another reads, too, have the same limits."""
    from openvino import opset13 as ops

    read: dict[str, Any] = {}  # by name, what is rounded
    names: list[set[str]] = []
    for node in convolutions(model):
        places = rounded_inputs(node.input(0)) if _gains(node) else []
        own = {_name(place): place.get_source_output() for place in places}
        read |= own
        names.append(set(own))
    axes = np.arange(4)
    told = [
        (ops.reduce_min(one, axes), ops.reduce_max(one, axes), ops.reduce_mean(ops.multiply(one, one), axes))
        for one in read.values()
    ]
    sums = openvino_module().Model([value for three in told for value in three], model.get_parameters())
    found = np.array(list(_outputs(sums, slices))).reshape(-1, len(read), 3)  # slice, place, which
    lows, highs, squares = found[..., 0].min(0), found[..., 1].max(0), found[..., 2].mean(0)
    number_of = {name: number for number, name in enumerate(read)}
    together = _joined(names)
    made: list[Rounding | None] = []
    for reads in names:
        group = [number_of[name] for one in together if reads & one for name in one]
        if not group:
            made.append(None)
            continue
        low, high = _short(min(lows[group].min(), 0.0)), _short(max(highs[group].max(), 1e-3))
        square = squares[[number_of[name] for name in reads]].mean()
        made.append(Rounding((low, high), ((high - low) / 255) ** 2 / 12 / max(square, 1e-12)))
    return made


def _joined(sets: Iterable[set[str]]) -> list[set[str]]:
    """Sets that share something become one."""
    joined: list[set[str]] = []
    for own in sets:
        touched = [one for one in joined if one & own]
        joined = [one for one in joined if not one & own] + [own.union(*touched)]
    return joined


def _gains(convolution: Any) -> bool:
    channels, sides = list(convolution.input(1).get_shape())[:2], convolution.input(0).get_partial_shape()[2]
    return min(channels) >= _FEWEST_CHANNELS and not (sides.is_static and sides.get_length() == 1)


def _name(given: Any) -> str:
    output = given.get_source_output()
    return f"{output.get_node().get_name()}, {output.get_index()}"


def _short(value: float | np.floating[Any]) -> float:
    return float(f"{value:.4g}")


def _outputs(model: openvino.Model, slices: Iterable[Tensor]) -> Iterator[list[np.ndarray]]:
    """All outputs, for each slice."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino_core().compile_model(model, "CPU", settings)
    for one in slices:
        found = compiled([np.ascontiguousarray(np.from_dlpack(one))])
        yield [found[output].copy() for output in compiled.outputs]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.model_folder.eight_bits",
        description="Let models compute labels in 8 bits.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="ids of models, or model folders")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
