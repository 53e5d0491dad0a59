"""Are probabilities and slices to check right? python -m training.trust MODEL ... --root DATA --out FOLDER"""

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
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from training.scoring.regions import near
from training.scoring.summary import markdown_table
from training.scoring.trust.calibration import (
    Key,
    Reliability,
    mean_over_labels,
    read_bins,
    reliability_diagram,
    write_bins,
)
from training.scoring.trust.measured import all_measured, once
from training.scoring.trust.slice_trust import BAD, SliceTrust, auc, read_slices, trust_of, write_slices
from training.scoring.truth import Truth, Wanted, truth_of

_NEAR = 5.0  # mm
_EPILOG = f"""
FOLDER gets, for each model, slices.csv and bins.csv; and of all models in it, whenever they were measured, summary.md
and reliability.png. A model that was measured on these cases before is not measured again: delete its folder for that.

ECE: expected calibration error of the voxels' probabilities of a label, in 15 bins of equal width; the Brier score is
their mean squared error; both are means over the labels; "near": voxels at most {_NEAR:g} mm from truth or prediction.
AUC: area under the ROC curve with which the score of the slices to check finds slices of Dice under {BAD}, the mean
over the labels in the slice. By size: the same for "the smaller what was found, the worse". Slices without any label in
truth and prediction are left out; in the columns "all" they count as good.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        for spec in [find_model(name) for name in options.models]:
            trained = spec.training.training_cases
            if options.training_cases and not trained:
                raise InputError(f"The card of '{spec.id}' does not tell which cases it was trained on.")
            cases = trained if options.training_cases else tuple(options.case or ())
            truth = truth_of(spec, options.root, Wanted(cases=cases))
            truth.check(spec)
            predictor = SlicePredictor.from_model(spec, Compute(options.device, precision="float32"))
            ids = [case.id for case in truth.cases]
            once(options.out, spec, ids, partial(measure_trust, predictor=predictor, truth=truth))
        print(write_trust_summary(options.out), end="")
        bins = {own.name: read_bins(own / "bins.csv") for own in all_measured(options.out)}
        pictures = options.pictures or options.out
        pictures.mkdir(parents=True, exist_ok=True)
        reliability_diagram(pictures / "reliability.png", bins)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def measure_trust(folder: Path, predictor: SlicePredictor, truth: Truth) -> None:
    """Write slices.csv and bins.csv of a model. Raises `InputError` for a case that can't be read."""
    bins: dict[Key, Reliability] = {}
    slices: list[SliceTrust] = []
    for case in tqdm(truth.cases, unit="case", disable=None):
        volume, label_map = truth.read(case)
        prediction = predictor.predict(volume, PredictionOptions(probabilities=True))
        slices += trust_of(case.id, prediction.stack, label_map, prediction)
        for label in truth.labels:
            reference, found = label_map == label.value, prediction.label_map == label.value
            probability = prediction.probabilities[label.value]
            around = near(reference | found, volume.spacing[::-1], _NEAR)
            for region, where in (("all", np.ones_like(around)), ("near", around)):
                one, key = Reliability.of(reference[where], probability[where]), (label.id, region)
                bins[key] = bins[key] + one if key in bins else one
    write_slices(folder / "slices.csv", slices)
    write_bins(folder / "bins.csv", bins)


def write_trust_summary(folder: Path) -> str:
    """Write summary.md of all models measured in a folder; returns the table."""
    head = ["model", "cases", "ECE", "ECE near", "Brier", "Brier near", "slices", "bad"]
    head += ["AUC", "by size", "AUC all", "by size all"]
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
    filled = [one for one in slices if not np.isnan(one.dice)]
    counts = [str(len(filled)), str(sum(one.dice < BAD for one in filled))]
    areas = [auc(slices, by, empty=empty) for empty in (False, True) for by in ("score", "smallness")]
    cases = str(len({one.case for one in slices}))
    return [model, cases, *calibration, *counts, *(f"{area:.3f}" for area in areas)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.trust",
        description="How well calibrated models are, and whether their slices to check are the bad ones.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="ids of models, or model folders")
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
