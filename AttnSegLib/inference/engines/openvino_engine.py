"""OpenVINO on a CPU: the network compiled for one size of slices, and a stream for each lane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from AttnSegLib.inference.engines.conversion import LOGITS, Mark, map_of, openvino_core, openvino_module, parts_of
from AttnSegLib.inference.engines.eight_bits import compute_in_8_bits
from AttnSegLib.inference.engines.engine import Answer
from AttnSegLib.models.eight_bits import EightBits
from AttnSegLib.networks.attention import Spatial

if TYPE_CHECKING:
    import openvino

_PIXELS_AT_ONCE = 2**16  # a slice of 256 x 256: more of them together gain nothing, and small ones do


@dataclass(frozen=True)
class Compilation:
    """For what a network is compiled.

    Args:
        shape: (n, C, H, W) of the slices that go through it together.
        streams: how many lanes there are.
        threads: of the CPU, for all of them.
        dtype: float32 or bfloat16; int8 for convolutions in 8 bits, and all else in float32.
    """

    shape: tuple[int, int, int, int]
    streams: int
    threads: int
    dtype: torch.dtype

    @classmethod
    def of(cls, size: int, slices: tuple[int, int, int], streams: int, dtype: torch.dtype) -> Compilation:
        """For batches of up to `size` slices (C, H, W), in parts of equal size that are as large as pays."""
        most = max(1, _PIXELS_AT_ONCE // (slices[1] * slices[2]))
        parts = -(-size // most)
        return cls((-(-size // parts), *slices), streams, torch.get_num_threads(), dtype)


class OpenVinoEngine:
    """An engine, see `Engine`, for slices of one size. It needs no memory for maps that were not asked for."""

    name = "OpenVINO"

    def __init__(
        self, model: openvino.Model, marks: Mapping[str, Mark], form: Compilation, eight: EightBits | None = None
    ):
        """marks: those whose coefficients are wanted, by title; eight: for int8. Raises `RuntimeError`, as OpenVINO
        does, and see `compute_in_8_bits`."""
        self.form, self._marks, self._eight = form, dict(marks), eight
        self._names = [LOGITS, *(name for mark in self._marks.values() for name in parts_of(mark))]
        compiled = _compiled(model, self._names, form, eight)
        self._requests: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(form.streams):
            self._requests.put(compiled.create_infer_request())

    @property
    def titles(self) -> tuple[str, ...]:
        """Of the maps, and of the coefficients over channels, that it gives."""
        return tuple(self._marks)

    @cached_property
    def signature(self) -> str:
        """What decides how the compiled network computes, in words: processor, number format, sizes, maps, ranges."""
        processor = openvino_core().get_property("CPU", "FULL_DEVICE_NAME")
        ranges = self._eight.ranges if self._eight else ""
        return f"{processor}, {self.form}, {', '.join(self._names)}{ranges}"

    def run(self, slices: Tensor, painted: Mapping[str, Tensor] | None = None) -> Answer:
        if painted:
            raise ValueError("a compiled network takes nothing in the place of its attention")
        parts = [self._infer(part) for part in slices.split(self.form.shape[0])]
        outputs = {name: torch.cat([part[name] for part in parts])[: len(slices)] for name in self._names}
        size = (slices.shape[2], slices.shape[3])
        answer = Answer(outputs[LOGITS], {}, {}, {})
        for title, mark in self._marks.items():
            if not isinstance(mark, Spatial):
                answer.vectors[title] = outputs[title]
                continue
            answer.maps[title], largest = map_of(mark, tuple(outputs[name] for name in parts_of(mark)), size)
            if largest is not None:
                answer.largest[title] = largest
        return answer

    def _infer(self, slices: Tensor) -> dict[str, Tensor]:
        """All outputs; of fewer slices than the network was compiled for, the last once more and again."""
        missing = self.form.shape[0] - len(slices)
        whole = torch.cat([slices, *[slices[-1:]] * missing]) if missing else slices
        pixels = np.ascontiguousarray(np.from_dlpack(whole))
        with self._request() as request:
            request.start_async([pixels], share_inputs=True)
            request.wait()
            tensors = [request.get_output_tensor(number).data.copy() for number in range(len(self._names))]
        return {name: torch.from_dlpack(tensor) for name, tensor in zip(self._names, tensors, strict=True)}

    @contextmanager
    def _request(self) -> Iterator[openvino.InferRequest]:
        """One that nobody else uses. One thread has made all of them, and OpenVINO's own threads run them: where lanes
        made or ran theirs themselves, two of them often met in one stream, and one waited for the other."""
        request = self._requests.get()
        try:
            yield request
        finally:
            self._requests.put(request)


def _compiled(
    model: openvino.Model, names: list[str], form: Compilation, eight: EightBits | None
) -> openvino.CompiledModel:
    openvino = openvino_module()
    outputs = {output.get_any_name(): output for output in model.outputs}
    wanted = openvino.Model([outputs[name] for name in names], model.get_parameters())
    wanted = wanted.clone()  # the model itself stays as it is, of any size
    if eight is not None:
        compute_in_8_bits(wanted, eight)
    wanted.reshape(list(form.shape))
    settings = {
        "NUM_STREAMS": form.streams,
        "INFERENCE_NUM_THREADS": form.threads,
        "INFERENCE_PRECISION_HINT": "bf16" if form.dtype == torch.bfloat16 else "f32",
        "ENABLE_CPU_PINNING": False,  # processes side by side would all be on the first cores
    }
    return openvino_core().compile_model(wanted, "CPU", settings)
