"""OpenVINO on the CPU: the network by `openvino.convert_model`, with the hint "THROUGHPUT" and asynchronous requests.

Hint and queue are what its documentation recommends for many inputs. Its number of threads and its number format are
those of the others; left alone it takes bfloat16 on processors that have it. One slice of 256x256 a request, or several
small ones; four, and the hint "LATENCY", were as fast (ANU-Net, one thread: 1.2 s a slice each). What surrounds the
network end to end is that of the papers' way, for OpenVINO has nothing of its own.
"""

from __future__ import annotations

import warnings

import numpy as np
import openvino
import torch
from torch import Tensor, nn

from AttnSegLib.inference.engines.conversion import openvino_core
from Testing.benchmarks.others.peers import Logits, OnlyLogits, Segment, Setting
from Testing.benchmarks.others.peers.plain import with_files


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    shape = (setting.together, 1, *setting.size)
    with warnings.catch_warnings(action="ignore"):  # it traces, which torch would rather not have
        model = openvino.convert_model(OnlyLogits(network).eval(), example_input=torch.rand(shape), input=[shape])
    wishes = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": setting.threads,
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[setting.precision],
    }
    compiled = openvino_core().compile_model(model, "CPU", wishes)
    queue = openvino.AsyncInferQueue(compiled)

    def logits(slices: Tensor) -> Tensor:
        results: dict[int, np.ndarray] = {}
        queue.set_callback(lambda request, n: results.__setitem__(n, request.get_output_tensor().data.copy()))
        for number, part in enumerate(setting.parts(slices)):
            queue.start_async([part.numpy()], number)
        queue.wait_all()
        return torch.from_numpy(np.concatenate([results[number] for number in sorted(results)])[: len(slices)])

    return logits


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    return with_files(network_alone(network, setting), setting)
