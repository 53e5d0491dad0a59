"""Training by time instead of epochs. The learning rate follows the clock, so its cycle is complete when time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import LambdaLR

if TYPE_CHECKING:
    from training.learning.optimisation import Optimisation

_FIRST, _LAST = 1 / 25, 1 / 250_000  # of the highest learning rate, as in torch's one-cycle schedule
_SCORINGS = 10  # in a run, at most
_LEAST_BETWEEN = 9  # time between two scorings, as a multiple of the last one: they take at most a tenth of the run


class Clock:
    """How much of a run's time is over. Interruptions do not count.

    Args:
        limit: time of the run, in seconds.
        now: a function that gives the time in seconds, from any start.
    """

    def __init__(self, limit: float, now: Callable[[], float] = time.monotonic):
        self.limit = limit
        self.before = 0.0  # seconds that a resumed run took before
        self._now = now
        self._start: float | None = None
        self._next_scoring = limit / _SCORINGS
        self._scoring_since: float | None = None

    def begin(self) -> None:
        """Start the clock. Before that, no time passes."""
        self._start = self._now()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self.before + (0.0 if self._start is None else self._now() - self._start)

    @property
    def share(self) -> float:
        """The share of the time that is over, 0 to 1."""
        return min(1.0, self.spent / self.limit)

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.spent >= self.limit

    def is_time_to_score(self) -> bool:
        """Whether to score left-out cases now.

        This is the case up to ten times in a run, in about a tenth of its time at most. It is not at the end, where the
        scores for the card are made anyway."""
        is_due = self._next_scoring <= self.spent < self.limit
        self._scoring_since = self.spent if is_due else None
        return is_due

    def scored(self) -> None:
        """Say that scoring has ended, if there was any."""
        if self._scoring_since is not None:
            took = self.spent - self._scoring_since
            self._next_scoring = self.spent + max(self.limit / _SCORINGS - took, _LEAST_BETWEEN * took)
            self._scoring_since = None

    def schedule(self, optimizer: torch.optim.Optimizer, warm_up: float) -> LambdaLR:
        """One cycle of the learning rate over the time. warm_up: the share of the time in which it rises."""
        return LambdaLR(optimizer, lambda _step: one_cycle(self.share, warm_up))


def clock_of(settings: Optimisation) -> Clock:
    """The clock of a run by minutes."""
    now = time.process_time if settings.minutes_of == "processor" else time.monotonic
    return Clock(60 * (settings.minutes or 0), now)


def one_cycle(share: float, warm_up: float) -> float:
    """The learning rate as a share of the highest one.

    Args:
        share: of the run that is over, 0 to 1.
        warm_up: share of the run in which the learning rate rises.
    """
    if share < warm_up:
        return _between(_FIRST, 1.0, share / warm_up)
    return _between(1.0, _LAST, (share - warm_up) / (1 - warm_up))


def _between(first: float, last: float, share: float) -> float:
    """A value between two others, along half a period of a cosine. share: of the way, 0 to 1."""
    return last + (first - last) * (0.5 + 0.5 * math.cos(math.pi * share))


def in_words(seconds: float) -> str:
    """A time in words: "3:05" for 3 minutes and 5 seconds, or "1:03:05" with hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
