"""A printed table on one data set, column by column, and the same columns of our scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from AttnSegLib.errors import InputError
from training.papers.columns import paper_columns
from training.papers.systems import PrintedPart, published
from training.scoring.scores import Score

# The name of each recipe of a paper, and what the paper's tables call its data set.
DATASETS: dict[str, dict[str, str]] = {
    "af-net": {"aorta": "aorta", "liver": "liver", "lung": "lung"},
    "anu-net": {
        "liver-ct": "liver CT",
        "spleen-mr": "spleen MRI",
        "kidney-mr": "kidney MRI",
        "liver-mr": "liver MRI",
        "chaos-t2": "all organs",
    },
    "ec-cam-unet": {"tcia": "TCIA", "msd": "MSD", "kits": "KiTS", "heart": "Cardiac"},
    "ms-dual-guided": {"chaos": "CHAOS", "chaos-t2": "CHAOS"},
    "omega-net": {"kidney": "kidney", "pancreas": "pancreas", "liver": "liver"},
}

_ALL_ORGANS = "all organs"  # of one network, each beside the table of its own
_LABELS = {  # what ANU-Net's tables call organs, and which of our labels these are
    "liver CT": ("liver",),
    "liver MRI": ("liver",),
    "kidney MRI": ("right_kidney", "left_kidney"),
    "spleen MRI": ("spleen",),
}
_ORGANS = {"Liver": "liver", "Kidney R": "right_kidney", "Kidney L": "left_kidney", "Spleen": "spleen"}


@dataclass(frozen=True)
class SystemCost:
    """What a row costs. parameters: number; seconds: for one slice, network and all around it."""

    parameters: int
    seconds: float


@dataclass(frozen=True)
class Column:
    """A column of a printed table. score: name in `paper_columns`; organ: as printed, "" for the mean over labels;
    labels: those whose scores count as one organ's, if not all do."""

    name: str
    unit: str
    score: str
    organ: str = ""
    labels: tuple[str, ...] = ()

    def of(self, paper: str, scores: Sequence[Score], cost: SystemCost) -> float:
        """Our value, in the column's unit. "Mean" is the mean over organs."""
        if self.score == "parameters":
            return cost.parameters / 1e6
        if self.score == "time":
            return cost.seconds * 2000  # "time that every model takes to diagnose 2K CT images"
        labels = {one.label for one in scores} if self.organ in ("", "Mean") else {_ORGANS[self.organ]}
        together = [self.labels] if self.labels else [(label,) for label in labels]
        values = [paper_columns(paper, [one for one in scores if one.label in own])[self.score] for own in together]
        return float(np.mean(values)) * (100 if self.unit == "percent" else 1)

    def spread(self, paper: str, scores: Sequence[Score]) -> float:
        """Standard deviation over cases of what each has by itself, in the column's unit; NaN of fewer than two, and
        of what a row costs."""
        if self.score in ("parameters", "time"):
            return float("nan")
        cases = {one.case for one in scores}
        values = [self.of(paper, [one for one in scores if one.case == case], SystemCost(0, 0.0)) for case in cases]
        defined = [value for value in values if not np.isnan(value)]
        return float(np.std(defined, ddof=1)) if len(defined) > 1 else float("nan")


@dataclass(frozen=True)
class Printed:
    """A printed table on one data set. rows: method to column name to value, None for a dash. stds: the same of printed
    standard deviations, empty where there are none."""

    title: str
    columns: tuple[Column, ...]
    rows: dict[str, dict[str, float | None]]
    notes: tuple[str, ...]
    stds: dict[str, dict[str, float]] = field(default_factory=dict)


def printed(paper: str, table: str, dataset: str) -> Printed:
    """The part of a table that is about a data set. Raises `InputError` if there is none."""
    parts = published(paper, table)
    datasets = DATASETS[paper]
    if dataset not in datasets:
        raise InputError(f"{paper} has no data set '{dataset}'; choose one of: {', '.join(datasets)}.")
    group = datasets[dataset]
    if group in parts:
        return _of_an_organ(parts[group])
    if group == _ALL_ORGANS:
        [(organ, part)] = parts.items()
        note = f"Printed: of a network for this organ alone, {organ}. Ours: of one network for four organs, in MR."
        return _of_an_organ(replace(part, notes=(*part.notes, note)), _LABELS[organ])
    if all(group in part.metrics for part in parts.values()):  # data sets side by side
        [(score, part)] = parts.items()
        rows: dict[str, dict[str, float | None]] = {row.method: {score: row.values[group]} for row in part.rows}
        return Printed(part.title, (Column(score, dict(_units(part))[group], score),), rows, part.notes)
    if paper == "ms-dual-guided":
        return _by_score_and_organ(parts)
    others = [name for name, shown in datasets.items() if shown in parts]
    raise InputError(f"{table} of {paper} is not about '{dataset}' but about: {', '.join(others) or 'cost alone'}.")


def _of_an_organ(part: PrintedPart, labels: tuple[str, ...] = ()) -> Printed:
    columns = tuple(Column(metric, unit, metric, labels=labels) for metric, unit in _units(part))
    return Printed(part.title, columns, {row.method: row.values for row in part.rows}, part.notes)


def _by_score_and_organ(parts: dict[str, PrintedPart]) -> Printed:
    columns: list[Column] = []
    rows: dict[str, dict[str, float | None]] = {}
    stds: dict[str, dict[str, float]] = {}
    for score, part in parts.items():
        columns += [Column(f"{score} {organ}", unit, score, organ) for organ, unit in _units(part)]
        for row in part.rows:
            rows.setdefault(row.method, {}).update({f"{score} {organ}": v for organ, v in row.values.items()})
            stds.setdefault(row.method, {}).update({f"{score} {organ}": v for organ, v in row.std.items()})
    first = next(iter(parts.values()))
    return Printed(first.title, tuple(columns), rows, first.notes, stds)


def _units(part: PrintedPart) -> list[tuple[str, str]]:
    return list(zip(part.metrics, part.units, strict=True))
