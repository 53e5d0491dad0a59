"""Measures whether probabilities are right: calibration error, Brier score, and the reliability diagram."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from matplotlib.figure import Figure

from AttnSegLib.errors import InputError

BINS = 15
_COLUMNS = 5  # most panels in a row
_COLORS = {"all": "#0072B2", "near": "#D55E00"}  # Okabe and Ito's


@dataclass(frozen=True, eq=False)
class Reliability:
    """Voxels sorted by probability into `BINS` bins of equal width from 0 to 1. All arrays are (BINS,).

    Args:
        voxels: number of voxels in each bin.
        probability: sum of their probabilities.
        positive: number of those that have the label.
        squares: sum of the squared differences between probability and truth.
    """

    voxels: np.ndarray
    probability: np.ndarray
    positive: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, reference: np.ndarray, probability: np.ndarray) -> Reliability:
        """From a mask and probabilities, which may have any shape, but the same."""
        truth, given = reference.ravel().astype(np.float64), probability.ravel().astype(np.float64)
        return cls.of_counts(given, np.ones_like(given), truth)

    @classmethod
    def of_counts(cls, probability: np.ndarray, voxels: np.ndarray, positive: np.ndarray) -> Reliability:
        """From probabilities (V,), the number of voxels with each of them (V,), and how many of these have the label
        (V,)."""
        place = np.minimum((probability * BINS).astype(int), BINS - 1)
        squares = positive * (1 - probability) ** 2 + (voxels - positive) * probability**2
        weights = (voxels, voxels * probability, positive, squares)
        return cls(*(np.bincount(place, weight, BINS).astype(np.float64) for weight in weights))

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.voxels + other.voxels,
            self.probability + other.probability,
            self.positive + other.positive,
            self.squares + other.squares,
        )

    def called(self, probability: float) -> tuple[float, int]:
        """For the bin of a probability: the share of its voxels that have the label (NaN without voxels), and their
        number."""
        place = min(int(probability * BINS), BINS - 1)
        return _share(self.positive[place], self.voxels[place]), int(self.voxels[place])

    @property
    def error(self) -> float:
        """The expected calibration error: how far the mean probability of a bin is from the share of the label in it,
        as mean over all voxels. NaN without voxels."""
        return _share(np.abs(self.probability - self.positive).sum(), self.voxels.sum())

    @property
    def brier(self) -> float:
        """The Brier score: mean squared difference between probability and truth. NaN without voxels."""
        return _share(self.squares.sum(), self.voxels.sum())


Sum = TypeVar("Sum", bound="Addable")


class Addable(Protocol):
    """Counts that can be added."""

    def __add__(self: Sum, other: Sum) -> Sum: ...


def total(parts: Iterable[Sum]) -> Sum:
    """The sum of one or more parts."""
    return reduce(add, parts)


Key = tuple[str, str]  # label and region, "all" or "near"


def write_bins(path: Path, found: Mapping[Key, Reliability]) -> None:
    """Write a CSV table with a line for each bin that holds voxels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "region", "bin", "voxels", "probability", "positive", "squares"])
        for (label, region), one in found.items():
            for number in np.flatnonzero(one.voxels):
                sums = (one.probability[number], one.squares[number])
                shown = [f"{value:.6g}" for value in sums]
                counts = int(one.voxels[number]), int(one.positive[number])
                writer.writerow([label, region, number, counts[0], shown[0], counts[1], shown[1]])


def read_bins(path: Path) -> dict[Key, Reliability]:
    """Read a table of `write_bins`. Raises `InputError` for another table."""
    found: dict[Key, Reliability] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                key = row["label"], row["region"]
                one = found.setdefault(key, Reliability(*(np.zeros(BINS) for _ in range(4))))
                for name in ("voxels", "probability", "positive", "squares"):
                    getattr(one, name)[int(row["bin"])] = float(row[name])
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"'{path}' is not a table of bins that training.trust wrote; delete it.") from error
    return found


def mean_over_labels(found: Mapping[Key, Reliability], region: str, value: str) -> float:
    """Mean of a value ("error" or "brier") over the labels in a region ("all" or "near")."""
    return float(np.mean([getattr(one, value) for (_, where), one in found.items() if where == region]))


def reliability_diagram(path: Path, models: Mapping[str, Mapping[Key, Reliability]]) -> None:
    """Write a PNG with a panel for each model: the share of voxels with the label against the probability, for all
    labels together.

    A bin with less than 0.01 % of the voxels is left out, since it shows only noise.
    """
    rows = -(-len(models) // _COLUMNS)
    columns = -(-len(models) // rows)
    figure = Figure(figsize=(2.3 * columns + 0.4, 2.4 * rows + 0.5), layout="constrained", dpi=130)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, (name, found) in zip(grid.flat, models.items(), strict=False):
        axes.plot([0, 1], [0, 1], color="0.7", lw=0.8)
        for region, color in _COLORS.items():
            parts = [one for (_, where), one in found.items() if where == region]
            one = sum(parts[1:], parts[0])
            shown = one.voxels > 1e-4 * one.voxels.sum()
            x, y = (values[shown] / one.voxels[shown] for values in (one.probability, one.positive))
            label = "all voxels" if region == "all" else "near the organ"
            axes.plot(x, y, color=color, marker="o" if region == "near" else "s", ms=3, lw=1.2, label=label)
        axes.set_title(name.replace("-", "\n", 1), fontsize=8)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.tick_params(labelsize=7)
    for axes in grid.flat[len(models) :]:
        axes.set_visible(False)
    figure.supxlabel("probability of the label", fontsize=9)
    figure.supylabel("share of voxels with the label", fontsize=9)
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path, format="png")


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
