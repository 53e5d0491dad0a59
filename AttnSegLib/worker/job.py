"""One thing that the worker does, and the memory in which both sides see its results."""

from __future__ import annotations

from typing import Any

import numpy as np

from AttnSegLib.worker import protocol
from AttnSegLib.worker.messages import Block
from AttnSegLib.worker.pieces import InPieces


class Job:
    """One thing that the worker does. Its arrays are views of shared memory into which the worker writes: copy what
    you need longer than until `release`. Until the worker's first message they may be empty.

    Attributes:
        number: of the job, in messages.
        label_map: (D, H, W) uint8.
        attention: maps (D, H, W) float16, by title.
        probabilities: (D, H, W) float16, by label.
        is_in_files: whether files take the place of some of this memory.
    """

    def __init__(self, number: int):
        self.number = number
        self.label_map = np.zeros((0, 0, 0), np.uint8)
        self.attention: dict[str, np.ndarray] = {}
        self.probabilities: dict[int, np.ndarray] = {}
        self.is_in_files = False
        self._memories: list[Any] = []
        self._named: list[Any] = []

    def share(self, shape: tuple[int, ...], dtype: Any) -> InPieces[tuple[np.ndarray, Block]]:
        """A new array in shared memory, and the block that tells the worker where it is.

        Raises `InputError` if there is not enough shared memory.
        """
        memory, array = yield from protocol.create_block(shape, dtype)
        self._memories.append(memory)
        self._named.append(memory)
        block = protocol.describe_block(memory, array)
        self.is_in_files |= protocol.is_in_file(block)
        return array, block

    def unname(self) -> None:
        """Remove the names of the memory, once the worker has opened it: it then vanishes with the last process."""
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
