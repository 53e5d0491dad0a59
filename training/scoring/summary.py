"""Makes tables from scores: mean and standard deviation over cases, and pooled scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.results.metrics import Counts
from training.scoring.scores import Score

METRICS = ("dice", "iou", "precision", "recall", "hd95_mm", "mean_surface_distance_mm")
MEAN = "mean of labels"
_POOLED = ("dice", "iou", "precision", "recall")
_TITLES = {
    "dice": "Dice",
    "slice_dice": "Dice of slices",
    "slice_dice_all": "Dice of slices, empty ones too",
    "slice_recall": "sensitivity of slices",
    "slice_precision": "precision of slices",
    "iou": "IoU",
    "auc": "AUC",
    "hd95_mm": "HD95 (mm)",
    "seconds": "time (s)",
}


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (divided by n - 1) over patients. NaN if there are too few. undefined: number of
    undefined scores, which are left out."""

    mean: float
    sd: float
    undefined: int


@dataclass(frozen=True)
class SummaryRow:
    """The scores of a model for one label, or for all labels (`MEAN`), where means over a patient's labels are taken.

    Args:
        model: its name.
        label: id of the label, or `MEAN`.
        cases: number of cases.
        spreads: by metric.
        pooled: dice, iou, precision and recall of the voxels of all cases together; for `MEAN`, the mean over labels.
    """

    model: str
    label: str
    cases: int
    spreads: dict[str, Spread]
    pooled: dict[str, float]


def title(metric: str) -> str:
    """The name of a metric in tables and figures. Raises `InputError` if scores have no such metric."""
    known = [field.name for field in fields(Score) if field.type == "float"]
    if metric not in known:
        raise InputError(f"Scores have no metric '{metric}'; choose from: {', '.join(known)}.")
    name, _, unit = metric.rpartition("_")
    plain = f"{name} ({unit})" if unit in ("mm", "ml", "voxels") else metric
    return _TITLES.get(metric, plain.replace("_", " "))


def summarise(
    scores: Sequence[Score], metrics: Sequence[str] = METRICS, patients: Mapping[str, str] | None = None
) -> list[SummaryRow]:
    """A row for each model and label, in the order of the scores, and one for the mean of a model's labels.

    Args:
        scores: of all models.
        metrics: their names.
        patients: the patient of each case, by case id. The mean over a patient's cases is taken first. Without it, each
            case counts as another patient.

    Raises:
        InputError: for an unknown metric, or for two scores of the same model, case and label.
    """
    by_key(scores)
    patients = patients or {}
    rows = []
    for model in dict.fromkeys(one.model for one in scores):
        of_model = [one for one in scores if one.model == model]
        labels = list(dict.fromkeys(one.label for one in of_model))
        rows += [_row(label, [one for one in of_model if one.label == label], metrics, patients) for label in labels]
        if len(labels) > 1:
            rows.append(_row(MEAN, of_model, metrics, patients))
    return rows


def markdown(rows: Sequence[SummaryRow]) -> str:
    """A Markdown table of rows, which must have the same metrics."""
    metrics = list(rows[0].spreads) if rows else []
    head = ["model", "label", "cases", *map(title, metrics), *(f"pooled {title(name)}" for name in _POOLED)]
    body, notes = [], []
    for row in rows:
        cells = [_cell(metric, spread) for metric, spread in row.spreads.items()]
        pooled = [number(name, row.pooled[name]) for name in _POOLED]
        body.append([row.model, row.label, str(row.cases), *cells, *pooled])
        left_out = [(metric, spread.undefined) for metric, spread in row.spreads.items() if spread.undefined]
        notes += [f"{row.model}, {row.label}, {title(metric)}: {n}" for metric, n in left_out]
    text = (
        markdown_table(head, body, 2)
        + "\nMean ± standard deviation over cases; pooled: of the voxels of all cases added up.\n"
    )
    return text + (f"\n† Undefined values, left out: {'; '.join(notes)}.\n" if notes else "")


def by_key(scores: Iterable[Score]) -> dict[tuple[str, str, str], Score]:
    """The scores by model, case and label. Raises `InputError` if two have the same."""
    found: dict[tuple[str, str, str], Score] = {}
    for one in scores:
        if found.setdefault((one.model, one.case, one.label), one) is not one:
            raise InputError(f"Model '{one.model}' has two scores for label '{one.label}' of case '{one.case}'.")
    return found


def _row(label: str, scores: list[Score], metrics: Sequence[str], patients: Mapping[str, str]) -> SummaryRow:
    counts: dict[str, Counts] = {}
    for one in scores:
        counts[one.label] = counts.get(one.label, Counts(0, 0, 0, 0)) + one.counts
    pooled = {name: float(np.mean([getattr(sums, name) for sums in counts.values()])) for name in _POOLED}
    spreads = {metric: _spread(scores, metric, patients) for metric in metrics}
    return SummaryRow(scores[0].model, label, len({one.case for one in scores}), spreads, pooled)


def _spread(scores: list[Score], metric: str, patients: Mapping[str, str]) -> Spread:
    title(metric)
    by_patient: dict[str, list[float]] = {}
    for one in scores:
        if not np.isnan(value := getattr(one, metric)):
            by_patient.setdefault(patients.get(one.case, one.case), []).append(value)
    means = [float(np.mean(values)) for values in by_patient.values()]
    mean = float(np.mean(means)) if means else np.nan
    sd = float(np.std(means, ddof=1)) if len(means) > 1 else np.nan
    return Spread(mean, sd, len(scores) - sum(map(len, by_patient.values())))


def number(metric: str, value: float, sign: str = "") -> str:
    """A value of a metric as text: with two decimals for mm, voxels, mL and s, else with three; "n/a" for NaN."""
    decimals = 2 if metric.endswith(("_mm", "_voxels", "_ml", "seconds")) else 3
    return "n/a" if np.isnan(value) else f"{value:{sign}z.{decimals}f}"


def _cell(metric: str, spread: Spread) -> str:
    sd = "" if np.isnan(spread.sd) else f" ± {number(metric, spread.sd)}"
    return number(metric, spread.mean) + sd + (" †" if spread.undefined else "")


def markdown_table(head: list[str], body: list[list[str]], names: int) -> str:
    """A Markdown table. names: number of the first columns that hold names; the others hold numbers."""
    rule = [":--"] * names + ["--:"] * (len(head) - names)
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (head, rule, *body)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
