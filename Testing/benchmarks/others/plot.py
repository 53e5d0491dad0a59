"""Tables of a comparison as bars."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from Testing.benchmarks.others import peers
from Testing.benchmarks.others.tables import Table

_OURS, _OTHERS = "#1b6ca8", "#b8bec4"


def speeds(tables: Sequence[Table], machine: str, path: Path) -> None:
    """Speed in times the papers' way, a panel for each table, with the least and the most of all rounds as a line."""
    shown = [table for table in tables if table.median(peers.PAPERS)]
    if not shown:
        return
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.6 * columns, 2.6 * rows + 0.6), squeeze=False, layout="constrained"
    )
    for axis, table in zip(axes.flat, shown, strict=False):
        _panel(axis, table)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    words = [line for long in machine.splitlines() for line in textwrap.wrap(long, 45 * columns)]
    figure.supxlabel("\n".join(words), fontsize=7, color="#555555")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axis: plt.Axes, table: Table) -> None:
    papers = table.median(peers.PAPERS)
    names = []
    timed = [row for row in reversed(table.rows) if row.seconds]
    for place, row in enumerate(timed):
        speed = papers / row.seconds.median
        bounds = [[speed - papers / row.seconds.most], [papers / row.seconds.least - speed]]
        ours = row.peer.startswith(peers.OURS.name)  # both engines
        color = _OURS if ours else _OTHERS
        axis.barh(place, speed, color=color, xerr=bounds, error_kw={"ecolor": "#444444", "capsize": 2, "lw": 0.8})
        names.append(f"{row.peer}  {speed:.2f}")
    axis.set_yticks(range(len(timed)), names, fontsize=8)
    axis.axvline(1, color="#444444", lw=0.8, ls=":")
    axis.set_title("\n".join(table.title.rsplit(", ", 2)[0].split(": ")), fontsize=9)
    axis.set_xlabel("speed, times the papers' way", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
