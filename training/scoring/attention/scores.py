"""Numbers of what an attention map says about an organ: how large it is where, and whether its maximum is a hit."""

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

BAND = 2.0  # mm to either side of the organ's outline in the slice


@dataclass(frozen=True)
class MapScore:
    """A map in the slices of a case that hold the organ; NaN where a region has no pixels.

    inside, boundary, outside: mean coefficients; the boundary is a band of `BAND` mm to either side of the outline,
    which inside and outside lack. spread: standard deviation of all coefficients; a map without any says nothing.
    contrast: chance that a pixel of the organ has a larger coefficient than one outside, mean over slices; 0.5 says
    nothing, under 0.5 the map avoids the organ. edge: the same for the boundary against all else. hits: share of slices
    whose maximum lies in the organ, ties counting in part. chance: the organ's share of the slices' pixels.
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
    """Coefficients and the mask of the organ (D, H, W). Raises `InputError` for a case without the organ."""
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
    """Map to number to mean over the cases in which it is defined."""
    means: dict[str, dict[str, float]] = {}
    for title in dict.fromkeys(one.map for one in scores):
        of_map = [one for one in scores if one.map == title]
        means[title] = {name: _mean_defined([getattr(one, name) for one in of_map]) for name in NUMBERS}
    return means


def write_map_scores(path: Path, scores: Iterable[MapScore]) -> None:
    """Write a CSV table with a header."""
    write_rows(path, MapScore, scores, digits=3)


def read_map_scores(path: Path) -> list[MapScore]:
    """Read what `write_map_scores` wrote. Raises `InputError` for another table."""
    return read_rows(path, MapScore, "training.attention_study")


def _mean_contrast(masks: np.ndarray, values: np.ndarray) -> float:
    return _mean_defined([roc_auc(mask, value) for mask, value in zip(masks, values, strict=True)])


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")


def _mean_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
