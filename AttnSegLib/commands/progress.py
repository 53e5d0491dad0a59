"""The progress bar of a command, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TerminalBar:
    """bar: of tqdm; None where tqdm is missing, as in Slicer's Python: then nothing is shown but what is said."""

    def __init__(self, bar: Any | None):
        self._bar = bar

    def show(self, done: int, total: int | None) -> None:
        """Show that so much is done. total: None if it is not known."""
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
    """A bar that is gone afterwards. units: unit and unit_scale, as tqdm takes them."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield TerminalBar(None)
        return
    with tqdm(desc=title, leave=False, disable=None, **units) as bar:
        yield TerminalBar(bar)
