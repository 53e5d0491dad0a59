"""What takes a while and needs no scene: in a thread, so that the application lives on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from slicer.i18n import tr as _

from AttnSegLib.errors import InputError, cause_of

_TURN = 0.005  # s: while Slicer's event loop waits, it holds Python's lock, so that the thread has its turn in `poll`


class Errands:
    """One at a time. Slicer's end waits for it, so that what is written gets whole."""

    def __init__(self) -> None:
        self._running: tuple[Future[Any], Callable[[Any], None]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is being done."""
        return self._running is not None

    def begin(self, act: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do something in the thread; `done` gets what it returns, when `poll` is called. Raises `InputError` while
        something else is being done."""
        if self._running is not None:
            raise InputError(_("Wait until the last case is read or written."))
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="AttnSeg")
        self._running = (pool.submit(act), done)
        pool.shutdown(wait=False)  # its thread ends with what it was given

    def poll(self) -> None:
        """Hand over what is done. Raises what was raised in the thread, as `InputError`."""
        if self._running is None:
            return
        future, done = self._running
        wait([future], timeout=_TURN)
        if not future.done():
            return
        self._running = None
        try:
            answer = future.result()
        except (OSError, MemoryError, RuntimeError) as error:  # SimpleITK raises the last one
            cause = cause_of(error) if isinstance(error, OSError) else str(error) or type(error).__name__
            sentence = _("That failed ({cause}); free memory or space on the disk, then try again.")
            raise InputError(sentence.format(cause=cause)) from error
        done(answer)
