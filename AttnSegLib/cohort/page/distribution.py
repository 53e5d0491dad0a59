"""The distribution of a volume as SVG: a histogram, and outliers as marks that lead to their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

import numpy as np

from AttnSegLib.cohort.page.outliers import fences

_WIDTH, _HEIGHT, _MARGIN = 300, 90, 12  # pixels
_MOST_BARS = 24


@dataclass(frozen=True)
class Bead:
    """One value. row: id of the row that it is from; name: what it is called."""

    value: float
    row: str
    name: str


def distribution_svg(title: str, unit: str, beads: Sequence[Bead]) -> str:
    """A figure of values, of which there is at least one."""
    values = np.array([bead.value for bead in beads])
    counts, edges = np.histogram(values, bins=min(_MOST_BARS, max(4, round(len(values) ** 0.5) * 2)))
    lower, upper = fences(values.tolist())
    outliers = [bead for bead in beads if not lower <= bead.value <= upper]
    scale = _Scale(float(edges[0]), float(edges[-1]))
    bars = [
        f'<rect class="bar" x="{scale.x(left):.1f}" y="{_HEIGHT - height:.1f}" height="{height:.1f}" '
        f'width="{max(1.0, scale.x(right) - scale.x(left) - 1):.1f}"/>'
        for left, right, height in zip(edges, edges[1:], counts / counts.max() * (_HEIGHT - 12), strict=False)
        if height
    ]
    several = "s" * (len(outliers) != 1)
    told = f"{len(values)} values, median {np.median(values):.4g} {unit}, {len(outliers)} outlier{several}"
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg width="{_WIDTH}" height="{_HEIGHT + 34}" role="group" aria-label="{escape(title)}: {told}">'
        f"{''.join(bars)}"
        f'<line class="axis" x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>'
        f"{''.join(_mark(bead, scale.x(bead.value), unit) for bead in outliers)}"
        f'<text x="{_MARGIN}" y="{_HEIGHT + 28}">{scale.low:.4g} {unit}</text>'
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT + 28}" text-anchor="end">{scale.high:.4g} {unit}</text>'
        f"</svg>{told}</figure>"
    )


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def x(self, value: float) -> float:
        """Place of a value, in pixels."""
        return _MARGIN + (value - self.low) / (self.high - self.low) * (_WIDTH - 2 * _MARGIN)


def _mark(bead: Bead, x: float, unit: str) -> str:
    told = f"{bead.name}: {bead.value:.4g} {unit}"
    return (
        f'<a href="#{quote(bead.row)}" aria-label="{escape(told)}"><title>{escape(told)}</title>'
        f'<path class="outlier" d="M{x - 5:.1f} {_HEIGHT + 13}L{x + 5:.1f} {_HEIGHT + 13}L{x:.1f} {_HEIGHT + 3}z"/></a>'
    )
