"""Makes tables of what a cross-validation says about the threshold of the slices to check, and about temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from AttnSegLib.results.slices_to_check import DOUBTFUL
from training.scoring.summary import markdown_table
from training.scoring.trust.folds import SaidOfCase, read_cases, read_temperatures
from training.scoring.trust.slice_trust import RECALL, Named, SliceTrust, read_slices, threshold_for

_THRESHOLDS = (0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3)


def write_report(own: Path) -> str:
    """Write folds.md from the tables of a cross-validation in a folder, and return its text. Raises `InputError` if
    `training.trust` did not write these tables."""
    slices, cases = read_slices(own / "slices.csv"), read_cases(own / "cases.csv")
    parts = [_thresholds(slices, len(cases)), _chosen(slices, cases), _cases(slices, cases)]
    if (own / "temperatures.csv").is_file():
        parts.append(_temperatures(own))
    text = "\n".join(parts)
    (own / "folds.md").write_text(text, encoding="utf-8")
    return text


def _thresholds(slices: Sequence[SliceTrust], cases: int) -> str:
    body = []
    for threshold in sorted({*_THRESHOLDS, DOUBTFUL, threshold_for(slices)}):
        named = Named.of(slices, threshold)
        body.append([f"{threshold:g}", f"{named.named / cases:.1f}", *_shares(named)])
    return markdown_table(["threshold", "named a case", "recall", "precision"], body, 1)


def _chosen(slices: Sequence[SliceTrust], cases: Sequence[SaidOfCase]) -> str:
    """For each fold, the threshold that the other folds would choose, and its recall and precision on this fold."""
    fold_of = {one.case: one.fold for one in cases}
    body = []
    for fold in dict.fromkeys(fold_of.values()):
        threshold = threshold_for([one for one in slices if fold_of[one.case] != fold])
        named = Named.of([one for one in slices if fold_of[one.case] == fold], threshold)
        body.append([fold, f"{threshold:g}", *_shares(named)])
    body.append(["chosen on all", f"{threshold_for(slices):g}", *_shares(Named.of(slices, threshold_for(slices)))])
    return markdown_table(["fold", f"threshold by the others for recall {RECALL:g}", "recall", "precision"], body, 1)


def _cases(slices: Sequence[SliceTrust], cases: Sequence[SaidOfCase]) -> str:
    body = []
    for one in cases:
        named = Named.of([part for part in slices if part.case == one.case])
        said = [f"{one.half:.2f} of {one.half_voxels}", f"{one.most:.2f} of {one.most_voxels}"]
        body.append([one.case, one.fold, str(named.bad), str(named.named), *_shares(named), *said])
    head = ["case", "fold", "bad", f"named at {DOUBTFUL:g}", "recall", "precision", "true of 0.5", "true of 0.9"]
    return markdown_table(head, body, 2)


def _temperatures(own: Path) -> str:
    body = []
    for row in read_temperatures(own / "temperatures.csv"):
        others = "" if isnan(row.others) else f"{row.others:.2f}"
        body.append([row.fold, f"{row.own:.2f}", others, f"{row.loss:.4f}", f"{row.tempered_loss:.4f}"])
    return markdown_table(["fold", "temperature", "of the others", "loss", "loss with the others'"], body, 1)


def _shares(named: Named) -> list[str]:
    return [f"{named.recall:.2f}", f"{named.precision:.2f}"]
