"""Draws a small picture of a run for long lists: the slice with the largest area, with outlines and with attention."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from AttnSegLib.inference.prediction import Prediction
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Label
from AttnSegLib.results.pictures.map_colours import MapColours

THUMBNAIL = "thumbnail.jpg"
_SIDE = 112  # pixels of the longer side of a slice
_GAP = 4  # pixels between two slices
_QUALITY = 70  # of JPEG: about 5 kB
_STEPS = np.linspace(0, 1, 6)
_HEAT = np.array([(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)], float)


def write_thumbnail(path: Path, prediction: Prediction, labels: Sequence[Label]) -> None:
    """Write a JPEG of one slice with the outline of each label, and beside it with the first attention map, if there is
    one. Raises `OSError` if the file can't be written."""
    stack = prediction.stack
    seen = stack.view(prediction.label_map)
    number = int(np.argmax((seen > 0).sum(axis=(1, 2)))) if seen.any() else len(seen) // 2
    rows, columns = _places(stack)
    gray = np.clip(stack.at_native_size(number), 0, 1)[np.ix_(rows, columns)]
    label_slice = seen[number][np.ix_(rows, columns)]
    panels = [_outlined(np.repeat(gray[..., None] * 255, 3, axis=2), label_slice, labels)]
    for coefficients in list(prediction.attention.values())[:1]:
        shares = MapColours.of(coefficients).shares(stack.view(coefficients)[number])
        panels.append(_heated(gray, shares[np.ix_(rows, columns)]))
    gap = np.full((len(rows), _GAP, 3), 255.0)
    _write_jpeg(path, np.concatenate([part for panel in panels for part in (gap, panel)][1:], axis=1))


def _places(stack: SliceStack) -> tuple[np.ndarray, np.ndarray]:
    """For each row and each column of the picture, the nearest row and column of the slice.

    Superior or anterior is up; the patient's right (in sagittal slices: anterior) is on the left."""
    sides = [n * stack.volume.spacing[2 - axis] for n, axis in zip(stack.native_size, stack.axes[1:], strict=True)]
    shown = [max(1, round(_SIDE * side / max(sides))) for side in sides]
    rows, columns = ((np.arange(m) * n) // m for m, n in zip(shown, stack.native_size, strict=True))
    return rows[::-1], columns[::-1]


def _outlined(picture: np.ndarray, label_slice: np.ndarray, labels: Sequence[Label]) -> np.ndarray:
    for label in labels:
        mask = np.pad(label_slice == label.value, 1)
        inner = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        picture[mask[1:-1, 1:-1] & ~inner] = _bright(label)
    return picture


def _bright(label: Label) -> np.ndarray:
    """The label's colour as RGB, brighter, so that a thin line can be seen on a gray image."""
    return 40 + 215 * np.array(label.color, float) / max(*label.color, 1)


def _heated(gray: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) of attention over an image: the less attention, the more of the image shows through.

    gray: (H, W), 0 to 1; heat: (H, W), places in the colour scale, 0 to 1."""
    opacity = 0.15 + 0.65 * heat[..., None]
    colors = np.stack([np.interp(heat, _STEPS, _HEAT[:, channel]) for channel in range(3)], axis=-1)
    return np.asarray(gray[..., None] * 255 * (1 - opacity) + colors * opacity)


def _write_jpeg(path: Path, picture: np.ndarray) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(picture.round().astype(np.uint8)), isVector=True)
    try:
        sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=_QUALITY)
    except RuntimeError as error:
        raise OSError(f"{path.name} could not be written, and the system does not say why") from error
