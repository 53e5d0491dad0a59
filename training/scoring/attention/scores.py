"""Scores attention maps against an organ: how large coefficients are inside and outside, and where the largest is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.results.metrics import roc_auc
from training.scoring.regions import boundary
from training.scoring.rows import read_rows, write_rows

BAND = 2.0  # mm on each side of the organ's outline in a slice


@dataclass(frozen=True)
class MapScore:
    """The scores of a map in one case, over the slices that contain the organ. NaN if a region has no pixels.

    Args:
        case: its id.
        map: title of the map.
        inside, boundary, outside: mean coefficients. The boundary is a band of `BAND` mm on each side of the outline.
            Its pixels count neither as inside nor as outside.
        spread: standard deviation of all coefficients. If it is 0, the map says nothing.
        contrast: probability that a pixel of the organ has a larger coefficient than one outside; mean over slices.
            0.5 says nothing; below 0.5, the map avoids the organ.
        edge: the same for pixels of the boundary and all others.
        hits: share of the slices in which the largest coefficient lies in the organ. If several are the largest, the
            share of them in the organ counts.
        chance: share of the organ in the pixels of these slices.
    """

    case: str
    map: str
    inside: float
    boundary: float
    outside: float
    spread: float
    contrast: float
    edge: float
    hits: float
    chance: float


NUMBERS = tuple(field.name for field in fields(MapScore))[2:]


def score_map(case: str, title: str, stack: SliceStack, coefficients: np.ndarray, organ: np.ndarray) -> MapScore:
    """Score a map in one case.

    Args:
        case: its id.
        title: of the map.
        stack: the slices of the case.
        coefficients: the map, (D, H, W).
        organ: mask (D, H, W).

    Raises:
        InputError: if the case has nothing of the organ.
    """
    masks = stack.view(organ)
    chosen = np.flatnonzero(masks.any(axis=(1, 2)))
    if not chosen.size:
        raise InputError(f"Case '{case}' has none of the organ to look at; leave it out.")
    masks, values = masks[chosen], stack.view(coefficients)[chosen].astype(np.float32)
    spacing = tuple(stack.volume.spacing[2 - axis] for axis in stack.axes[1:])
    bands = np.stack([boundary(mask, spacing, BAND) for mask in masks])
    tops = values == values.max(axis=(1, 2), keepdims=True)
    return MapScore(
        case=case,
        map=title,
        inside=_mean(values[masks & ~bands]),
        boundary=_mean(values[bands]),
        outside=_mean(values[~masks & ~bands]),
        spread=float(values.std(dtype=np.float64)),
        contrast=_mean_contrast(masks, values),
        edge=_mean_contrast(bands, values),
        hits=float(((tops & masks).sum(axis=(1, 2)) / tops.sum(axis=(1, 2))).mean()),
        chance=float(masks.mean()),
    )


def mean_over_cases(scores: Sequence[MapScore]) -> dict[str, dict[str, float]]:
    """By the title of a map and the name of a number, the mean over the cases in which it is defined."""
    means: dict[str, dict[str, float]] = {}
    for title in dict.fromkeys(one.map for one in scores):
        of_map = [one for one in scores if one.map == title]
        means[title] = {name: _mean_defined([getattr(one, name) for one in of_map]) for name in NUMBERS}
    return means


def write_map_scores(path: Path, scores: Iterable[MapScore]) -> None:
    """Write a CSV table with a header."""
    write_rows(path, MapScore, scores, digits=3)


def read_map_scores(path: Path) -> list[MapScore]:
    """Read a table of `write_map_scores`. Raises `InputError` for another table."""
    return read_rows(path, MapScore, "training.attention_study")


def _mean_contrast(masks: np.ndarray, values: np.ndarray) -> float:
    return _mean_defined([roc_auc(mask, value) for mask, value in zip(masks, values, strict=True)])


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")


def _mean_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
