"""Are probabilities and slices to check right? python -m training.trust MODEL ... --root DATA --out FOLDER

On patients of the training, each judged by a network that has not seen it: --folds RUNS instead of models, with the
folder of a training.cross_validate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from AttnSegLib.results.slices_to_check import DOUBTFUL
from training.scoring.summary import markdown_table
from training.scoring.trust.calibration import Key, Reliability, mean_over_labels, read_bins, reliability_diagram
from training.scoring.trust.case_trust import NEAR, case_trust, write_cases
from training.scoring.trust.folds import TEMPERED, measure_folds, read_folds, weights_of
from training.scoring.trust.folds_report import write_report
from training.scoring.trust.measured import all_measured, once
from training.scoring.trust.slice_trust import BAD, Named, SliceTrust, auc, read_slices
from training.scoring.truth import Truth, Wanted, truth_of

_EPILOG = f"""
FOLDER gets, for each model, slices.csv and bins.csv; and of all models in it, whenever they were measured, summary.md
and reliability.png. A model that was measured on these cases before is not measured again: delete its folder for that.

ECE: expected calibration error of the voxels' probabilities of a label, in 15 bins of equal width; the Brier score is
their mean squared error; both are means over the labels; "near": voxels at most {NEAR:g} mm from truth or prediction.
AUC: area under the ROC curve with which the score of the slices to check finds bad slices: of Dice under {BAD}, the
mean over the labels in the slice. Recall: the share of the bad ones that score over {DOUBTFUL:g}, and so are named.
Precision: the share of the named slices that are bad. By size: the AUC of "the smaller what was found, the worse".
Slices without any label in truth and prediction are left out of both AUCs; in the columns "all", and for the precision,
they count as good.

--folds: FOLDER gets also, for each cross-validation, folds.md: what other thresholds would do, the one that each fold's
others choose, each case, and the temperature by which logits are best divided; and, with the temperature of the other
folds, tempered.csv, which is in the picture, too.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    compute = Compute(options.device, precision="float32")
    try:
        _measure_models(options, compute)
        reports = [_measured_folds(runs, options, compute) for runs in options.folds]
        print("\n".join([write_trust_summary(options.out), *reports]), end="")
        pictures = options.pictures or options.out
        pictures.mkdir(parents=True, exist_ok=True)
        reliability_diagram(pictures / "reliability.png", _bins(options.out))
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def _measure_models(options: argparse.Namespace, compute: Compute) -> None:
    for spec in [find_model(name) for name in options.models]:
        trained = spec.training.training_cases
        if options.training_cases and not trained:
            raise InputError(f"The card of '{spec.id}' does not tell which cases it was trained on.")
        cases = trained if options.training_cases else tuple(options.case or ())
        truth = truth_of(spec, options.root, Wanted(cases=cases))
        truth.check(spec)
        predictor = SlicePredictor.from_model(spec, compute)
        ids = [case.id for case in truth.cases]
        once(options.out / spec.id, spec.sha256, ids, partial(measure_trust, predictor=predictor, truth=truth))


def _measured_folds(runs: Path, options: argparse.Namespace, compute: Compute) -> str:
    """The report of a cross-validation. Its folder is called as that of the runs."""
    if options.case or options.training_cases:
        raise InputError("The folds decide which cases are judged by whom; leave --case and --training-cases out.")
    folds, own = read_folds(runs, options.root), options.out / runs.resolve().name
    ids = [case.id for fold in folds for case in fold.cases]
    once(own, weights_of(folds), ids, partial(measure_folds, folds=folds, compute=compute))
    return write_report(own)


def _bins(folder: Path) -> dict[str, dict[Key, Reliability]]:
    """Of all models measured in a folder, by the titles of their panels."""
    found = {}
    for own in all_measured(folder):
        found[own.name] = read_bins(own / "bins.csv")
        if (own / TEMPERED).is_file():
            found[f"{own.name}, tempered"] = read_bins(own / TEMPERED)
    return found


def measure_trust(folder: Path, predictor: SlicePredictor, truth: Truth) -> None:
    """Write slices.csv and bins.csv of a model. Raises `InputError` for a case that can't be read."""
    cases = tqdm(truth.cases, unit="case", disable=None)
    write_cases(folder, [case_trust(predictor, truth, case) for case in cases])


def write_trust_summary(folder: Path) -> str:
    """Write summary.md of all models measured in a folder; returns the table."""
    head = ["model", "cases", "ECE", "ECE near", "Brier", "Brier near", "slices", "bad"]
    head += ["AUC", "recall", "precision", "by size", "AUC all", "by size all"]
    body = [
        _line(own.name, read_bins(own / "bins.csv"), read_slices(own / "slices.csv")) for own in all_measured(folder)
    ]
    text = markdown_table(head, body, 1)
    (folder / "summary.md").write_text(text, encoding="utf-8")
    return text


def _line(model: str, bins: dict[Key, Reliability], slices: Sequence[SliceTrust]) -> list[str]:
    calibration = [
        f"{mean_over_labels(bins, region, value):.4f}" for value in ("error", "brier") for region in ("all", "near")
    ]
    named = Named.of(slices)
    counts = [str(sum(not np.isnan(one.dice) for one in slices)), str(named.bad)]
    areas = [auc(slices, by, empty=empty) for empty in (False, True) for by in ("score", "smallness")]
    shares = [f"{share:.3f}" for share in (areas[0], named.recall, named.precision, *areas[1:])]
    return [model, str(len({one.case for one in slices})), *calibration, *counts, *shares]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.trust",
        description="How well calibrated models are, and whether their slices to check are the bad ones.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("models", nargs="*", default=[], metavar="MODEL", help="ids of models, or model folders")
    whose.add_argument(
        "--folds", type=Path, action="append", default=[], metavar="RUNS", help="--out of a training.cross_validate"
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and pictures")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--case", action="append", metavar="ID", help="only this; may be repeated (default: test cases)")
    which.add_argument("--training-cases", action="store_true", help="the cases that the model was trained on instead")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures (default: --out)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: the best there is)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
