"""The columns of each paper's tables, from scores as its authors pool them (see the note of each paper)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.results.metrics import Counts
from training.scoring.scores import Score

Column = Callable[[Sequence[Score]], float]


def mean(metric: str) -> Column:
    """Mean over the cases where it is defined; NaN if it is nowhere."""

    def column(scores: Sequence[Score]) -> float:
        defined = [value for one in scores if not np.isnan(value := getattr(one, metric))]
        return float(np.mean(defined)) if defined else float("nan")

    return column


def pooled(metric: str) -> Column:
    """Of the voxels of all cases added up."""

    def column(scores: Sequence[Score]) -> float:
        total: Counts = reduce(add, (one.counts for one in scores))
        return float(getattr(total, metric))

    return column


def by_slice(metric: str, count: str = "filled_slices") -> Column:
    """Mean over the slices of all cases together, of a metric that is a mean over those of each; NaN if nobody counted
    them. count: which slices there are."""

    def column(scores: Sequence[Score]) -> float:
        weighted = [(getattr(one, metric), getattr(one, count)) for one in scores if getattr(one, count)]
        if not weighted:
            return float("nan")
        values, counts = zip(*weighted, strict=True)
        return float(np.average(values, weights=counts))

    return column


COLUMNS: dict[str, dict[str, Column]] = {
    "af-net": {
        "ACC": pooled("accuracy"),
        "SEN": pooled("recall"),
        "PRE": pooled("precision"),
        "F1": pooled("dice"),
        "AUC": mean("auc"),
        "mIoU": mean("iou"),
        "DICE": mean("dice"),
    },
    "anu-net": {
        "IoU": pooled("iou"),
        "Dice": pooled("dice"),
        "Precision": pooled("precision"),
        "Recall": pooled("recall"),
    },
    "ec-cam-unet": {
        "DSC": by_slice("slice_dice"),
        "Sensitivity": by_slice("slice_recall"),
        "Precision": by_slice("slice_precision"),
        "PPV": by_slice("slice_precision"),
    },
    "ms-dual-guided": {
        "DSC": mean("dice"),
        "VS": mean("volume_similarity"),
        "MSD": mean("mean_surface_distance_voxels"),
    },
    "omega-net": {"DSC": mean("dice"), "PPV": mean("precision"), "Sensitivity": mean("recall")},
}

# What stands beside a paper's own columns, ours alone: where it does not say how it counts.
BESIDE: dict[str, dict[str, Column]] = {
    "ec-cam-unet": {
        "DSC, empty slices 1": by_slice("slice_dice_all", "slices"),
        "DSC by volume": mean("dice"),
        "Sensitivity by volume": mean("recall"),
        "Precision by volume": mean("precision"),
    }
}

NOTES = {
    "af-net": "F1 is pooled over the test set, as its precision and sensitivity are; mIoU, DICE and AUC are means over "
    "images. The printed F1 obeys that, and the printed DICE does not.",
    "anu-net": "All are pooled over the test set: the printed Dice follows from the printed precision and recall.",
    "ec-cam-unet": 'Means over slices: the paper evaluates "on CT slice" (section IV-D). What an empty slice counts it '
    "does not say: here a slice without organ in truth and result is left out, one with it in one of them counts 0. "
    "Beside them, ours alone: the Dice with a left-out slice counting 1, and means over whole volumes.",
    "ms-dual-guided": "Means over subjects, ± their standard deviation; the surface distance is in voxels. The paper "
    "trains PAN and DANet for 400 epochs, and all others for 250, which all rows have in the recipe.",
    "omega-net": "Means over volumes; the printed Dice does not follow from the printed PPV and sensitivity.",
}


def paper_columns(paper: str, scores: Sequence[Score]) -> dict[str, float]:
    """The paper's columns for one model and label, as shares and voxels. Raises `InputError` for an unknown paper."""
    if paper not in COLUMNS:
        raise InputError(f"There is no paper '{paper}'; choose one of: {', '.join(COLUMNS)}.")
    return {name: column(scores) for name, column in COLUMNS[paper].items()}


def columns_beside(paper: str, scores: Sequence[Score]) -> dict[str, float]:
    """Columns of ours that the paper does not have, as shares; none for most papers."""
    return {name: column(scores) for name, column in BESIDE.get(paper, {}).items()}
