"""The progress bar of a command, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TerminalBar:
    """A progress bar. bar: of tqdm; None if tqdm is missing, as in Slicer's Python. Then only lines are shown."""

    def __init__(self, bar: Any | None):
        self._bar = bar

    def show(self, done: int, total: int | None) -> None:
        """Show how much is done. total: of everything; None if it is not known."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def say(self, line: str) -> None:
        """Write a line to standard error, above the bar."""
        if self._bar is None:
            print(line, file=sys.stderr)
        else:
            self._bar.write(line, file=sys.stderr)


@contextmanager
def progress_bar(title: str = "", **units: Any) -> Iterator[TerminalBar]:
    """A bar that disappears at the end of the block. units: `unit` and `unit_scale` for tqdm."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield TerminalBar(None)
        return
    with tqdm(desc=title, leave=False, disable=None, **units) as bar:
        yield TerminalBar(bar)
