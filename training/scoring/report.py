"""Writes the files of an evaluation: scores.csv, summary.md, box plots, curves, and a page of examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Label
from training.papers.columns import NOTES, columns_beside, paper_columns
from training.scoring.figures import box_plots, convergence
from training.scoring.qualitative import QualitativePage, QualitativeRow, qualitative
from training.scoring.scores import Found, Score, write_scores
from training.scoring.significance import tests_markdown, wilcoxon
from training.scoring.summary import markdown, markdown_table, summarise
from training.slices.case import Labelled

_ROWS = 4  # most cases on the page of examples


class Examples:
    """Collects one slice of some cases: the one in which the reference is largest, cropped to what can be compared.

    A slice is named by its index in the file, from 0."""

    def __init__(self, labels: Sequence[Label]):
        self.labels = labels
        self.rows: list[QualitativeRow] = []

    def wanted(self, count: int) -> set[int]:
        """The numbers of the cases to show, evenly spread over `count` cases."""
        return {int(number) for number in np.linspace(0, count - 1, min(count, _ROWS)).round()}

    def add(self, truth: Labelled, found: Sequence[Found], stack: SliceStack | None) -> None:
        """Add a case.

        Args:
            truth: of the case.
            found: the results of models in it.
            stack: the slices to choose from; None takes slices as they are stored.
        """
        axes = stack.axes if stack else (0, 1, 2)
        spacing = truth.volume.spacing[::-1]

        def view(array: np.ndarray) -> np.ndarray:
            return stack.view(array) if stack else array[:, ::-1, ::-1]  # turned for the way in which slices are drawn

        reference = view(truth.label_map)
        number = int((reference > 0).sum(axis=(1, 2)).argmax())
        slices = [reference[number], *(view(one.label_map)[number] for one in found)]
        where = around(np.any(slices, axis=0))
        image = view(truth.volume.voxels)[number].astype(np.float32)[where]
        outlines = {one.model: labels[where] for one, labels in zip(found, slices[1:], strict=True)}
        stored = stack.orientation.stored_index(number, truth.label_map.shape) if stack else number
        name = f"{found[0].case}\nslice {stored}"
        self.rows.append(QualitativeRow(name, image, slices[0][where], outlines, spacing[axes[1]] / spacing[axes[2]]))


def around(mask: np.ndarray) -> tuple[slice, ...]:
    """The part of a slice around a mask (H, W), as an index, with a margin of half its size at each side. The whole
    slice if the mask is empty."""
    part = []
    for axis in (1, 0):
        filled = np.flatnonzero(mask.any(axis=axis))
        first, last = (filled[0], filled[-1]) if filled.size else (0, mask.shape[1 - axis] - 1)
        margin = (last - first) // 2 + 1
        part.append(slice(max(0, first - margin), last + 1 + margin))
    return tuple(part)


@dataclass(frozen=True)
class Extras:
    """What else to put into a report.

    Args:
        paper: the paper whose columns are printed; None for none.
        runs: folders of the runs whose convergence is drawn.
        patients: the patient of each case, by case id. A case that is missing counts as another patient.
    """

    paper: str | None = None
    runs: Sequence[Path] = ()
    patients: dict[str, str] = field(default_factory=dict)


def write_evaluation_report(out: Path, scores: Sequence[Score], examples: Examples, extras: Extras) -> list[str]:
    """Write all files of an evaluation into a folder, and return the lines to print."""
    out.mkdir(parents=True, exist_ok=True)
    write_scores(out / "scores.csv", scores)
    parts = [f"# Scores on {len({one.case for one in scores})} cases", markdown(summarise(scores))]
    if extras.paper:
        parts += [f"## The columns of {extras.paper}", columns_markdown(extras.paper, scores)]
    if len({one.model for one in scores}) > 1:
        parts += ["## Differences in Dice", tests_markdown(wilcoxon(scores, patients=extras.patients))]
    (out / "summary.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    box_plots(out / "boxplots.png", scores, ["dice", "precision", "recall", "hd95_mm"])
    qualitative(
        out / "examples.png", QualitativePage("Where models and reference differ", examples.rows, examples.labels)
    )
    if extras.runs:
        convergence(out / "convergence.png", {run.name: run / "metrics.csv" for run in extras.runs})
    return ["\n\n".join(parts[1:]), f"Written to '{out}'."]


def columns_markdown(paper: str, scores: Sequence[Score]) -> str:
    """A Markdown table with the columns of a paper, and a line for each model and label."""
    keys = list(dict.fromkeys((one.model, one.label) for one in scores))
    body, names = [], []
    for model, label in keys:
        own = [one for one in scores if (one.model, one.label) == (model, label)]
        columns = paper_columns(paper, own) | columns_beside(paper, own)
        names = list(columns)
        body.append([model, label, *("n/a" if math.isnan(value) else f"{value:.4f}" for value in columns.values())])
    return markdown_table(["model", "label", *names], body, 2) + f"\n{NOTES[paper]}\n"
