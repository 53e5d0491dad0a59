"""Draws how good a taught model is, by the number of cases that it is taught from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

# Okabe and Ito's colours, which colour-blind people can tell apart.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def draw_trials(path: Path, dice: Mapping[str, Mapping[int, Sequence[float]]]) -> None:
    """Write a PNG with a line for each entry: the mean Dice over the draws by the number of cases, and a dot for each
    draw.

    Args:
        path: of the picture.
        dice: by what the line is called, then by the number of cases, the mean Dice of each draw.
    """
    figure = Figure(figsize=(6.4, 3.4), layout="constrained", dpi=100)
    axes = figure.subplots()
    for (name, by_cases), color in zip(dice.items(), cycle(_COLORS), strict=False):
        counts = sorted(by_cases)
        axes.plot(counts, [sum(by_cases[n]) / len(by_cases[n]) for n in counts], "-", color=color, label=name)
        dots = [(n, value) for n in counts for value in by_cases[n]]
        axes.plot(*zip(*dots, strict=True), "o", color=color, markersize=4)
    counts = sorted({n for by_cases in dice.values() for n in by_cases})
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("cases that are taught from")
    axes.set_ylabel("Dice of patients that are not")
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, format="png")
