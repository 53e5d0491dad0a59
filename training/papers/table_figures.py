"""What lies beside a made table: each case's scores, box plots and curves of its rows, and ANU-Net's Fig. 13."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from training.papers.columns import paper_columns
from training.papers.printed import SystemCost
from training.scoring.figures import box_plots, convergence
from training.scoring.rows import write_rows
from training.scoring.scores import Score

_BOXES = {
    "ec-cam-unet": ("slice_dice", "slice_recall", "slice_precision", "dice"),
    "ms-dual-guided": ("dice", "volume_similarity", "mean_surface_distance_voxels"),  # those of its Fig. 4
}
_LARGEST = 2500  # area of a network's circle, in square points


@dataclass(frozen=True)
class MadeRow:
    """A row that is finished. log: of its training, epoch by epoch; of several folds the first."""

    scores: Sequence[Score]
    cost: SystemCost
    log: Path


def draw_table(stem: Path, paper: str, rows: Mapping[str, MadeRow]) -> None:
    """Write STEM-scores.csv, STEM-boxplots.png with a box for each row and label, and STEM-curves.png."""
    named = [replace(one, model=method) for method, row in rows.items() for one in row.scores]
    write_rows(_beside(stem, "scores", "csv"), Score, named, digits=4)
    box_plots(_beside(stem, "boxplots"), named, _BOXES.get(paper, ("dice", "precision", "recall")))
    convergence(_beside(stem, "curves"), {method: row.log for method, row in rows.items()})


def draw_pruning(stem: Path, rows: Mapping[str, MadeRow]) -> None:
    """Write STEM-figure13.png, ANU-Net's Fig. 13: Dice against the time for 2000 slices, the parameters as areas."""
    figure = Figure((6.0, 4.0), layout="constrained", dpi=150)
    axes = figure.subplots()
    most = max(row.cost.parameters for row in rows.values())
    for method, row in rows.items():
        seconds, dice = 2000 * row.cost.seconds, 100 * paper_columns("anu-net", row.scores)["Dice"]
        area = _LARGEST * row.cost.parameters / most
        axes.scatter([seconds], [dice], s=[area], color="#56B4E9", alpha=0.6, edgecolors="#0072B2")
        text = f"{method.removeprefix('ANU-Net ')}, {row.cost.parameters / 1e6:.2f} M"
        below = -((area / np.pi) ** 0.5) - 3
        axes.annotate(text, (seconds, dice), (0, below), textcoords="offset points", ha="center", va="top", fontsize=8)
    axes.set(xlabel="time for 2000 slices (s)", ylabel="Dice (%)")
    axes.margins(0.35)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(_beside(stem, "figure13"), format="png")


def _beside(stem: Path, what: str, suffix: str = "png") -> Path:
    return stem.with_name(f"{stem.name}-{what}.{suffix}")
