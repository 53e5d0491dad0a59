"""What client and worker say to each other. Standard library and numpy only.

Transport: the worker's standard input and output, two pipes that no other program can open: nothing listens anywhere,
so nobody has to prove who he is. A message is one JSON object on a line; nothing is ever unpickled. Voxels and results
lie in shared memory and are named in messages. Whatever else the worker prints goes to its standard error.

The worker begins with {"say": "hello", "protocol": VERSION}; the client ends one of another version. Then, when
torch is loaded, {"say": "ready", "devices": [[name, words, free MB or null], ...]}.

Client to worker:
    {"do": "segment", "job": 1, "card": path, "plane": text, "voxels": block, "affine": 4 rows,
     "modality": null or text, "label_map": block, "attention": {title: block}, "options": {...},
     "compute": [device, batch size, precision], "level": null or number}
    {"do": "compare", "job": 2, "reference": block, "prediction": block, "spacing": [i, j, k] in mm}
    {"do": "check", "job": 3}
    {"do": "cancel", "job": 1}      at any time
A block is {"name": of the shared memory, "shape": [D, H, W], "dtype": as numpy writes it}. Voxels of a name that the
worker has seen in the message before are still there and need not be sent again.

Worker to client, each with "job": attached (the client may let the voxels go), slices (axis, indices, done, total,
seconds_left), notice (sentence), result, compared (scores), checked (findings), cancelled, failed (sentence, detail).
"""

from __future__ import annotations

import json
import sys
from multiprocessing import resource_tracker, shared_memory
from typing import Any, BinaryIO

import numpy as np

VERSION = 2


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Send a message. Raises `OSError` if the other side is gone."""
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Wait for a message; None if the other side is gone. Raises `ValueError` for what is no message."""
    line = stream.readline()
    if not line:
        return None
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message must be an object")
    return message


def create_block(shape: tuple[int, ...], dtype: Any) -> tuple[shared_memory.SharedMemory, np.ndarray]:
    """New shared memory with an array in it, all zero; its creator has to unlink it."""
    size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    memory = shared_memory.SharedMemory(create=True, size=size)
    return memory, np.ndarray(shape, dtype, memory.buf)


def attach(block: dict[str, Any]) -> tuple[shared_memory.SharedMemory, np.ndarray]:
    """Shared memory that another process made and will unlink, and the array in it."""
    if sys.version_info >= (3, 13):
        memory = shared_memory.SharedMemory(block["name"], track=False)
    else:
        memory = shared_memory.SharedMemory(block["name"])
        if sys.platform != "win32":  # before Python 3.13 whoever attaches becomes responsible for unlinking, too
            resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]
    return memory, np.ndarray(tuple(block["shape"]), block["dtype"], memory.buf)


def describe_block(memory: shared_memory.SharedMemory, array: np.ndarray) -> dict[str, Any]:
    """How a message names an array in shared memory."""
    return {"name": memory.name, "shape": list(array.shape), "dtype": array.dtype.str}
