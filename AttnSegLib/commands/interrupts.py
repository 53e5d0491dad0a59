"""How a command reacts to Ctrl-C and to the signals that end a process."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130  # what shells report for Ctrl-C
CANCELLED = "Cancelled; nothing was written."


def leave_at_once() -> None:
    """From now on, Ctrl-C ends the process at once. This is for the imports: some libraries swallow a KeyboardInterrupt
    and are broken afterwards."""
    signal.signal(signal.SIGINT, _leave)


def interrupt_in_order() -> None:
    """From now on, Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt, so that unfinished files can be removed."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        kill = getattr(signal, name, None)  # Windows has no SIGHUP
        if kill is not None and signal.getsignal(kill) != signal.SIG_IGN:  # ignored ones, as after `nohup`, stay so
            signal.signal(kill, signal.default_int_handler)


def _leave(_signal: int, _frame: object) -> None:
    print(CANCELLED, file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)
