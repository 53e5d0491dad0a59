"""Writes names beside the points of a figure, so that no name covers another name or a point.

adjustText 1.4 was tried, too. With the points of our test, it writes names over dots and over each other, and its
result depends on how busy the computer is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

_DISTANCES = (4, 12, 21, 31, 42, 54)  # between a name and its dot, in points of 1/72 inch
_DIRECTIONS = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)])
_RADIUS = 4  # of a dot, in points of 1/72 inch


@dataclass(frozen=True)
class Point:
    """A dot with its name. x and y are in the units of the axes."""

    name: str
    x: float
    y: float
    color: str


def label_points(figure: Figure, axes: Axes, points: Sequence[Point]) -> None:
    """Write each name into the nearest free place beside its dot. If that is not next to the dot, a line joins them.

    Draw everything else before: names are placed in the figure as it is now.
    """
    figure.draw_without_rendering()
    axes.autoscale(False)
    scale = figure.dpi / 72
    centres = axes.transData.transform([(one.x, one.y) for one in points])
    taken = [_box(centre, np.full(2, 2 * _RADIUS * scale)) for centre in centres]
    for one, centre in zip(points, centres, strict=True):
        text = axes.annotate(one.name, (one.x, one.y), fontsize=8, color=one.color, ha="center", va="center")
        text.set_in_layout(False)
        places = _places(centre, np.array(text.get_window_extent().size), scale)
        box, distance = min(places, key=lambda place: _hidden(place[0], taken, axes.bbox))
        taken.append(box)
        ends = [np.mean([box.min, box.max], axis=0), np.clip(centre, box.min, box.max)]
        (x, y), (nearest_x, nearest_y) = axes.transData.inverted().transform(ends)
        text.set_position((x, y))
        if distance > _DISTANCES[0]:
            axes.plot([one.x, nearest_x], [one.y, nearest_y], color=one.color, lw=0.6, alpha=0.6, zorder=1)


def _places(centre: np.ndarray, size: np.ndarray, scale: float) -> Iterator[tuple[Bbox, int]]:
    """Possible boxes of a name around its dot, the nearest first, each with its distance in points of 1/72 inch."""
    for distance in _DISTANCES:
        for direction in _DIRECTIONS:
            yield _box(centre + direction * (size / 2 + (distance + _RADIUS) * scale), size), distance


def _box(centre: np.ndarray, size: np.ndarray) -> Bbox:
    return Bbox(np.stack([centre - size / 2, centre + size / 2]))


def _hidden(box: Bbox, taken: Sequence[Bbox], inside: Bbox) -> int:
    """How many other boxes a box overlaps; one more if it leaves the axes (`inside`)."""
    within = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
    return int(box.count_overlaps(taken)) + (not within)
