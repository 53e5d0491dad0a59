"""Time instead of epochs: a learning rate that follows the clock, so that any budget ends with a finished schedule."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch.optim.lr_scheduler import LambdaLR

_FIRST, _LAST = 1 / 25, 1 / 250_000  # of the highest learning rate, as in torch's one-cycle schedule
_SCORINGS = 10  # in a run
_LEAST_BETWEEN = 9  # times as long as one took: a tenth of the time at most


class Clock:
    """How much of the time of a run is over, interruptions not counted.

    Args:
        limit: seconds.
        now: gives seconds from any moment on.
    """

    def __init__(self, limit: float, now: Callable[[], float] = time.monotonic):
        self.limit = limit
        self.before = 0.0  # seconds, of a run that goes on
        self._now = now
        self._start: float | None = None
        self._next_scoring = limit / _SCORINGS
        self._scoring_since: float | None = None

    def begin(self) -> None:
        """Start; before that, no time goes by."""
        self._start = self._now()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self.before + (0.0 if self._start is None else self._now() - self._start)

    @property
    def share(self) -> float:
        """Of the time, 0 to 1."""
        return min(1.0, self.spent / self.limit)

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.spent >= self.limit

    def is_time_to_score(self) -> bool:
        """Whether to score left-out cases now: ten times in a run, but for no more than about a tenth of its time, and
        not at its end, where the card's scores come anyway."""
        is_due = self._next_scoring <= self.spent < self.limit
        self._scoring_since = self.spent if is_due else None
        return is_due

    def scored(self) -> None:
        """Tell that the scores are there, if it was time for them."""
        if self._scoring_since is not None:
            took = self.spent - self._scoring_since
            self._next_scoring = self.spent + max(self.limit / _SCORINGS - took, _LEAST_BETWEEN * took)
            self._scoring_since = None

    def schedule(self, optimizer: torch.optim.Optimizer, warm_up: float) -> LambdaLR:
        """One cycle of the learning rate over the time: it rises over the share `warm_up` of it, and then falls."""
        return LambdaLR(optimizer, lambda _step: one_cycle(self.share, warm_up))


def one_cycle(share: float, warm_up: float) -> float:
    """The factor of the highest learning rate when a share (0 to 1) of a run is over."""
    if share < warm_up:
        return _between(_FIRST, 1.0, share / warm_up)
    return _between(1.0, _LAST, (share - warm_up) / (1 - warm_up))


def _between(first: float, last: float, share: float) -> float:
    """Along half a period of a cosine."""
    return last + (first - last) * (0.5 + 0.5 * math.cos(math.pi * share))


def in_words(seconds: float) -> str:
    """A duration such as "3:05" (minutes), or "1:03:05"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
