"""Draws figures for reports and papers: box plots of scores, and curves of loss and Dice during training."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import BytesIO
from itertools import cycle, product
from pathlib import Path
from textwrap import fill
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from PIL import Image

from AttnSegLib.errors import InputError
from training.scoring.scores import Score
from training.scoring.summary import title

# Okabe and Ito's colours, which colour-blind people can tell apart; grey instead of yellow, which is faint on white.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F")
_STYLES = ("-", "--", ":", "-.")
_WIDEST = 11.0  # inches, largest width of a figure
_SLOT = 0.36  # inches, width for a box


def box_plots(path: Path, scores: Sequence[Score], metrics: Sequence[str]) -> None:
    """Write a PNG with a panel for each metric, and in it a box for each label and model, with its cases as dots.

    Undefined values are left out, and their number stands below the box. Raises `InputError` without scores or metrics.
    """
    if not scores or not metrics:
        raise InputError("Box plots need scores and metrics.")
    names = [title(metric) for metric in metrics]
    models, labels = (list(dict.fromkeys(getattr(one, key) for one in scores)) for key in ("model", "label"))
    width = 1.2 + len(labels) * _group_width(models)
    columns = max(1, min(len(metrics), int(_WIDEST / width)))
    rows = -(-len(metrics) // columns)
    columns = -(-len(metrics) // rows)  # so that the rows are about equally long
    height = 2.6 * rows + 0.06 * max(map(len, models))
    figure = Figure(figsize=(max(width, 3.0) * columns, height), layout="constrained", dpi=150)
    grid = figure.subplots(rows, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(metrics):
            axes.set_visible(False)
            continue
        _draw_boxes(axes, scores, metrics[number], (labels, models))
        axes.set_ylabel(names[number])
    figure.savefig(path, format="png", bbox_inches="tight", pad_inches=0.1)  # tight, or the first label is cut off


def convergence(path: Path, runs: dict[str, Path]) -> None:
    """Write a PNG with the loss and the validation Dice of each epoch. runs: the metrics.csv of each run, by its name.

    The axis of the loss is logarithmic, unless a loss is 0 or less. Raises `InputError` if a file is no such log.
    """
    if not runs:
        raise InputError("A figure of convergence needs a run.")
    logs = {name: _read_log(log) for name, log in runs.items()}
    columns = min(4, len(logs))
    figure = Figure(figsize=(8.5, 3.4 + 0.2 * -(-len(logs) // columns)), layout="constrained", dpi=150)
    panels, handles = figure.subplots(1, 2), []
    for (name, log), (style, color) in zip(logs.items(), cycle(product(_STYLES, _COLORS)), strict=False):
        for axes, values in zip(panels, log, strict=True):
            size = 3 if len(values) < 30 else 0  # of the dots: they are drawn only if there are few
            axes.plot(list(values), list(values.values()), color=color, ls=style, lw=1.4, marker="o", ms=size)
        handles.append(Line2D([], [], color=color, ls=style, lw=1.4, label=name))
    for axes, what in zip(panels, ("training loss", "Dice on validation cases"), strict=True):
        axes.set(xlabel="epoch", ylabel=what)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain(axes, "both")
    panels[1].set_visible(any(dice for _, dice in logs.values()))
    if all(min(loss.values()) > 0 for loss, _ in logs.values()):
        panels[0].set_yscale("log")
        plain_numbers(panels[0].yaxis)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    figure.savefig(path, format="png")


def plain_numbers(axis: Axis) -> None:
    """Give a logarithmic axis plain numbers, close enough that there are some in every range."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def save_small(figure: Figure, path: Path, colours: int = 256) -> None:
    """Write a PNG of so few colours. For pictures with as much noise as scans have, this is a quarter of the size."""
    with BytesIO() as picture:
        figure.savefig(picture, format="png")
        Image.open(picture).convert("RGB").quantize(colours, Image.Quantize.MAXCOVERAGE).save(path)


def _draw_boxes(axes: Axes, scores: Sequence[Score], metric: str, groups: tuple[list[str], list[str]]) -> None:
    labels, models = groups
    ticks = []
    for number, label in enumerate(labels):
        start = number * (len(models) + 1)
        name = fill(label.replace("_", " "), int(11 * _group_width(models)), break_long_words=False)
        axes.text(start + (len(models) - 1) / 2, 1.02, name, transform=axes.get_xaxis_transform(), ha="center")
        if number:
            axes.axvline(start - 1, color="0.85", lw=0.8)
        for place, model in enumerate(models, start):
            values = np.array([getattr(s, metric) for s in scores if (s.model, s.label) == (model, label)], float)
            _draw_box(axes, place, values, _COLORS[(place - start) % len(_COLORS)])
            ticks.append(place)
    if any("n/a" in text.get_text() for text in axes.texts):
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.08 * (high - low), high)  # room for these texts
    axes.set_xticks(ticks, models * len(labels), rotation=90, fontsize=8)
    axes.set_xlim(-0.9, ticks[-1] + 0.9)
    _plain(axes, "y")


def _plain(axes: Axes, grid: Literal["both", "y"]) -> None:
    axes.grid(axis=grid, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _group_width(models: list[str]) -> float:
    """The width for the boxes of a label and for its name, in inches."""
    return max(1.0, _SLOT * (len(models) + 1))


def _draw_box(axes: Axes, place: int, values: np.ndarray, color: str) -> None:
    defined = values[~np.isnan(values)]
    if defined.size:
        box = {"facecolor": color, "alpha": 0.45, "edgecolor": "0.2"}
        median = {"color": "black", "lw": 1.4}
        axes.boxplot(
            [defined],
            positions=[place],
            widths=0.7,
            showfliers=False,
            patch_artist=True,
            boxprops=box,
            medianprops=median,
        )
        shift = np.random.default_rng(0).uniform(-0.2, 0.2, defined.size)
        axes.scatter(place + shift, defined, s=9, color=color, edgecolors="black", linewidths=0.4, zorder=3)
    if undefined := values.size - defined.size:
        note = f"{undefined} n/a"
        axes.text(place, 0.01, note, transform=axes.get_xaxis_transform(), ha="center", fontsize=6)


def _read_log(path: Path) -> tuple[dict[float, float], dict[float, float]]:
    """Read the loss and the Dice by the number of epochs done. If an epoch was done twice, the later one counts."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        loss, dice = (
            {float(line["epoch"]) + 1: float(line[name]) for line in lines if line.get(name)}
            for name in ("loss", "dice")
        )
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"'{path}' is not the metrics.csv of a training.") from error
    if not loss:
        raise InputError(f"'{path}' holds no loss; was the training stopped before its first epoch ended?")
    return dict(sorted(loss.items())), dict(sorted(dice.items()))
