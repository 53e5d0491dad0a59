"""The worker's process as its client sees it: started, written to, listened to, and ended."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.worker import protocol
from AttnSegLib.worker.messages import Alive, Hello, Message

_LAST_LINES = 40  # of what it printed, for the log
_LAST_MOMENTS = 2.0  # s for a killed process to be gone; one that waits for a driver may never be
_NOT_OURS = "The worker said something that AttnSeg does not understand; restart Slicer, and run again."


@dataclass(frozen=True)
class Ended:
    """The process has ended. sentence: the reason, for the user; lines: the last ones that it printed, for the log."""

    sentence: str
    lines: str


class ChildProcess:
    """A worker's process, with threads that read what it says, since reading waits. python: the interpreter to run.

    Raises `InputError` if it can't be started.
    """

    def __init__(self, python: str):
        library = str(Path(__file__).resolve().parents[2])
        code = f"import sys; sys.path.insert(0, {library!r}); from AttnSegLib.worker.process import main; main()"
        hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows no console pops up
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                [python, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, creationflags=hidden
            )
        except OSError as error:
            raise InputError(
                f"The worker can't be started with '{python}' ({error.strerror}); reinstall AttnSeg."
            ) from error
        self.signs = 0  # of life: lines that it wrote
        self._messages: queue.SimpleQueue[Message | Ended] = queue.SimpleQueue()
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()  # first, since the reader waits for its end
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def send(self, message: Message) -> None:
        """Send a message. Does nothing if the process has ended: the thread that reads from it reports that."""
        try:
            protocol.send(self._process.stdin, message)  # type: ignore[arg-type]  # it is a pipe
        except OSError:
            return  # it has ended, which the reader reports

    def next_message(self) -> Message | Ended | None:
        """The next message from the process, or None if there is none yet; `Ended` after the last one."""
        try:
            return self._messages.get_nowait()
        except queue.Empty:
            return None

    def kill(self) -> None:
        """End it at once, and wait until it is gone, or will go when its driver lets it."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_MOMENTS)
        with contextlib.suppress(OSError):  # what it did not take in any more
            self._process.stdin.close()  # type: ignore[union-attr]  # it is a pipe

    def _read(self) -> None:
        """Messages until the process ends, then a last one that says so."""
        stream: Any = self._process.stdout
        sentence, has_begun = "", False
        while protocol.is_whole(line := stream.readline()):
            self.signs += 1
            try:
                message = protocol.understand(line)
            except ValueError:
                if not has_begun:  # something else was printed at its start, by what the site loads into every Python
                    self._last_lines.append(line.decode(errors="replace"))
                    continue
                sentence = _NOT_OURS
                self._process.kill()
                break
            has_begun |= isinstance(message, Hello)
            if not isinstance(message, Alive):
                self._messages.put(message)
        stream.close()
        code = self._process.wait()
        self._listener.join(timeout=0.2)
        self._messages.put(Ended(sentence or _why(code), "".join(self._last_lines)))

    def _listen(self) -> None:
        stream: Any = self._process.stderr
        for line in stream:
            self._last_lines.append(line.decode(errors="replace"))
        stream.close()


def _why(code: int) -> str:
    """A sentence for the user about the exit code of a process that was not asked to end."""
    if code == -getattr(signal, "SIGKILL", 9):
        return (
            "The computation was stopped by the system, most likely because memory ran out; close other programs or "
            "choose a smaller region, and run again."
        )
    if code < 0:
        return f"The computation crashed (signal {-code}); run again, and report it if it happens again."
    return f"The computation ended unexpectedly (exit code {code}); 'Check setup' may tell why."
