"""Writes the files of a comparison of networks: scores, tables with costs and differences, and pictures."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from AttnSegLib.images.orientation import Region
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.networks.cost import measure_network
from training.papers.comparison import ABLATIONS, BASELINES, FIVE, REFERENCE, published_dice, row
from training.scoring.candidates import Model
from training.scoring.evaluation import evaluate
from training.scoring.figures import box_plots, convergence, plain_numbers
from training.scoring.point_labels import Point, label_points
from training.scoring.qualitative import QualitativePage, qualitative
from training.scoring.report import Examples
from training.scoring.scores import Score, write_scores
from training.scoring.significance import holm, p_text
from training.scoring.summary import markdown_table, number, summarise
from training.scoring.truth import Truth

_METRICS = ("dice", "slice_dice", "slice_dice_all", "recall", "precision", "hd95_mm", "mean_surface_distance_mm")
_HEAD = ("Dice", "Dice of slices", "empty ones too", "sensitivity", "precision", "HD95 (mm)", "MSD (mm)")
_NOTE = f"""Mean ± standard deviation over patients, of each the mean of its seeds; Dice minus {REFERENCE}'s ± half of
its 95 % confidence interval; p: paired t-test; p (Holm): corrected for all rows of this table.
"""
_COLORS = {"the five": "#D55E00", "baselines": "#0072B2"}
_TIMED = 8  # slices
_ROUNDS = 3
_FAR = 0.2  # networks with a Dice further below the median are not drawn: the others would be too close together


@dataclass(frozen=True, eq=False)
class ComparedNetworks:
    """The networks of a comparison, each with the title of its row.

    Args:
        scores: the models in them have the titles of the rows.
        patients: the patient of each case, by case id.
        predictors: by title, the trained network of one seed.
        logs: by title, the metrics.csv of each seed.
        truth: what they were scored against.
    """

    scores: Sequence[Score]
    patients: Mapping[str, str]
    predictors: Mapping[str, SlicePredictor]
    logs: Mapping[str, Mapping[int, Path]]
    truth: Truth

    def titles(self, *wanted: str) -> list[str]:
        """Those of the wanted titles that are in the comparison."""
        return [title for title in wanted if title in self.predictors]


@dataclass(frozen=True)
class RowCost:
    """What a network costs.

    Args:
        parameters: their number.
        macs: multiply-accumulate operations for a slice, in the size that the network gets.
        seconds: for a slice, including the steps before and after the network.
    """

    parameters: int
    macs: int
    seconds: float


def write_comparison_report(compared: ComparedNetworks, out: Path, pictures: Path) -> str:
    """Write scores.csv, training.csv and summary.md into the folder `out`, and pictures into the folder `pictures`.

    Returns the text of summary.md."""
    costs = measure_costs(compared)
    text = comparison_tables(compared, costs)
    write_scores(out / "scores.csv", compared.scores)
    write_logs(out / "training.csv", compared.logs)
    (out / "summary.md").write_text(text, encoding="utf-8")
    every = list(compared.predictors)  # used if there are only ablations
    shown = compared.titles(*FIVE, REFERENCE) or every
    networks = compared.titles(*FIVE, *BASELINES) or every
    best_first = sorted(networks, key=lambda title: -np.mean(list(_by_patient(compared, title).values())))
    of_networks = [one for title in best_first for one in compared.scores if one.model == title]
    box_plots(pictures / "comparison-boxplots.png", of_networks, ["dice", "slice_dice", "hd95_mm"])
    cost_plot(pictures / "comparison-cost.png", compared, costs)
    convergence(
        pictures / "comparison-convergence.png", {title: next(iter(compared.logs[title].values())) for title in shown}
    )
    examples = Examples(compared.truth.labels)
    evaluate([Model(title, compared.predictors[title]) for title in shown], compared.truth, examples)
    page = QualitativePage("Where networks and reference differ", examples.rows, compared.truth.labels)
    qualitative(pictures / "comparison-examples.png", page)
    return text


def write_logs(path: Path, logs: Mapping[str, Mapping[int, Path]]) -> None:
    """Write the lines of all logs into one table, each after the title of its row and its seed. A log that several rows
    share, such as the levels of a network, is written once."""
    written: set[Path] = set()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for title, own in logs.items():
            for seed, log in own.items():
                with log.open(newline="", encoding="utf-8") as lines:
                    head, *body = csv.reader(lines)
                if not written:
                    writer.writerow(["model", "seed", *head])
                if log not in written:
                    writer.writerows([title, seed, *line] for line in body)
                written.add(log)


def measure_costs(compared: ComparedNetworks) -> dict[str, RowCost]:
    """The costs of each network, by title. Times are medians of several rounds, in each of which every network predicts
    the middle slices of a case."""
    volume = compared.truth.read(compared.truth.cases[0]).volume
    stacks = {title: SliceStack.of(volume, one.preprocessing) for title, one in compared.predictors.items()}
    seconds: dict[str, list[float]] = {title: [] for title in compared.predictors}
    for _ in range(_ROUNDS + 1):
        for title, predictor in compared.predictors.items():
            seconds[title].append(_time(predictor, stacks[title]))
    costs = {}
    for title, stack in stacks.items():
        chosen, size = row(title), max(stack.model_size)
        level = {"level": chosen.level} if chosen.level else {}
        cost = measure_network(chosen.network, size, **chosen.options, **level)
        costs[title] = RowCost(cost.parameters, cost.macs, float(np.median(seconds[title][1:])))  # the first is slower
    return costs


def comparison_tables(compared: ComparedNetworks, costs: Mapping[str, RowCost]) -> str:
    """Two Markdown tables, for the networks and for the ablations, the best Dice first."""
    parts = []
    for heading, group in (("The five, and what they are compared with", FIVE | BASELINES), ("Ablations", ABLATIONS)):
        if titles := compared.titles(*group):
            parts.append(f"## {heading}\n\n{_table(titles, compared, costs)}\n{_NOTE}")
    return "\n".join(parts)


def difference(compared: ComparedNetworks, title: str) -> tuple[float, float, float] | None:
    """How much higher the Dice of a row is than that of the reference network.

    The scores of several seeds and cases of a patient become their mean first. Then a paired t-test is made over
    patients. A bootstrap of three patients would give an interval that is much too narrow.

    Returns:
        The mean difference, half the width of its 95 % confidence interval, and p. None for the reference itself, or
        for fewer than two patients.
    """
    from scipy import stats  # imported here, since it takes half a second

    own, other = _by_patient(compared, title), _by_patient(compared, REFERENCE)
    pairs = [own[patient] - other[patient] for patient in own if patient in other]
    if title == REFERENCE or len(pairs) < 2:
        return None
    mean, error = float(np.mean(pairs)), float(stats.sem(pairs))
    half = float(stats.t.ppf(0.975, len(pairs) - 1)) * error
    p = float(stats.ttest_1samp(pairs, 0).pvalue) if any(pairs) else 1.0  # undefined if all are 0
    return mean, half, p


def cost_plot(path: Path, compared: ComparedNetworks, costs: Mapping[str, RowCost]) -> None:
    """Write a PNG with the mean Dice of each network against its operations. Networks that are far below the others are
    only named."""
    figure = Figure(figsize=(8.5, 5.0), layout="constrained", dpi=150)
    axes = figure.subplots()
    points = [
        _point(title, color, compared, costs)
        for color, group in zip(_COLORS.values(), (FIVE, BASELINES), strict=True)
        for title in compared.titles(*group)
    ]
    lowest = float(np.median([one.y for one in points])) - _FAR if points else 0.0
    far = ", ".join(f"{one.name} {one.y:.2f}" for one in points if one.y < lowest)
    points = [one for one in points if one.y >= lowest]
    for kind, color in _COLORS.items():
        of_kind = [one for one in points if one.color == color]
        axes.plot([one.x for one in of_kind], [one.y for one in of_kind], "o", color=color, ms=7, label=kind)
    if far:
        axes.text(0.0, 0.0, f" far below: {far}", transform=axes.transAxes, va="bottom", fontsize=8, color="0.35")
    axes.set(xscale="log", xlabel="multiply-accumulates for a slice (G)", ylabel="mean Dice of the test patients")
    plain_numbers(axes.xaxis)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.12)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    label_points(figure, axes, points)
    figure.savefig(path, format="png")


def _point(title: str, color: str, compared: ComparedNetworks, costs: Mapping[str, RowCost]) -> Point:
    dice = float(np.mean(list(_by_patient(compared, title).values())))
    return Point(title, costs[title].macs / 1e9, dice, color)


def _table(titles: Sequence[str], compared: ComparedNetworks, costs: Mapping[str, RowCost]) -> str:
    scores = [one for one in compared.scores if one.model in titles]
    rows = {line.model: line for line in summarise(scores, _METRICS, compared.patients)}
    reference = costs.get(REFERENCE)
    found = {title: difference(compared, title) for title in titles}
    p_values = {title: one[2] for title, one in found.items() if one}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    body = []
    for title in sorted(titles, key=lambda title: -rows[title].spreads["dice"].mean):
        spreads = [f"{number(m, s.mean)} ± {number(m, s.sd)}" for m, s in rows[title].spreads.items()]
        cost, printed, own = costs[title], published_dice(title), found[title]
        body.append(
            [
                f"**{title}**" if title in FIVE else title,
                str(len(compared.logs[title])),
                *spreads,
                *((f"{own[0]:+.3f} ± {own[1]:.3f}", p_text(own[2]), p_text(corrected[title])) if own else [""] * 3),
                f"{cost.parameters / 1e6:.1f}",
                f"{cost.macs / 1e9:.1f}",
                f"{cost.seconds / reference.seconds:.2f}" if reference else "",
                "" if printed is None else f"{printed:.2f}",
            ]
        )
    differences = [f"Dice minus {REFERENCE}'s", "p", "p (Holm)"]
    head = ["network", "seeds", *_HEAD, *differences, "parameters (M)", "MACs (G)", "time", "printed Dice (%)"]
    return markdown_table(head, body, 1)


def _by_patient(compared: ComparedNetworks, title: str) -> dict[str, float]:
    """The mean Dice of each patient in a row."""
    found: dict[str, list[float]] = {}
    for one in compared.scores:
        if one.model == title:
            found.setdefault(compared.patients[one.case], []).append(one.dice)
    return {patient: float(np.mean(values)) for patient, values in found.items()}


def _time(predictor: SlicePredictor, stack: SliceStack) -> float:
    """Seconds for one slice: the mean over the middle slices of a stack."""
    shape, axis = stack.volume.voxels.shape, stack.axes[0]
    first = max(0, (shape[axis] - _TIMED) // 2)
    stop = min(shape[axis], first + _TIMED)
    begin = time.perf_counter()
    predictor.predict_stack(stack, PredictionOptions(region=Region((0, 0, 0), shape).cut(axis, first, stop)))
    return float((time.perf_counter() - begin) / (stop - first))
