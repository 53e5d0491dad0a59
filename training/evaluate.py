"""Score a model on whole volumes: python -m training.evaluate MODEL --dataset NAME --root DATA [--case ID ...]"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from AttnSegLib import metrics
from AttnSegLib.catalog import Label, find_model
from AttnSegLib.device import Compute
from AttnSegLib.errors import InputError
from AttnSegLib.predictor import SlicePredictor
from training import datasets
from training.case import Case


@dataclass(frozen=True)
class Score:
    """Agreement on one label of one case, over the whole volume, empty slices included.

    slice_dice: mean over the slices where reference or prediction is not empty; seconds: of the whole prediction.
    """

    case: str
    label: str
    dice: float
    precision: float
    recall: float
    slice_dice: float
    volume_ml: float
    reference_ml: float
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Score a model on whole volumes.")
    parser.add_argument("model", help="id of a model, or a model folder")
    parser.add_argument("--dataset", required=True, help="name of a reader in training/datasets/")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument(
        "--case",
        action="append",
        metavar="ID",
        help="score this case; may be repeated (default: the card's validation cases)",
    )
    parser.add_argument("--level", type=int, help="prune an ANU-Net to this level")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--csv", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    try:
        spec = find_model(options.model)
        predictor = SlicePredictor.from_model(spec, Compute(options.device), level=options.level)
        wanted = options.case or spec.training.get("validation_cases", [])
        cases = [case for case in datasets.cases(options.dataset, options.root) if case.id in wanted]
        if missing := sorted(set(wanted) - {case.id for case in cases}) or not wanted:
            raise InputError(f"The data set does not have the cases to score: {missing if wanted else 'none given'}.")
        scores = []
        for score in evaluate(predictor, spec.labels, cases):
            print(f"{score.case}  {score.label}  Dice {score.dice:.4f}  precision {score.precision:.4f}  ", end="")
            print(f"recall {score.recall:.4f}  slice Dice {score.slice_dice:.4f}  {score.seconds:.1f} s", flush=True)
            scores.append(score)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(f"mean Dice {np.mean([s.dice for s in scores]):.4f} over {len({s.case for s in scores})} volumes")
    if options.csv:
        write_csv(options.csv, scores)
    return 0


def evaluate(predictor: SlicePredictor, labels: Iterable[Label], cases: Iterable[Case]) -> Iterator[Score]:
    """One score a case and label, case by case."""
    for case in cases:
        prediction = predictor.predict(case.volume)
        view = predictor.preprocessing.stack(case.volume).view
        for label in labels:
            reference, predicted = case.label_map == label.value, prediction.label_map == label.value
            yield Score(
                case=case.id,
                label=label.id,
                dice=metrics.dice(reference, predicted),
                precision=metrics.precision(reference, predicted),
                recall=metrics.recall(reference, predicted),
                slice_dice=float(np.nanmean(metrics.slice_dice(view(reference), view(predicted)))),
                volume_ml=int(predicted.sum()) * case.volume.voxel_volume,
                reference_ml=int(reference.sum()) * case.volume.voxel_volume,
                seconds=prediction.seconds,
            )


def write_csv(path: Path, scores: list[Score]) -> None:
    """Write the scores as a table with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(asdict(scores[0])))
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


if __name__ == "__main__":
    raise SystemExit(main())
