"""Draws the picture of a run: slices with the outlines of the segmentation, and below them the attention maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Label
from AttnSegLib.models.influence import MapInfluence
from AttnSegLib.results.pictures.map_colours import MapColours
from AttnSegLib.results.pictures.slice_drawing import (
    draw_image,
    draw_map,
    draw_orientation,
    draw_outlines,
    draw_point,
    draw_spacing_bar,
    outline_colors,
    physical_size,
    scale_over_grey,
    slice_position,
)

_COLUMNS = 5
_TITLE_COLUMNS = 3  # title and legend need the width of so many slices
_INCHES = 2.2  # width of a slice
_FLAT = 1.2  # height of a slice in which words have no room
_BAR = 0.12  # width of a colour bar, in widths of a slice
_TITLE = 36  # letters of a map's title that fit above a slice
_REFERENCE_COLOR = "#35c4ff"
_WHITE = "white"
_PACKED = 2  # of 9: a third of the time of 6, which is the default, and a seventh more bytes


@dataclass(frozen=True, eq=False)
class Overview:
    """What to show. All arrays are on the grid of the stack's volume.

    Args:
        title: of the picture.
        stack: the slices of the scan.
        label_map: (D, H, W).
        labels: names and colours.
        attention: the maps (D, H, W) by their titles.
        reference: a label map (D, H, W) to compare with; None for none.
        influences: by the titles of maps, what was measured; missing if nothing was.
        queries: by the titles of maps that show where one point looks, the voxel (k, j, i) of this point.
    """

    title: str
    stack: SliceStack
    label_map: np.ndarray
    labels: Sequence[Label]
    attention: dict[str, np.ndarray]
    reference: np.ndarray | None = None
    influences: Mapping[str, MapInfluence] = field(default_factory=dict)
    queries: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    def colours(self, title: str) -> MapColours:
        """The colours of the map with this title."""
        known = self.influences.get(title)
        return MapColours.of(self.attention[title], known.gamma if known else None)

    def words_on(self, title: str) -> str:
        """What stands beside a map: its influence, too, if that is known."""
        known = self.influences.get(title)
        return f"{title}, {known.words}" if known else title


@rc_context({"text.parse_math": False})  # else text between two dollars in a card would be set as a formula
def write_overview(path: Path, overview: Overview) -> None:
    """Write the picture as PNG. Raises `OSError` if it can't be written."""
    stack = overview.stack
    chosen = _choose_slices(stack.view(overview.label_map))
    if stack.orientation.flips[0]:
        chosen.reverse()  # in the order in which they are stored and counted
    rows = 1 + len(overview.attention)
    height, width = physical_size(stack)
    row_height = _INCHES * height / width
    figure = Figure(
        figsize=(_INCHES * (len(chosen) + 0.35) + 0.6, (row_height + 0.22) * rows + 0.9), layout="constrained", dpi=90
    )
    figure.patch.set_facecolor(_WHITE)
    ratios = [1.0] * len(chosen) + [_BAR]
    grid = figure.subplots(rows, len(ratios), squeeze=False, gridspec_kw={"width_ratios": ratios})
    colours = {title: overview.colours(title) for title in overview.attention}
    for column, number in enumerate(chosen):
        _draw_segmentation(grid[0, column], overview, number)
        stored = stack.orientation.stored_index(number, overview.label_map.shape)
        grid[0, column].set_title(f"slice {stored}\n{slice_position(stack, number)}", fontsize=9)
        for row, title in enumerate(overview.attention, start=1):
            _draw_attention(grid[row, column], overview, title, number, colours[title])
    draw_spacing_bar(grid[0, 0], stack)
    grid[0, -1].set_visible(False)
    for row, title in enumerate(["segmentation", *overview.attention]):
        _name_row(grid[row, 0], overview.words_on(title), row_height)
        if row:
            _draw_bar(grid[row, -1], colours[title])
    grid[-1, -1].set_xlabel("over a dark (left)\nto a bright image\n(right)", fontsize=7)
    figure.suptitle(overview.title, fontsize=11)
    figure.legend(handles=_legend(overview), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    figure.savefig(path, format="png", pil_kwargs={"compress_level": _PACKED})


@rc_context({"text.parse_math": False})  # else text between two dollars in a card would be set as a formula
def draw_slice_with_maps(overview: Overview, number: int) -> Figure:
    """Draw slice `number` of the stack with the segmentation, and beside it with each attention map."""
    panels = ["segmentation", *overview.attention]
    columns = min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    colours = {title: overview.colours(title) for title in overview.attention}
    titles = ["\n".join(fill(line, _TITLE) for line in title.splitlines()) for title in panels]
    lines = max(title.count("\n") + 1 for title in titles)
    height, width = physical_size(overview.stack)
    row_height = _INCHES * height / width + 0.15 * lines + 0.1 + 0.35
    inches = _INCHES * max(columns, _TITLE_COLUMNS) + 0.7, row_height * rows + 0.7
    figure = Figure(figsize=inches, layout="constrained", dpi=90)
    figure.patch.set_facecolor(_WHITE)
    grid = figure.subplots(rows, columns, squeeze=False)
    _draw_segmentation(grid.flat[0], overview, number)
    draw_spacing_bar(grid.flat[0], overview.stack)
    for axes, title in zip(grid.flat[1:], overview.attention, strict=False):
        _draw_attention(axes, overview, title, number, colours[title])
        _draw_bar_below(axes, colours[title])
    for axes, title in zip(grid.flat, titles, strict=False):
        axes.set_title(title, fontsize=8)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(f"{overview.title}, {slice_position(overview.stack, number)}", fontsize=10)
    figure.legend(handles=_legend(overview), loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return figure


def _choose_slices(label_view: np.ndarray) -> list[int]:
    """Numbers of slices that are spread over the segmented ones, or over all if nothing was segmented.

    If few slices are segmented, the nearest others are added. label_view: (N, H, W)."""
    filled = np.flatnonzero(label_view.any(axis=(1, 2)))
    if filled.size == 0:
        filled = np.arange(len(label_view))
    if filled.size < _COLUMNS + 2:  # too few to leave out both ends
        distances = np.abs(np.arange(len(label_view))[:, None] - filled).min(axis=1)
        return sorted(distances.argsort(kind="stable")[:_COLUMNS].tolist())
    positions = np.linspace(0, filled.size - 1, _COLUMNS + 2)[1:-1]
    return [int(filled[round(p)]) for p in positions]


def _name_row(axes: Axes, words: str, inches: float) -> None:
    """Write what a row shows beside its first slice, upwards if the row has the room. inches: height of the row."""
    if inches < _FLAT:
        axes.set_ylabel(
            fill(words, max(30, round(14 / inches))), fontsize=8, rotation="horizontal", ha="right", va="center"
        )
    else:
        axes.set_ylabel(fill(words, int(11 * inches)), fontsize=10)


def _draw_segmentation(axes: Axes, overview: Overview, number: int) -> None:
    stack = overview.stack
    draw_image(axes, stack, number)
    if overview.reference is not None:
        reference = stack.view(overview.reference)[number]  # label by label, so that touching organs are told apart
        draw_outlines(axes, stack, reference, dict.fromkeys(range(1, int(reference.max()) + 1), _REFERENCE_COLOR))
    draw_outlines(axes, stack, stack.view(overview.label_map)[number], outline_colors(overview.labels))
    draw_orientation(axes, stack)


def _draw_attention(axes: Axes, overview: Overview, title: str, number: int, colours: MapColours) -> None:
    stack = overview.stack
    draw_map(axes, stack, number, overview.attention[title], colours)
    labels = stack.view(overview.label_map)[number]
    draw_outlines(axes, stack, labels, dict.fromkeys(outline_colors(overview.labels), _WHITE))
    query = overview.queries.get(title)
    if query is not None and stack.orientation.stored_index(number, overview.label_map.shape) == query[stack.axes[0]]:
        draw_point(axes, stack, query)


def _draw_bar(axes: Axes, colours: MapColours) -> None:
    """Draw a colour bar beside a map: each colour over grey from black to white, with the numbers at both ends."""
    axes.imshow(scale_over_grey(colours), origin="lower", extent=(0, 1, 0, 1), aspect="auto")
    axes.yaxis.tick_right()
    axes.set(xticks=[], yticks=[0, 1])
    axes.set_yticklabels(colours.ends, fontsize=8)
    axes.set_title("subtracted" if colours.subtracted else "coefficient", fontsize=8)


def _draw_bar_below(axes: Axes, colours: MapColours) -> None:
    """Draw the same colour bar below a map."""
    bar = axes.inset_axes((0.0, -0.09, 1.0, 0.06))
    bar.imshow(scale_over_grey(colours).swapaxes(0, 1), origin="lower", extent=(0, 1, 0, 1), aspect="auto")
    bar.set(xticks=[0, 1], yticks=[])
    bar.tick_params(length=0)
    low, high = bar.set_xticklabels(colours.ends, fontsize=7)
    low.set_horizontalalignment("left")
    high.set_horizontalalignment("right")
    if colours.subtracted:
        bar.set_xlabel("subtracted", fontsize=7, labelpad=-7)


def _legend(overview: Overview) -> list[Line2D]:
    colors = outline_colors(overview.labels)
    lines = [Line2D([], [], color=colors[label.value], label=label.name) for label in overview.labels]
    if overview.reference is not None:
        lines.append(Line2D([], [], color=_REFERENCE_COLOR, label="manual reference"))
    lines += [Line2D([], [], ls="", marker="+", color="#00cc55", label="query")] if overview.queries else []
    return lines
