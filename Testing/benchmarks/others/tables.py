"""What a comparison found: who was how fast, and said the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from Testing.benchmarks.measuring.turns import Seconds
from Testing.benchmarks.others import peers
from Testing.benchmarks.others.peers import Peer

_OURS = (peers.OURS.name, peers.in_bfloat16(peers.OURS).name)
EQUAL, DICE_CHANGE = 0.999, 0.001  # at least so many voxels, less than so much


@dataclass(frozen=True)
class Agreement:
    """With the reference. equal: share of voxels; dice_change: of the Dice with the organ."""

    equal: float
    dice_change: float

    @classmethod
    def of(cls, labels: np.ndarray, reference: np.ndarray, organ: np.ndarray) -> Agreement:
        change = abs(_dice(labels, organ) - _dice(reference, organ))
        return cls(float((labels == reference).mean()), float(change))

    @property
    def enough(self) -> bool:
        return self.equal >= EQUAL and self.dice_change < DICE_CHANGE


@dataclass(frozen=True)
class Row:
    """One peer: seconds a slice, or why there are none."""

    peer: str
    precision: str
    seconds: Seconds | None = None
    agreement: Agreement | None = None
    why_not: str | None = None


@dataclass(frozen=True)
class Table:
    """title: what was done, on what, how often; rows: in the order of the peers."""

    title: str
    what: str
    network: str
    rows: tuple[Row, ...]

    def median(self, peer: Peer) -> float | None:
        """Seconds a slice; None if it took no part."""
        return next((row.seconds.median for row in self.rows if row.peer == peer.name and row.seconds), None)

    def lines(self) -> list[str]:
        """A part for each number format, since on most processors there is only the first.

        CPU: ms of all threads. speed: times the papers' way in float32, by the clock. AttnSeg: its speed in times this
        one, in the same format; in the last column by the processor's time. Dice: change.
        """
        times = f"{'ms a slice':>11}{'least':>9}{'most':>9}{'CPU':>9}"
        head = f"  {'':28}{times}{'speed':>9}{'AttnSeg':>10}{'by CPU':>9}{'equal %':>10}{'Dice':>9}"
        found = []
        for precision in dict.fromkeys(row.precision for row in self.rows):
            rows = [row for row in self.rows if row.precision == precision]
            ours = next((row for row in rows if row.peer in _OURS), None)
            found += [f"{self.title}, {precision}", head, *(self._line(row, ours) for row in rows)]
        return found

    def _line(self, row: Row, of_ours: Row | None) -> str:
        name = f"  {row.peer:28}"
        if row.seconds is None:
            return f"{name}{row.why_not}"
        speed = self._ratio(peers.PAPERS, row.seconds.median)
        mine = of_ours.seconds if of_ours else None
        ours = self._ratio_of(row.seconds.median, mine and mine.median)
        by_cpu = self._ratio_of(row.seconds.median_cpu, mine and mine.median_cpu)
        times = "".join(f"{1000 * s:9.1f}" for s in (row.seconds.least, row.seconds.most, row.seconds.median_cpu))
        agreement = f"{100 * row.agreement.equal:10.3f}{row.agreement.dice_change:9.5f}" if row.agreement else ""
        return f"{name}{1000 * row.seconds.median:11.1f}{times}{speed:>9}{ours:>10}{by_cpu:>9}{agreement}"

    def _ratio(self, peer: Peer, seconds: float) -> str:
        return self._ratio_of(self.median(peer), seconds)

    @staticmethod
    def _ratio_of(one: float | None, other: float | None) -> str:
        return f"{one / other:.2f} x" if one and other else "-"


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(bool), other.astype(bool)
    return 2 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)
