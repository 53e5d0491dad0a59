"""The picture of a run: slices with the segmentation's outline above, the same slices with attention below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Label

_COLUMNS = 5
_INCHES = 2.2  # side of one slice
_TITLE = 36  # letters of a map's title that fit above one
_REFERENCE_COLOR = "#35c4ff"


@dataclass(frozen=True, eq=False)
class Overview:
    """What to show. label_map, reference: (D, H, W); attention: title to (D, H, W); all on the stack's grid."""

    title: str
    stack: SliceStack
    label_map: np.ndarray
    labels: Sequence[Label]
    attention: dict[str, np.ndarray]
    reference: np.ndarray | None = None


@rc_context({"text.parse_math": False})  # what lies between two dollars in a card's text is no formula
def write_overview(path: Path, overview: Overview) -> None:
    """Write the picture as PNG. Raises `OSError` if it can't be written."""
    chosen = _choose_slices(overview.stack.view(overview.label_map))
    if overview.stack.orientation.flips[0]:
        chosen.reverse()  # as they are stored and counted
    rows = 1 + len(overview.attention)
    height, width = _physical_size(overview.stack)
    row_height = _INCHES * height / width
    figure = Figure(figsize=(_INCHES * len(chosen) + 1.2, row_height * rows + 0.9), layout="constrained", dpi=90)
    figure.patch.set_facecolor("white")
    grid = figure.subplots(rows, len(chosen), squeeze=False)
    for column, index in enumerate(chosen):
        _draw_segmentation(grid[0, column], overview, index)
        stored = overview.stack.orientation.stored_index(index, overview.label_map.shape)
        grid[0, column].set_title(f"slice {stored}", fontsize=9)
        for row, values in enumerate(overview.attention.values(), start=1):
            _draw_attention(grid[row, column], overview, values, index)
    for row, title in enumerate(["segmentation", *overview.attention]):
        grid[row, 0].set_ylabel(fill(title, max(9, int(11 * row_height))), fontsize=10)  # slices may be flat
    if overview.attention:
        scale = ScalarMappable(Normalize(0, 1), "inferno")
        coefficient = fill("attention coefficient", max(11, int(11 * row_height * (rows - 1))))
        figure.colorbar(scale, ax=grid[1:, :], label=coefficient, fraction=0.03, pad=0.01)
    figure.suptitle(overview.title, fontsize=11)
    figure.legend(handles=_legend(overview), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    figure.savefig(path, format="png")


@rc_context({"text.parse_math": False})  # what lies between two dollars in a card's text is no formula
def draw_slice_with_maps(overview: Overview, number: int) -> Figure:
    """One slice of the stack with the segmentation, and its attention maps beside it."""
    panels = ["segmentation", *overview.attention]
    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    titles = ["\n".join(fill(line, _TITLE) for line in title.splitlines()) for title in panels]
    lines = max(title.count("\n") + 1 for title in titles)
    height, width = _physical_size(overview.stack)
    row_height = _INCHES * height / width + 0.15 * lines + 0.1
    figure = Figure(figsize=(_INCHES * columns + 0.7, row_height * rows + 0.7), layout="constrained", dpi=90)
    figure.patch.set_facecolor("white")
    grid = figure.subplots(rows, columns, squeeze=False)
    _draw_segmentation(grid.flat[0], overview, number)
    for axes, values in zip(grid.flat[1:], overview.attention.values(), strict=False):
        _draw_attention(axes, overview, values, number)
    for axes, title in zip(grid.flat, titles, strict=False):
        axes.set_title(title, fontsize=8)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), "inferno"), ax=grid, fraction=0.03, pad=0.01)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(overview.title, fontsize=10)
    figure.legend(handles=_legend(overview), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return figure


def _choose_slices(label_view: np.ndarray) -> list[int]:
    """Slices spread over the segmented ones, or over all if nothing was segmented; few ones with their neighbours."""
    filled = np.flatnonzero(label_view.any(axis=(1, 2)))
    if filled.size == 0:
        filled = np.arange(len(label_view))
    if filled.size < _COLUMNS + 2:  # too few to leave out both ends
        distances = np.abs(np.arange(len(label_view))[:, None] - filled).min(axis=1)
        return sorted(distances.argsort(kind="stable")[:_COLUMNS].tolist())
    positions = np.linspace(0, filled.size - 1, _COLUMNS + 2)[1:-1]
    return [int(filled[round(p)]) for p in positions]


def _physical_size(stack: SliceStack) -> tuple[float, float]:
    height, width = (n * stack.volume.spacing[2 - a] for n, a in zip(stack.native_size, stack.axes[1:], strict=True))
    return height, width


def _extent(stack: SliceStack) -> tuple[float, float, float, float]:
    """Place of a slice in mm: left, right, bottom, top."""
    height, width = _physical_size(stack)
    return 0, width, 0, height


def _draw_image(axes: Axes, overview: Overview, index: int) -> None:
    stack = overview.stack
    height, width = _physical_size(stack)
    axes.imshow(stack.at_native_size(index), "gray", vmin=0, vmax=1, origin="lower", extent=_extent(stack))
    # as radiologists hang slices: superior or anterior up, the patient's right (in sagittal slices: anterior) left
    axes.set(xticks=[], yticks=[], xlim=(width, 0), ylim=(0, height))


def _draw_segmentation(axes: Axes, overview: Overview, index: int) -> None:
    _draw_image(axes, overview, index)
    if overview.reference is not None:
        reference = overview.stack.view(overview.reference)[index]
        for value in range(1, int(reference.max()) + 1):  # organs that touch have a line between them
            _outline(axes, overview.stack, reference == value, _REFERENCE_COLOR)
    for label in overview.labels:
        _outline(axes, overview.stack, overview.stack.view(overview.label_map)[index] == label.value, _bright(label))


def _draw_attention(axes: Axes, overview: Overview, values: np.ndarray, index: int) -> None:
    _draw_image(axes, overview, index)
    coefficients = overview.stack.view(values)[index].astype(np.float32)
    # the less attention, the more of the image shows through
    opacity = 0.15 + 0.65 * coefficients
    axes.imshow(coefficients, "inferno", vmin=0, vmax=1, alpha=opacity, origin="lower", extent=_extent(overview.stack))
    for label in overview.labels:
        _outline(axes, overview.stack, overview.stack.view(overview.label_map)[index] == label.value, "white")


def _outline(axes: Axes, stack: SliceStack, mask: np.ndarray, color: str) -> None:
    if mask.any() and not mask.all():
        left, right, bottom, top = _extent(stack)
        rows, columns = mask.shape
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        y = bottom + (np.arange(rows) + 0.5) * (top - bottom) / rows
        axes.contour(x, y, mask, levels=[0.5], colors=[color], linewidths=1.2)


def _legend(overview: Overview) -> list[Line2D]:
    lines = [Line2D([], [], color=_bright(label), label=label.name) for label in overview.labels]
    if overview.reference is not None:
        lines.append(Line2D([], [], color=_REFERENCE_COLOR, label="manual reference"))
    return lines


def _bright(label: Label) -> str:
    """The label's colour, lightened so that a thin line can be seen on a grey image."""
    strongest = max(label.color) or 1
    red, green, blue = (min(1.0, 0.15 + 0.85 * c / strongest) for c in label.color)
    return to_hex((red, green, blue))
