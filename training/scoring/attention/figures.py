"""Draws where networks look: a slice with its attention maps, and the curves of deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.results.pictures.map_colours import MapColours
from training.scoring.attention.deletion import SHARES, Deletion, mean_dice
from training.scoring.figures import save_small

_INCHES = 1.7  # width of a slice
_COLUMNS = 6
_MODELS = 5  # panels of deletion curves in a row
_MAP = "inferno"  # can be read with any kind of colour blindness, and in print
_FEW = 64  # colours of a picture: grey ones, those of maps, and a line
_OUTLINE = "#35c4ff"
# Okabe and Ito's colours, which colour-blind people can tell apart.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@dataclass(frozen=True, eq=False)
class MapsPicture:
    """What to show of a case.

    Args:
        title: of the picture.
        stack: the slices of the case.
        organ: mask (D, H, W).
        maps: coefficients (D, H, W), by the titles of maps.
        contrasts: by the titles of maps, as in `MapScore`.
    """

    title: str
    stack: SliceStack
    organ: np.ndarray
    maps: Mapping[str, np.ndarray]
    contrasts: Mapping[str, float]


def draw_map_contrasts(path: Path, picture: MapsPicture) -> None:
    """Write a PNG with the slice in which the organ is largest, and each attention map of it with its contrast.

    The organ has a blue outline. Colours go from each map's own 2nd to its 98th percentile in the slice, which stand
    above it."""
    stack = picture.stack
    number = int(stack.view(picture.organ).sum(axis=(1, 2)).argmax())
    height, width = (n * stack.volume.spacing[2 - a] for n, a in zip(stack.native_size, stack.axes[1:], strict=True))
    columns = min(_COLUMNS, 1 + len(picture.maps))
    rows = -(-(1 + len(picture.maps)) // columns)
    size = (_INCHES * columns + 0.8, (_INCHES * height / width + 0.45) * rows + 0.35)
    figure = Figure(figsize=size, layout="constrained", dpi=72)
    grid = figure.subplots(rows, columns, squeeze=False)
    extent = (0.0, width, 0.0, height)
    outline = stack.view(picture.organ)[number]
    grid.flat[0].imshow(stack.at_native_size(number), "gray", vmin=0, vmax=1, origin="lower", extent=extent)
    grid.flat[0].set_title("image", fontsize=7)
    for axes, (title, values) in zip(grid.flat[1:], picture.maps.items(), strict=False):
        coefficients = stack.view(values)[number].astype(np.float32)
        colours = MapColours.of(coefficients)
        axes.imshow(colours.shares(coefficients), _MAP, vmin=0, vmax=1, origin="lower", extent=extent)
        said = f"{' to '.join(colours.ends)}, contrast {picture.contrasts[title]:.2f}"
        axes.set_title(f"{fill(_short(title), 24)}\n{said}", fontsize=7)
    for axes in grid.flat[: 1 + len(picture.maps)]:
        _outline(axes, outline, (width, height))
        axes.set(xticks=[], yticks=[], xlim=(width, 0), ylim=(0, height))  # turned as in the overview
    for axes in grid.flat[1 + len(picture.maps) :]:
        axes.set_visible(False)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), _MAP), ax=grid, fraction=0.02, pad=0.01, ticks=[0, 1])
    bar.ax.set_yticklabels(["low", "high"], fontsize=7)
    figure.suptitle(fill(picture.title, 25 * columns, break_on_hyphens=False), fontsize=9)
    save_small(figure, path, _FEW)


def draw_deletions(path: Path, models: Mapping[str, tuple[Sequence[Deletion], float]]) -> None:
    """Write a PNG with a panel for each model: the Dice against the share of pixels that were blanked.

    Lines are solid for the most attended pixels, dashed for the same mask elsewhere, and dotted for the least attended.

    Args:
        path: of the file.
        models: by name, what was measured, and the Dice without any blank pixels.
    """
    columns = min(_MODELS, len(models))
    rows = -(-len(models) // columns)
    figure = Figure(figsize=(2.4 * columns + 0.3, 2.6 * rows + 0.4), layout="constrained", dpi=110)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, (name, (deletions, untouched)) in zip(grid.flat, models.items(), strict=False):
        titles = list(dict.fromkeys(one.map for one in deletions))
        for title, color in zip(titles, _COLORS, strict=False):
            for kind, style in (("most", "-"), ("random", "--"), ("least", ":")):
                values = [mean_dice(deletions, title, kind, share) for share in SHARES]
                axes.plot([0, *(100 * share for share in SHARES)], [untouched, *values], style, color=color, lw=1.3)
        handles = [
            Line2D([], [], color=color, label=_short(title)) for title, color in zip(titles, _COLORS, strict=False)
        ]
        axes.legend(handles=handles, fontsize=6, loc="upper right", frameon=False)
        axes.set_title(name.replace("-", "\n", 1), fontsize=8)
        axes.set(ylim=(0, 1.2), yticks=np.linspace(0, 1, 6))
        axes.grid(color="0.92")
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(models) :]:
        axes.set_visible(False)
    kinds = (("-", "most attended"), ("--", "the same mask elsewhere"), (":", "least attended"))
    figure.legend(
        handles=[Line2D([], [], color="0.2", ls=style, label=label) for style, label in kinds],
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=8,
    )
    figure.supxlabel("pixels blanked, % of the slice", fontsize=8)
    figure.supylabel("Dice", fontsize=8)
    save_small(figure, path)


def _outline(axes: Axes, mask: np.ndarray, size: tuple[float, float]) -> None:
    rows, columns = mask.shape
    x, y = ((np.arange(n) + 0.5) * length / n for n, length in zip((columns, rows), size, strict=True))
    axes.contour(x, y, mask, levels=[0.5], colors=[_OUTLINE], linewidths=0.9)


def _short(title: str) -> str:
    """The title of a map without words that all maps of a network have."""
    return title.replace(" spatial attention", "").replace(" position attention", "").replace(" attention to", " to")
