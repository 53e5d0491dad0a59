"""How messages and arrays travel between client and worker. Standard library and numpy only.

Transport: the worker's standard input and output, two pipes that no other program can open: nothing listens anywhere,
so nobody has to prove who he is. A message is one JSON object on a line; nothing is ever unpickled. Voxels and results
lie in shared memory and are named in messages. Whatever else the worker prints goes to its standard error.

The worker begins with `Hello`, and the client ends one of another version; what was printed before is none of ours, and
left out. From then on `Alive` comes every few seconds. When torch is loaded comes `Ready`. Jobs come one at a time, and
end with `Result`, `Compared`, `Checked`, `JobCancelled` or `JobFailed`. At the job's `Attached`
the client may let the names of its shared memory go.
"""

from __future__ import annotations

import json
import math
import os
import sys
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.worker.mapped_file import MappedFile
from AttnSegLib.worker.messages import Block, Message, message_from_json, message_to_json
from AttnSegLib.worker.pieces import InPieces, reserve

Memory = shared_memory.SharedMemory | MappedFile


def send(stream: BinaryIO, message: Message) -> None:
    """Send a message. Raises `OSError` if the other side is gone."""
    stream.write(json.dumps(message_to_json(message), allow_nan=False).encode() + b"\n")
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """Wait for a message; None if the other side is gone. Raises `ValueError` for what is no message of ours."""
    line = stream.readline()
    return understand(line) if is_whole(line) else None


def is_whole(line: bytes) -> bool:
    """Whether the line has its end; else there is nothing more, or a process was ended in the middle of a message."""
    return line.endswith(b"\n")


def understand(line: bytes) -> Message:
    """The message on a line. Raises `ValueError` for what is none of ours."""
    try:
        content = json.loads(line)
    except RecursionError as error:
        raise ValueError("it has too many things in one another") from error
    return message_from_json(content)


def create_block(shape: tuple[int, ...], dtype: Any) -> InPieces[tuple[Memory, np.ndarray]]:
    """New shared memory with an array in it, all zero; its creator has to unlink it. On Linux a file takes its place
    where there is too little, as in a container. If it is not gone on with to the end, nothing is left of it.

    Raises `InputError` if there is not enough of either: without asking first, whoever writes into it would be killed.
    """
    size = max(1, math.prod(shape) * np.dtype(dtype).itemsize)
    try:
        memory = yield from _create(size)
    except OSError as error:
        raise InputError(_too_little(size)) from error
    return memory, np.ndarray(shape, dtype, memory.buf)


def _create(size: int) -> InPieces[Memory]:
    can_reserve = hasattr(os, "posix_fallocate")  # macOS and Windows have reserved shared memory already
    try:
        memory = shared_memory.SharedMemory(create=True, size=size)
        if not can_reserve:
            return memory
        try:
            yield from reserve(memory._fd, size)  # type: ignore[attr-defined]
            return memory
        except BaseException:  # there is not enough, or nobody goes on
            memory.close()
            memory.unlink()
            raise
    except OSError:
        if not can_reserve:
            raise
        return (yield from MappedFile.create(size))


def _too_little(size: int) -> str:
    return (
        f"There is not enough shared memory: {size / 1e6:.0f} MB are needed at once; close other programs, or give the "
        "system more of it (Docker has 64 MB unless told otherwise: --shm-size=2g)."
    )


def attach(block: Block) -> tuple[Memory, np.ndarray]:
    """Shared memory that another process made and will unlink, and the array in it."""
    memory = _attach(block)
    return memory, np.ndarray(block.shape, block.dtype, memory.buf)


def _attach(block: Block) -> Memory:
    if is_in_file(block):
        return MappedFile(block.name)
    if sys.version_info >= (3, 13):
        return shared_memory.SharedMemory(block.name, track=False)
    memory = shared_memory.SharedMemory(block.name)
    if sys.platform != "win32":  # before Python 3.13 whoever attaches becomes responsible for unlinking, too
        resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]
    return memory


def is_in_file(block: Block) -> bool:
    """Whether a file takes the place of shared memory."""
    return Path(block.name).is_absolute()


def describe_block(memory: Memory, array: np.ndarray) -> Block:
    """How a message names an array in shared memory."""
    return Block(memory.name, array.shape, array.dtype.str)
