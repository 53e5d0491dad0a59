"""Score models on whole volumes: python -m training.evaluate MODEL ... --root DATA --out FOLDER"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.catalog import find_model
from training import datasets
from training.papers.columns import COLUMNS
from training.scoring.candidates import Candidate, Folder, Model
from training.scoring.evaluation import evaluate
from training.scoring.report import Examples, Extras, write_evaluation_report
from training.scoring.truth import Wanted, assignment, sources, truth_of

_EPILOG = """
MODEL is the id of a model, a model folder, or a folder of label maps named after their cases (case_1.nii.gz), with the
numbers of the models' labels.
The output folder gets scores.csv (one line per model, case and label), summary.md (means, pooled scores, tests between
models), boxplots.png and examples.png. Empty slices count as part of the volume; slice_dice in scores.csv leaves out
slices that are empty in both, slice_dice_all counts them as 1.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        specs = [find_model(name) for name in options.models if not _is_folder_of_label_maps(name)]
        labels = sources(options.labels) if options.labels else None
        given = dict(map(assignment, options.option))
        wanted = Wanted(options.dataset, given, labels, tuple(options.case or ()))
        truth = truth_of(specs[0] if specs else None, options.root, wanted)
        for spec in specs:
            truth.check(spec)
            if trained := truth.trained_on(spec):
                note = f"Note: '{spec.id}' was trained on a case '{trained[0]}'; if this is it, its score says little."
                print(note, file=sys.stderr)
        candidates = [_candidate(name, options) for name in options.models]
        names = [candidate.name for candidate in candidates]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"Two of the models are called '{doubled[0]}'; rename a folder.")
        examples = Examples(truth.labels)
        scores = evaluate(candidates, truth, examples)
        extras = Extras(options.paper, options.runs, {case.id: case.patient for case in truth.cases})
        for line in write_evaluation_report(options.out, scores, examples, extras):
            print(line)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def _candidate(name: str, options: argparse.Namespace) -> Candidate:
    if _is_folder_of_label_maps(name):
        return Folder(Path(name))
    spec = find_model(name)
    predictor = SlicePredictor.from_model(spec, Compute(options.device), level=options.level)
    shown = spec.id if options.level is None else f"{spec.id} L{options.level}"
    return Model(shown, predictor, flips=options.flips, probabilities=True)


def _is_folder_of_label_maps(name: str) -> bool:
    return Path(name).is_dir() and not (Path(name) / CARD).is_file()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description="Score models, or label maps, on whole volumes of a labelled data set.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="what to score, see below")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables and pictures")
    parser.add_argument("--dataset", help=f"one of: {', '.join(datasets.dataset_names())} (default: the first model's)")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the data set")
    parser.add_argument(
        "--labels", nargs="+", metavar="VALUES", help="for each label of the models: its values in the data set (1 2,3)"
    )
    parser.add_argument(
        "--case",
        action="append",
        metavar="ID",
        help="score only this; may be repeated (default: the first model's test cases)",
    )
    parser.add_argument("--paper", choices=list(COLUMNS), help="also print the columns of this paper's tables")
    parser.add_argument(
        "--runs", type=Path, nargs="*", default=[], metavar="RUN", help="also draw how these runs converged"
    )
    parser.add_argument("--level", type=int, help="prune ANU-Nets to this level")
    parser.add_argument("--flips", action="store_true", help="predict flipped slices as well and take the mean")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: the best there is)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
