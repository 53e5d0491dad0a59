"""ONNX Runtime on the CPU: the network exported with `torch.onnx.export`, a session of one thread for each core.

So runs it whoever has many slices: sessions side by side wait for nobody, where the threads of one session wait for
each other, and spin while they do. All graph optimisations are on, as by default. The graph has a fixed size: one slice
of 256x256 a call, or several small ones; four were as fast (ANU-Net, one thread: 1.27 and 1.23 s a slice). What
surrounds the network end to end is that of the papers' way, for the runtime has nothing of its own.
"""

from __future__ import annotations

import io
import logging
import queue
import warnings
from concurrent.futures import ThreadPoolExecutor

import onnxruntime
import torch
from torch import Tensor, nn

from Testing.benchmarks.others.peers import Logits, OnlyLogits, Segment, Setting
from Testing.benchmarks.others.peers.plain import with_files


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = as_onnx(network, (setting.together, 1, *setting.size))
    sessions: queue.SimpleQueue[onnxruntime.InferenceSession] = queue.SimpleQueue()  # those that are free
    for _ in range(setting.threads):
        sessions.put(onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"]))

    def of_part(part: Tensor) -> Tensor:
        session = sessions.get()
        try:
            return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: part.numpy()})[0])
        finally:
            sessions.put(session)

    def logits(slices: Tensor) -> Tensor:
        with ThreadPoolExecutor(setting.threads) as pool:
            return torch.cat(list(pool.map(of_part, setting.parts(slices))))[: len(slices)]

    return logits


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    return with_files(network_alone(network, setting), setting)


def as_onnx(network: nn.Module, shape: tuple[int, ...]) -> bytes:
    """For slices (N, 1, H, W)."""
    file = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which nobody here needs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter against its own future
        torch.onnx.export(OnlyLogits(network).eval(), (torch.rand(shape),), dynamo=True, verbose=False).save(file)
    return file.getvalue()
