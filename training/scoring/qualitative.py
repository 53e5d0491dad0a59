"""Draws results of models beside the truth, slice by slice, as papers show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import Label
from training.scoring.figures import save_small

_INCHES = 2.0  # width of one slice


@dataclass(frozen=True, eq=False)
class QualitativeRow:
    """One slice, and what models found in it.

    Arrays are as `SliceStack.view` gives slices. They are drawn with the first row at the bottom and the first column
    at the right, as in the overview.

    Args:
        name: what stands beside the slice.
        image: (H, W), float.
        truth: labels (H, W).
        outlines: labels (H, W) by the names of models, in the order of the columns.
        aspect: height of a pixel divided by its width.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray
    outlines: dict[str, np.ndarray]
    aspect: float = 1.0


@dataclass(frozen=True, eq=False)
class QualitativePage:
    """What to show. All rows must have the same models."""

    title: str
    rows: Sequence[QualitativeRow]
    labels: Sequence[Label]


def qualitative(path: Path, page: QualitativePage) -> None:
    """Write a PNG with a row for each slice: the image, the truth, and each model's outline.

    The truth is a thin white outline below that of the model, so it can be seen where they differ. Raises `InputError`
    if rows don't have the same models, or a label map is not as large as its image.
    """
    _check(page)
    columns = [fill(name, 22) for name in ("image", "truth", *page.rows[0].outlines)]
    heights = [_INCHES * min(2.0, row.image.shape[0] * row.aspect / row.image.shape[1]) for row in page.rows]
    texts = 0.55 + 0.16 * max(name.count("\n") + 1 for name in columns) + 0.2 * ((len(page.labels) + 5) // 5)
    figure = Figure((_INCHES * len(columns) + 0.4, sum(heights) + texts), layout="constrained", dpi=120)
    grid = figure.subplots(len(page.rows), len(columns), squeeze=False, height_ratios=heights)
    for line, row in zip(grid, page.rows, strict=True):
        for axes in line:
            _draw_image(axes, row)
        line[0].set_ylabel(row.name, fontsize=7)
        _draw_truth(line[1], row, page.labels)
        for axes, found in zip(line[2:], row.outlines.values(), strict=True):
            _draw_outlines(axes, row, found, page.labels)
    for axes, name in zip(grid[0], columns, strict=True):
        axes.set_title(name, fontsize=9)
    figure.suptitle(page.title, fontsize=11)
    figure.legend(handles=_legend(page.labels), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    save_small(figure, path)


def _check(page: QualitativePage) -> None:
    if not page.rows:
        raise InputError("A page of examples needs a row.")
    for row in page.rows:
        if list(row.outlines) != list(page.rows[0].outlines):
            raise InputError(f"Row '{row.name}' has other models than the first; give all rows the same ones.")
        if row.image.ndim != 2 or any(a.shape != row.image.shape for a in (row.truth, *row.outlines.values())):
            raise InputError(f"The image and the label maps of row '{row.name}' must be slices of one size.")


def _draw_image(axes: Axes, row: QualitativeRow) -> None:
    height, width = row.image.shape
    lower, upper = np.percentile(row.image, [0.5, 99.5])
    extent = (0, width, 0, height * row.aspect)
    axes.imshow(row.image, "gray", vmin=lower, vmax=max(upper, lower + 1e-6), origin="lower", extent=extent)
    axes.set(xticks=[], yticks=[], xlim=(width, 0), ylim=(0, height * row.aspect))


def _draw_truth(axes: Axes, row: QualitativeRow, labels: Sequence[Label]) -> None:
    height, width = row.image.shape
    for label in labels:
        mask, color = row.truth == label.value, _bright(label)
        pixels = np.zeros((height, width, 4))
        pixels[mask] = (*to_rgb(color), 0.45)
        axes.imshow(pixels, origin="lower", extent=(0, width, 0, height * row.aspect), interpolation="nearest")
        _outline(axes, mask, row.aspect, color, 1.0)


def _draw_outlines(axes: Axes, row: QualitativeRow, found: np.ndarray, labels: Sequence[Label]) -> None:
    for label in labels:
        _outline(axes, row.truth == label.value, row.aspect, "white", 0.7)
    for label in labels:
        _outline(axes, found == label.value, row.aspect, _bright(label), 1.3)


def _legend(labels: Sequence[Label]) -> list[Line2D]:
    lines = [Line2D([], [], color=_bright(label), label=label.name) for label in labels]
    edge = [withStroke(linewidth=1.8, foreground="black")]
    return [*lines, Line2D([], [], color="white", lw=0.8, label="truth, where a model differs", path_effects=edge)]


def _outline(axes: Axes, mask: np.ndarray, aspect: float, color: str, width: float) -> None:
    if mask.any():
        padded = np.pad(mask, 1).astype(float)  # padded, so that outlines are closed at the border
        y, x = (np.arange(n) - 0.5 for n in padded.shape)
        lines = axes.contour(x, y * aspect, padded, levels=[0.5], colors=[color], linewidths=width)
        lines.set_path_effects([withStroke(linewidth=width + 0.8, foreground="black", alpha=0.5)])


def _bright(label: Label) -> str:
    """The label's colour, brighter, so that a thin line can be seen on a grey image."""
    strongest = max(label.color) or 1
    red, green, blue = (min(1.0, 0.15 + 0.85 * c / strongest) for c in label.color)
    return to_hex((red, green, blue))
