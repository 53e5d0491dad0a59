"""Measures how far a recipe can be trusted, by a cross-validation: no patient is predicted by a network that saw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.models.catalog import sha256_of
from training.learning.recipe import Recipe, read_checkpoint, recipe_of
from training.scoring.candidates import predictor_of
from training.scoring.rows import read_rows, write_rows
from training.scoring.trust.calibration import Key, total, write_bins
from training.scoring.trust.case_trust import CaseTrust, case_trust, summed, write_cases
from training.scoring.trust.temperature import best_temperature
from training.scoring.truth import Truth
from training.slices.case import Case
from training.slices.module import deal

TEMPERED = "tempered.csv"
_EVERY = "all"
_MADE_BY = "training.trust"


@dataclass(frozen=True)
class Fold:
    """A run of `training.cross_validate`. checkpoint: its last one; cases: those that were held out."""

    checkpoint: Path
    recipe: Recipe
    cases: list[Case]

    @property
    def name(self) -> str:
        """The name of its folder, such as "fold-1"."""
        return self.checkpoint.parent.name


@dataclass(frozen=True)
class FoldTemperature:
    """The best temperature of a fold. All numbers are for voxels near the label.

    Args:
        fold: its name, or "all" for all folds together.
        own: the best temperature for the voxels of this fold.
        others: the best temperature for the voxels of all other folds; NaN for "all".
        loss: mean cross-entropy of the voxels of this fold, in nats, without a temperature.
        tempered_loss: the same with the temperature of the other folds; for "all", the mean over all voxels.
    """

    fold: str
    own: float
    others: float
    loss: float
    tempered_loss: float


@dataclass(frozen=True)
class SaidOfCase:
    """How often probabilities of about 0.5 and 0.9 were right in a case, for voxels near the labels.

    Probabilities in the same bin, of width 1/15, count as the same.

    Args:
        fold: the fold that held the case out.
        case: its id.
        half, most: the share of the voxels with probability 0.5 and 0.9 that have the label; NaN if there are none.
        half_voxels, most_voxels: the numbers of these voxels.
    """

    fold: str
    case: str
    half: float
    half_voxels: int
    most: float
    most_voxels: int


def read_folds(runs: Path, root: Path) -> list[Fold]:
    """The folds of a cross-validation.

    Args:
        runs: the folder of the cross-validation.
        root: folder of the data set.

    Raises:
        InputError: if there are no folds, if one is not done, or if a case was held out by no fold or by several.
    """
    folders = sorted(runs.glob("fold-*"), key=lambda own: (len(own.name), own.name))
    found = [read_fold(own, root) for own in folders]
    if not found:
        raise InputError(f"There are no folds in '{runs}'; give the --out of training.cross_validate.")
    parts = deal(found[0].recipe, root)
    wanted = {case.id for case in (*parts.training, *parts.validation)}
    times = Counter(case.id for one in found for case in one.cases)
    if wrong := sorted(name for name in wanted | set(times) if times[name] != 1 or name not in wanted):
        raise InputError(
            f"Case '{wrong[0]}' was held out by {times[wrong[0]]} of the {len(found)} folds in '{runs}', not by one; "
            "run training.cross_validate there until all folds are done, each --folds in a folder of its own."
        )
    return found


def weights_of(folds: Sequence[Fold]) -> str:
    """The SHA-256 of each checkpoint, in one text, to tell whether the folds have changed."""
    return " ".join(sha256_of(one.checkpoint) for one in folds)


def measure_folds(folder: Path, folds: Sequence[Fold], compute: Compute) -> None:
    """Predict the held-out cases of all folds, and write tables into a folder.

    These are the tables of `write_cases`, and cases.csv. For a recipe with one label there are also temperatures.csv
    and tempered.csv, which is like bins.csv, but each fold has the temperature of the others. Raises `InputError` for a
    case that can't be read.
    """
    found = {one.name: _measure(one, compute) for one in folds}
    write_cases(folder, [case for cases in found.values() for case in cases])
    said = [_said(name, case) for name, cases in found.items() for case in cases]
    write_rows(folder / "cases.csv", SaidOfCase, said, digits=4)
    labels = folds[0].recipe.labels
    if len(labels) == 1 and len(folds) > 1:
        _write_temperatures(folder, found, labels[0].id)


def read_temperatures(path: Path) -> list[FoldTemperature]:
    """Read temperatures.csv of `measure_folds`; the last line is for all folds. Raises `InputError` for other files."""
    return read_rows(path, FoldTemperature, _MADE_BY)


def read_cases(path: Path) -> list[SaidOfCase]:
    """Read cases.csv of `measure_folds`. Raises `InputError` for another table."""
    return read_rows(path, SaidOfCase, _MADE_BY)


def read_fold(own: Path, root: Path) -> Fold:
    """The run of a single fold. Raises `InputError` if it is not done, or held out cases that are not there."""
    if not any(own.glob("scores*.csv")):
        raise InputError(f"The run in '{own}' is not done; run training.cross_validate again, which goes on with it.")
    checkpoint = own / "last.ckpt"
    recipe = recipe_of(checkpoint)
    cases = deal(recipe, root).validation
    if sorted(case.id for case in cases) != sorted(
        read_checkpoint(checkpoint)["hyper_parameters"]["cases"]["validation"]
    ):
        raise InputError(f"'{root}' lacks cases that the run in '{own}' held out; give the same data set.")
    return Fold(checkpoint, recipe, cases)


def _measure(fold: Fold, compute: Compute) -> list[CaseTrust]:
    largest = bool(fold.recipe.card["largest_component"])
    predictor = predictor_of(read_checkpoint(fold.checkpoint), compute, largest_component=largest)
    truth = Truth(fold.cases, fold.recipe.dataset, fold.recipe.labels)
    return [case_trust(predictor, truth, case) for case in tqdm(fold.cases, fold.name, unit="case", disable=None)]


def _said(fold: str, case: CaseTrust) -> SaidOfCase:
    bins = total(tally.reliability() for (_, region), tally in case.tallies.items() if region == "near")
    return SaidOfCase(fold, case.slices[0].case, *bins.called(0.5), *bins.called(0.9))


def _write_temperatures(folder: Path, found: dict[str, list[CaseTrust]], label: str) -> None:
    """Write temperatures.csv and tempered.csv.

    Temperatures are chosen on voxels near the label. Far from it, nearly all voxels are surely and rightly background,
    whatever the temperature."""
    near = {name: summed(cases, (label, "near")) for name, cases in found.items()}
    others = {name: best_temperature(total(near[other] for other in near if other != name)) for name in near}
    rows = [
        FoldTemperature(name, best_temperature(own), others[name], own.loss(), own.loss(others[name]))
        for name, own in near.items()
    ]
    every, voxels = total(near.values()), [own.voxels.sum() for own in near.values()]
    after = float(np.average([row.tempered_loss for row in rows], weights=voxels))
    rows.append(FoldTemperature(_EVERY, best_temperature(every), float("nan"), every.loss(), after))
    write_rows(folder / "temperatures.csv", FoldTemperature, rows, digits=4)
    keys: list[Key] = [(label, region) for region in ("all", "near")]
    tempered = {
        key: total(summed(cases, key).reliability(others[name]) for name, cases in found.items()) for key in keys
    }
    write_bins(folder / TEMPERED, tempered)
