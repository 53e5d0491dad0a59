"""How `messages` travel between client and worker. Standard library and numpy only.

Transport: the worker's standard input and output, two pipes that no other program can open: nothing listens anywhere,
so nobody has to prove who he is. A message is one JSON object on a line; nothing is ever unpickled. Voxels and results
lie in shared memory and are named in messages. Whatever else the worker prints goes to its standard error.

The worker begins with `Hello`, and the client ends one of another version. Then, when torch is loaded, `Ready`. Jobs
come one at a time, and end with `Result`, `Compared`, `Checked`, `JobCancelled` or `JobFailed`. At the job's `Attached`
the client may let the names of its shared memory go.
"""

from __future__ import annotations

import json
import sys
from multiprocessing import resource_tracker, shared_memory
from typing import Any, BinaryIO

import numpy as np

from AttnSegLib.worker.messages import Block, Message, message_from_json, message_to_json


def send(stream: BinaryIO, message: Message) -> None:
    """Send a message. Raises `OSError` if the other side is gone."""
    stream.write(json.dumps(message_to_json(message), allow_nan=False).encode() + b"\n")
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """Wait for a message; None if the other side is gone. Raises `ValueError` for what is no message of ours."""
    line = stream.readline()
    if not line.endswith(b"\n"):  # nothing more, or it was ended in the middle of a message
        return None
    try:
        content = json.loads(line)
    except RecursionError as error:
        raise ValueError("it has too many things in one another") from error
    return message_from_json(content)


def create_block(shape: tuple[int, ...], dtype: Any) -> tuple[shared_memory.SharedMemory, np.ndarray]:
    """New shared memory with an array in it, all zero; its creator has to unlink it."""
    size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    memory = shared_memory.SharedMemory(create=True, size=size)
    return memory, np.ndarray(shape, dtype, memory.buf)


def attach(block: Block) -> tuple[shared_memory.SharedMemory, np.ndarray]:
    """Shared memory that another process made and will unlink, and the array in it."""
    if sys.version_info >= (3, 13):
        memory = shared_memory.SharedMemory(block.name, track=False)
    else:
        memory = shared_memory.SharedMemory(block.name)
        if sys.platform != "win32":  # before Python 3.13 whoever attaches becomes responsible for unlinking, too
            resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]
    return memory, np.ndarray(block.shape, block.dtype, memory.buf)


def describe_block(memory: shared_memory.SharedMemory, array: np.ndarray) -> Block:
    """How a message names an array in shared memory."""
    return Block(memory.name, array.shape, array.dtype.str)
