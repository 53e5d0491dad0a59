"""Reads pictures that were annotated with labelme: polygons in a JSON file beside each picture.

Layout: scan_1.png (or .jpg), scan_1.json. Coordinates are (x, y) from the upper left corner of the picture, and the
first pixel goes from 0 to 1. A pixel belongs to a polygon if its centre lies inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.path import Path as Outline

from AttnSegLib.errors import InputError
from AttnSegLib.images.picture import read_picture
from training.datasets._picture import pairs, picture_volume
from training.slices.case import Case, Labelled

SOURCE = "Give a folder with pictures (PNG or JPEG) and, beside each, the JSON file that labelme saved under its name."
LABELS = {1: "aorta"}
_PICTURES = (".png", ".jpg", ".jpeg")


class _Drawn(NamedTuple):
    """What a JSON file holds. size: (H, W) of the picture; shapes: of the label that is wanted."""

    size: tuple[int, int]
    shapes: list[dict[str, Any]]


def cases(root: Path, label: str | None = None) -> Iterator[Case]:
    """One case for each picture, each counted as another patient. label: read only polygons of this name; None for all.

    Raises `InputError` if a picture has no JSON file or the other way round, or if no file has a polygon of that name.
    """
    files = [path for path in sorted(root.glob("[!.]*")) if path.is_file()]
    annotations = {path.stem: path for path in files if path.suffix.lower() == ".json"}
    found = list(pairs(_pictures(files), annotations, "annotation"))
    if label is not None and found and not any(_parsed(path, label).shapes for _, _, path in found):
        raise InputError(f"No polygon in '{root}' is labelled '{label}'; choose a label that its JSON files name.")
    for name, image, annotation in found:
        yield Case(name, name, partial(_read, image, annotation, label))


def _pictures(files: list[Path]) -> dict[str, Path]:
    pictures: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() in _PICTURES and pictures.setdefault(path.stem, path) != path:
            raise InputError(f"'{pictures[path.stem].name}' and '{path.name}' share one JSON file; keep one of them.")
    return pictures


def _read(image: Path, annotation: Path, label: str | None) -> Labelled:
    pixels = read_picture(image)
    drawn = _parsed(annotation, label)
    if drawn.size != pixels.shape:
        raise InputError(
            f"'{annotation.name}' was drawn on {drawn.size[1]} x {drawn.size[0]} pixels, but '{image.name}' has "
            f"{pixels.shape[1]} x {pixels.shape[0]}; give the picture that was annotated."
        )
    label_map = np.zeros(pixels.shape, dtype=np.uint8)
    for shape in drawn.shapes:
        label_map[_inside(_outline(shape, annotation), pixels.shape)] = 1
    return Labelled(picture_volume(pixels), label_map[None])


def _parsed(path: Path, label: str | None) -> _Drawn:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shapes = [shape for shape in content["shapes"] if shape["label"] == label or label is None]
        return _Drawn((int(content["imageHeight"]), int(content["imageWidth"])), shapes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"'{path}' can't be read as a file of labelme; save it again with labelme.") from error


def _outline(shape: dict[str, Any], path: Path) -> np.ndarray:
    """The corners (N, 2) of a polygon, as x and y. Raises `InputError` for another shape, or without 3 valid points."""
    kind = shape.get("shape_type", "polygon")  # old versions of labelme had only polygons and did not write it
    if kind != "polygon":
        raise InputError(f"'{path.name}' has a shape of type '{kind}'; only polygons are read: draw it as a polygon.")
    try:
        points = np.array(shape["points"], dtype=float)
    except (KeyError, ValueError, TypeError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise InputError(f"'{path.name}' has a polygon '{shape['label']}' without three valid points; draw it again.")
    return points


def _inside(outline: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which pixels (H, W), bool, have their centre inside an outline (N, 2)."""
    rows, columns = np.indices(shape) + 0.5
    centres = np.column_stack([columns.ravel(), rows.ravel()])
    return Outline(outline).contains_points(centres).reshape(shape)
