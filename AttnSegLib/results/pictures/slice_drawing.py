"""Draws one slice as radiologists expect it: with orientation, scale, outlines, and an attention map over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patheffects import withStroke

from AttnSegLib.images.planes import PLANES
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Label
from AttnSegLib.results.pictures.map_colours import MapColours

OPACITY = 0.6  # of a map over the image
_SCALE = "inferno"  # can be read by people with any kind of colour blindness
# Letters at the left, right, upper and lower border of a slice, in the radiological convention.
_BORDERS = {"axial": "RLAP", "sagittal": "APSI", "coronal": "RLSI"}
_DIRECTIONS = ("RL", "AP", "SI")  # letters of positive and negative coordinates
_BARS = (200, 100, 50, 20, 10, 5, 2, 1)  # mm, possible lengths of the scale bar
_STROKE = [withStroke(linewidth=2, foreground="black")]


def physical_size(stack: SliceStack) -> tuple[float, float]:
    """Height and width of a slice in mm."""
    height, width = (n * stack.volume.spacing[2 - a] for n, a in zip(stack.native_size, stack.axes[1:], strict=True))
    return height, width


def slice_position(stack: SliceStack, number: int) -> str:
    """Where the middle of a slice lies in the patient, as "S 45 mm"."""
    shape = stack.volume.voxels.shape
    middle = (np.array(shape) - 1) / 2
    middle[stack.axes[0]] = stack.orientation.stored_index(number, shape)
    across = PLANES[stack.orientation.plane_name]
    place = float((stack.volume.affine @ [*middle[::-1], 1])[across])
    return f"{_DIRECTIONS[across][place < 0]} {abs(place):.0f} mm"


def draw_image(axes: Axes, stack: SliceStack, number: int) -> None:
    """Draw slice `number` in grey, in the radiological convention: superior or anterior is up, the patient's right (in
    sagittal slices: anterior) is on the left."""
    _show(axes, stack, np.repeat(_grey(stack, number)[..., None], 3, axis=2))


def draw_map(axes: Axes, stack: SliceStack, number: int, coefficients: np.ndarray, colours: MapColours) -> None:
    """Draw slice `number` with an attention map (D, H, W) over it, in the colours of `scale_over_grey`."""
    shares = colours.shares(stack.view(coefficients)[number])
    _show(axes, stack, _blended(_grey(stack, number), shares, colours))


def scale_over_grey(colours: MapColours, rows: int = 64, columns: int = 24) -> np.ndarray:
    """All colours of `draw_map` as a picture (rows, columns, 3). Coefficients grow with the rows, and the image below
    them goes from black to white with the columns."""
    shares, grey = np.linspace(0, 1, rows), np.linspace(0, 1, columns)
    return _blended(np.tile(grey, (rows, 1)), np.tile(shares[:, None], columns), colours)


def draw_outlines(axes: Axes, stack: SliceStack, labels: np.ndarray, colors: dict[int, str]) -> None:
    """Draw the outline of each label of a slice (H, W): a coloured line with dark edges, which can be seen everywhere.

    colors: by the value of a label."""
    height, width = physical_size(stack)
    rows, columns = labels.shape
    x, y = (np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows
    for value, color in colors.items():
        mask = labels == value
        if mask.any() and not mask.all():
            for line, thickness in (("black", 3.0), (color, 1.5)):
                axes.contour(x, y, mask, levels=[0.5], colors=[line], linewidths=thickness)


def draw_orientation(axes: Axes, stack: SliceStack) -> None:
    """Write a letter at each border: R, L, A, P, S or I, for right, left, anterior, posterior, superior, inferior.

    They are bold: where the lines of an L are narrower than a pixel, matplotlib may leave nothing of them."""
    places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02))
    sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, (x, y), (across, along) in zip(_BORDERS[stack.orientation.plane_name], places, sides, strict=True):
        _write(axes, (x, y), letter, ha=across, va=along, weight="bold")


def draw_spacing_bar(axes: Axes, stack: SliceStack) -> None:
    """Draw a white scale bar into the lower right corner, with its length in mm."""
    height, width = physical_size(stack)
    length = next((bar for bar in _BARS if bar <= 0.35 * width), _BARS[-1])
    start = 0.04 * width  # the horizontal axis grows to the left
    axes.plot(
        [start, start + length],
        [0.1 * height] * 2,
        "-",
        color="white",
        lw=2.2,
        path_effects=[withStroke(linewidth=4, foreground="black")],
    )
    _write(axes, (1 - (start + length / 2) / width, 0.11), f"{length} mm", ha="center", va="bottom", fontsize=6.5)


def draw_point(axes: Axes, stack: SliceStack, voxel: tuple[int, int, int]) -> None:
    """Draw a cross at a voxel (k, j, i) of the slice. It marks the query, the point whose attention the map shows."""
    height, width = physical_size(stack)
    row, column = (
        (n - 1 - voxel[axis] if flip else voxel[axis])
        for n, axis, flip in zip(stack.native_size, stack.axes[1:], stack.orientation.flips[1:], strict=True)
    )
    x, y = (column + 0.5) * width / stack.native_size[1], (row + 0.5) * height / stack.native_size[0]
    axes.plot([x], [y], "+", color="black", ms=11, mew=3.6)
    axes.plot([x], [y], "+", color="#00ff66", ms=10, mew=1.6)


def outline_colors(labels: Sequence[Label]) -> dict[int, str]:
    """The colours of labels by their values, brighter, so that a thin line can be seen on a grey image."""
    return {label.value: _bright(label) for label in labels}


def _show(axes: Axes, stack: SliceStack, pixels: np.ndarray) -> None:
    height, width = physical_size(stack)
    axes.imshow(pixels, origin="lower", extent=(0, width, 0, height))
    axes.set(xticks=[], yticks=[], xlim=(width, 0), ylim=(0, height))


def _grey(stack: SliceStack, number: int) -> np.ndarray:
    grey: np.ndarray = np.clip(stack.at_native_size(number), 0, 1)
    return grey


def _blended(grey: np.ndarray, shares: np.ndarray, colours: MapColours) -> np.ndarray:
    red, green, blue = np.moveaxis(colormaps[_SCALE](shares)[..., :3], -1, 0)
    if colours.subtracted:  # black, blue, white instead of black, red, yellow, with the same brightness
        red, green, blue = green, (red + green) / 2, red
    blended: np.ndarray = (1 - OPACITY) * grey[..., None] + OPACITY * np.stack([red, green, blue], axis=-1)
    return blended


def _write(axes: Axes, place: tuple[float, float], text: str, fontsize: float = 7.5, **sides: Any) -> None:
    """Write text in white with a dark border. place: (x, y), as shares of the picture."""
    axes.text(*place, text, transform=axes.transAxes, color="white", fontsize=fontsize, path_effects=_STROKE, **sides)


def _bright(label: Label) -> str:
    strongest = max(label.color) or 1
    red, green, blue = (min(1.0, 0.15 + 0.85 * c / strongest) for c in label.color)
    return to_hex((red, green, blue))
