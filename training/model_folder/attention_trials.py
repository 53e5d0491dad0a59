"""Does attention matter more by another recipe?
python -m training.model_folder.attention_trials RUNS ... --root DATA --out FOLDER

RUNS are folders of training.cross_validate, each of another recipe; a fold that is not there is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.networks.override import gammas
from training.learning.recipe import read_checkpoint
from training.scoring.attention.influence import (
    CHANNELS_TOO,
    TOGETHER,
    CaseInfluence,
    SwitchedOff,
    read_influences,
    write_influences,
)
from training.scoring.candidates import network_of, predictor_of
from training.scoring.summary import markdown_table
from training.scoring.trust.folds import Fold, read_fold, weights_of
from training.scoring.trust.measured import all_measured, once
from training.scoring.truth import Truth

_TABLE = "influence.csv"
_HEAD = ["recipe", "patients", "Dice", "without maps", "without both", "influence of maps", "of both", "gamma"]
_EPILOG = f"""
FOLDER gets influence.csv for each of RUNS, and trials.md of all that were ever measured there: the Dice against the
manual label maps with attention, without ({TOGETHER}), and without coefficients over channels either ({CHANNELS_TOO});
the influence of both; means over the labels, and over the patients that each fold held out, before post-processing.
gamma: mean of the learnt weights of attention, without their signs.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        names = [runs.resolve().name for runs in options.runs]
        if len(set(names)) < len(names):
            raise InputError("Two of RUNS have one name, which their tables would share; rename one of the folders.")
        for runs in options.runs:
            folds = [read_fold(own, options.root) for own in sorted(runs.glob("fold-*"))]
            if not folds:
                raise InputError(f"There are no folds in '{runs}'; give the --out of training.cross_validate.")
            ids = [case.id for fold in folds for case in fold.cases]
            write = partial(_write, folds=folds, every=options.every)
            measured = f"{weights_of(folds)}, every {options.every}"
            once(options.out / runs.resolve().name, measured, ids, write)
        print(write_trials(options.out), end="")
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def _write(folder: Path, folds: Sequence[Fold], every: int) -> None:
    measured: list[CaseInfluence] = []
    for fold in folds:
        checkpoint = read_checkpoint(fold.checkpoint)
        weights = [abs(float(gamma)) for gamma in gammas(network_of(checkpoint)).values()]
        switched_off = SwitchedOff(predictor_of(checkpoint, Compute("cpu")), every, only_together=True)
        truth = Truth(fold.cases, fold.recipe.dataset, fold.recipe.labels)
        for case in tqdm(fold.cases, fold.name, unit="case", disable=None):
            of_case = switched_off.measure(case.id, case.patient, truth.read(case))
            measured += [replace(one, gamma=float(np.mean(weights or [np.nan]))) for one in of_case]
    write_influences(folder / _TABLE, measured)


def write_trials(folder: Path) -> str:
    """Write trials.md of all runs measured in a folder; returns the table."""
    body = []
    for own in all_measured(folder):
        measured = read_influences(own / _TABLE)
        maps, both = ([one for one in measured if one.map == name] for name in (TOGETHER, CHANNELS_TOO))
        numbers = [_of_patients(maps, "dice"), *(_of_patients(rows, "dice_without") for rows in (maps, both))]
        numbers += [_of_patients(rows, "influence") for rows in (maps, both)]
        gamma = "" if np.isnan(maps[0].gamma) else f"{np.mean([one.gamma for one in maps]):.2f}"
        body.append([own.name, str(len(numbers[0])), *(_spread(values) for values in numbers), gamma])
    text = markdown_table(_HEAD, body, 1)
    (folder / "trials.md").write_text(text, encoding="utf-8")
    return text


def _of_patients(rows: Sequence[CaseInfluence], name: str) -> list[float]:
    """A value of each patient: the mean over the patient's cases."""
    values: dict[str, list[float]] = {}
    for one in rows:
        values.setdefault(one.patient, []).append(getattr(one, name))
    return [float(np.mean(own)) for own in values.values()]


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.model_folder.attention_trials",
        description="Measure what attention does in the networks of several cross-validations.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="--out of a training.cross_validate")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th slice (default: all)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
