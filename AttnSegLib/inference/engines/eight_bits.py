"""A network whose convolutions compute in 8 bits, made of one in 32 bits and of the ranges on the model's card.

Where input and weights of a convolution each pass through a `FakeQuantize`, OpenVINO computes it in whole numbers: the
input from 0 to 255, in steps that the range on the card gives, and the weights from -64 to 64, in steps of their own
for each output channel. What is no convolution stays in float32.

The weights could go to 127. But processors without VNNI add two products in 16 bits, which end at 32,767, and cut off
what is more: 2 x 255 x 127 would be, 2 x 255 x 64 is not. So sums are exact, and the same on all processors.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from AttnSegLib.inference.engines.conversion import LOGITS, openvino_module
from AttnSegLib.models.eight_bits import EightBits

if TYPE_CHECKING:
    import openvino

_OUTPUT_CHANNELS = {"Convolution": 0, "ConvolutionBackpropData": 1}  # axis of the weights
_STEPS, _STEPS_OF_WEIGHTS = 255, 254  # one less than there are numbers
_ROOM = 2  # the range of the weights is so many times what they need, since OpenVINO takes no fewer steps
_PASSING_ON = ("MaxPool", "Concat")  # what gives only values that it gets, of which those in 8 bits are fewer bytes


def of_labels(model: openvino.Model) -> openvino.Model:
    """A copy of a converted network, for the logits alone."""
    logits = next(output for output in model.outputs if output.get_any_name() == LOGITS)
    return openvino_module().Model([logits], model.get_parameters()).clone()


def convolutions(model: openvino.Model) -> list[Any]:
    """The convolutions over pictures with weights of their own, in the order in which the logits need them, which does
    not depend on names."""
    return [node for node in _in_order(model) if node.get_type_name() in _OUTPUT_CHANNELS and _has_own_weights(node)]


def graph_of(model: openvino.Model) -> str:
    """A digest of the kinds and shapes of the convolutions, in hexadecimal."""
    told = [(node.get_type_name(), list(node.input(1).get_shape())) for node in convolutions(model)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def rounded_inputs(wanted: Any) -> list[Any]:
    """The inputs at which the values of an input of a node are rounded: itself, or those of what passes them on."""
    node = wanted.get_source_output().get_node()
    if node.get_type_name() not in _PASSING_ON:
        return [wanted]
    return [one for given in node.inputs() for one in rounded_inputs(given)]


def compute_in_8_bits(model: openvino.Model, eight: EightBits) -> None:
    """Change a model whose first output are the logits. Raises `RuntimeError` if the ranges are not for its graph."""
    found = convolutions(model)
    if graph_of(model) != eight.graph or len(found) != len(eight.ranges):
        raise RuntimeError("the ranges on its card are for another graph; another version of torch or OpenVINO made it")
    rounded: dict[tuple[str, int, tuple[float, float]], Any] = {}  # whoever reads the same values shares one
    for convolution, limits in zip(found, eight.ranges, strict=True):
        if limits is None:
            continue
        for place in rounded_inputs(convolution.input(0)):
            output = place.get_source_output()
            if output.get_node().get_type_name() == "FakeQuantize":  # by way of a Concat that was met before
                continue
            key = (output.get_node().get_name(), output.get_index(), limits)
            if key not in rounded:
                low, high = (np.full((1, 1, 1, 1), limit, np.float32) for limit in _with_a_step_at_0(*limits))
                rounded[key] = _fake_quantize(output, low, high, _STEPS)
            place.replace_source_output(rounded[key])
        _round_weights(convolution)
    model.validate_nodes_and_infer_types()


def _round_weights(convolution: Any) -> None:
    weights = convolution.input(1)
    values = weights.get_source_output().get_node().data
    others = tuple(axis for axis in range(4) if axis != _OUTPUT_CHANNELS[convolution.get_type_name()])
    largest = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12).astype(np.float32)
    limit = _ROOM * largest
    weights.replace_source_output(_fake_quantize(weights.get_source_output(), -limit, limit, _STEPS_OF_WEIGHTS))


def _fake_quantize(output: Any, low: np.ndarray, high: np.ndarray, steps: int) -> Any:
    from openvino import opset13

    limits = [opset13.constant(limit) for limit in (low, high, low, high)]
    return opset13.fake_quantize(output, *limits, steps + 1).output(0)


def _with_a_step_at_0(low: float, high: float) -> tuple[float, float]:
    """The range, moved so that 0, of which there is most, is kept as it is."""
    step = (high - low) / _STEPS
    moved = round(low / step) * step
    return moved, moved + _STEPS * step


def _has_own_weights(node: Any) -> bool:
    given = node.input(1).get_source_output().get_node()
    return given.get_type_name() == "Constant" and len(node.input(1).get_shape()) == 4


def _in_order(model: openvino.Model) -> list[Any]:
    """All nodes that the first output needs, each after those that it needs itself, by the order of its inputs."""
    done: dict[str, Any] = {}
    waiting = [(model.get_results()[0], False)]
    while waiting:
        node, needs_are_done = waiting.pop()
        if node.get_name() in done:
            continue
        if needs_are_done:
            done[node.get_name()] = node
            continue
        needs = [given.get_source_output().get_node() for given in node.inputs()]
        waiting += [(node, True), *((one, False) for one in reversed(needs))]
    return list(done.values())
