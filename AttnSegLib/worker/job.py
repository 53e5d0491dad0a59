"""One thing that the worker does, and the memory in which both sides see its results."""

from __future__ import annotations

from typing import Any

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.worker import protocol
from AttnSegLib.worker.messages import Block


class Job:
    """One thing that the worker does. number: as messages name it. label_map (D, H, W) uint8, attention, title to
    (D, H, W) float16, and probabilities, label to (D, H, W) float16, are views of memory that the worker writes into;
    copy what is to outlive `release`. is_in_files: whether files take the place of some of this memory."""

    def __init__(self, number: int):
        self.number = number
        self.label_map = np.zeros((0, 0, 0), np.uint8)
        self.attention: dict[str, np.ndarray] = {}
        self.probabilities: dict[int, np.ndarray] = {}
        self.is_in_files = False
        self._memories: list[Any] = []
        self._named: list[Any] = []

    def share(self, shape: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, Block]:
        """A new array that the worker sees too, and what to tell it. Raises `InputError` if there is not enough shared
        memory; then the job's other arrays are let go, too."""
        try:
            memory, array = protocol.create_block(shape, dtype)
        except InputError:
            self.release()
            raise
        self._memories.append(memory)
        self._named.append(memory)
        block = protocol.describe_block(memory, array)
        self.is_in_files |= protocol.is_in_file(block)
        return array, block

    def unname(self) -> None:
        """The worker has the memory: take its name away, so that it vanishes with the last process that uses it."""
        for memory in self._named:
            memory.unlink()
        self._named = []

    def release(self) -> None:
        """Let the memory go."""
        self.unname()
        self.label_map, self.attention, self.probabilities = np.zeros((0, 0, 0), np.uint8), {}, {}
        memories, self._memories = self._memories, []
        for memory in memories:
            try:
                memory.close()
            except BufferError:  # someone still holds an array; the memory goes with it
                continue
