"""Notices when the worker says nothing for too long, and what the user is told then."""

from __future__ import annotations

UNEASY = 30.0  # s without a sign of life until the user is told
LOST = 300.0  # s until it is given up: a system without memory, or a slow disk, may hold a process up for minutes
STUCK = 300.0  # s without a step, though it lives, until the user is told
_LONGEST_LOOK = 1.0  # s between two looks that count: the computer may have slept, or nobody could look

HUNG = (
    f"The computation hung: it gave no sign of life for {LOST / 60:.0f} minutes and was ended; run again, on another "
    "device if it happens again."
)
_UNEASY = (
    f"The computation has given no sign of life for {UNEASY:.0f} s; wait, or cancel it and run again. It is ended "
    f"after {LOST / 60:.0f} minutes."
)
_STUCK = (
    f"The computation lives, but has not got any further for {STUCK / 60:.0f} minutes; wait if the device is slow, or "
    "cancel it and choose another device."
)


class Silence:
    """Watches the silence of one job. A worker sends a sign of life from a thread of its own even while it computes,
    so a missing one means trouble."""

    def __init__(self) -> None:
        self._last_look: float | None = None
        self._signs = 0
        self._without_sign = self._without_step = 0.0
        self._was_told: set[str] = set()

    @property
    def is_lost(self) -> bool:
        """Whether the worker has been silent for so long that it is given up."""
        return self._without_sign >= LOST

    def look(self, now: float, signs: int, *, has_step: bool) -> str:
        """The sentence to show the user now; empty if there is nothing to say.

        Args:
            now: of any clock, in seconds.
            signs: number of messages and signs of life so far.
            has_step: whether the job has said something since the last look.
        """
        passed = 0.0 if self._last_look is None else min(now - self._last_look, _LONGEST_LOOK)
        self._last_look = now
        self._without_sign = 0.0 if signs != self._signs else self._without_sign + passed
        self._without_step = 0.0 if has_step else self._without_step + passed
        self._signs = signs
        if self._without_sign >= UNEASY:
            return self._once(_UNEASY)
        if self._without_step >= STUCK:
            return self._once(_STUCK)
        return ""

    def _once(self, sentence: str) -> str:
        if sentence in self._was_told:
            return ""
        self._was_told.add(sentence)
        return sentence
