"""Memory that two processes share by a file, for where the system has too little shared memory."""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

from AttnSegLib.worker.pieces import InPieces, reserve


class MappedFile:
    """As `multiprocessing.shared_memory.SharedMemory`, in a file that only its owner may read. name: its path."""

    def __init__(self, name: str):
        self.name = name
        with Path(name).open("r+b") as file:
            self.buf = mmap.mmap(file.fileno(), 0)

    @classmethod
    def create(cls, size: int) -> InPieces[MappedFile]:
        """A new one in the temporary folder, all zero. Raises `OSError` if there is no room: all of it is taken now,
        since whoever writes into what is not there is killed."""
        descriptor, name = tempfile.mkstemp(prefix="attnseg-")
        try:
            yield from reserve(descriptor, size)
            return cls(name)
        except BaseException:  # there is no room, or nobody goes on
            Path(name).unlink()
            raise
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Raises `BufferError` if an array is still about."""
        self.buf.close()

    def unlink(self) -> None:
        """Take its name away; it vanishes with the last process that uses it."""
        Path(self.name).unlink()
