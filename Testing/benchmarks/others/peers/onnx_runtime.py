"""ONNX Runtime on the CPU: the network exported with `torch.onnx.export`, run with the runtime's own defaults.

All graph optimisations and sequential execution are the defaults; the number of threads is that of the others. The
graph has a fixed size and one slice a call; four at once were as fast (ANU-Net, one thread: 1.27 and 1.23 s a slice).
What surrounds the network end to end is that of the papers' way, for the runtime has nothing of its own.
"""

from __future__ import annotations

import io
import logging
import warnings

import onnxruntime
import torch
from torch import Tensor, nn

from Testing.benchmarks.others.peers import Logits, OnlyLogits, Segment, Setting
from Testing.benchmarks.others.peers.plain import with_files


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setting.threads
    session = onnxruntime.InferenceSession(as_onnx(network, setting.size), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def logits(slices: Tensor) -> Tensor:
        return torch.cat([torch.from_numpy(session.run(None, {name: one.numpy()})[0]) for one in slices.split(1)])

    return logits


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    return with_files(network_alone(network, setting), setting)


def as_onnx(network: nn.Module, size: tuple[int, int]) -> bytes:
    """For one slice (1, 1, H, W) at a time."""
    file = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which nobody here needs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter against its own future
        torch.onnx.export(OnlyLogits(network).eval(), (torch.rand(1, 1, *size),), dynamo=True, verbose=False).save(file)
    return file.getvalue()
