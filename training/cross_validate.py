"""Try a recipe without touching the test patients: python -m training.cross_validate modern/afnet modern/left_atrium-mr
--root DATA --out FOLDER

All other patients are dealt into folds, in the order of their names; each fold is scored by a network that was trained
on the rest. Run again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError
from training.learning.command_line import add_run_options, exit_code_of
from training.learning.recipe import Recipe, read_recipe
from training.learning.scored_run import ScoredRun, folds
from training.scoring.candidates import Model, predictor_of
from training.scoring.evaluation import evaluate
from training.scoring.scores import Score, write_scores
from training.scoring.summary import markdown, summarise
from training.scoring.truth import Truth
from training.slices.module import deal
from training.train import RunOptions

_EPILOG = """
FOLDER gets a run for each fold, scores.csv with a line for each patient, and summary.md: once for the network alone,
once with only the largest component kept, and with --flips once with the mean over flipped slices.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _cross_validate(options))


def _cross_validate(options: argparse.Namespace) -> None:
    cache = options.cache or options.out / "slices"
    run = RunOptions(
        accelerator=options.accelerator, workers=options.workers, cache=cache, resume=True, start=options.start
    )
    recipe = read_recipe(options.recipe).with_changes(epochs=options.epochs, seed=options.seed)
    wanted = options.fold or range(1, options.folds + 1)
    if unknown := [number for number in wanted if not 1 <= number <= options.folds]:
        raise InputError(f"There is no fold {unknown[0]}; choose from 1 to {options.folds}.")
    scores: list[Score] = []
    for number, of_fold in enumerate(folds(recipe, options.root, options.folds), start=1):
        if number in wanted:
            scores += _scores(of_fold, options.root, options.out / f"fold-{number}", run, flips=options.flips)
    scores.sort(key=lambda one: one.model)
    write_scores(options.out / "scores.csv", scores)
    text = markdown(summarise(scores, ("dice", "precision", "recall")))
    (options.out / "summary.md").write_text(text, encoding="utf-8")
    print(text)


def _scores(recipe: Recipe, root: Path, folder: Path, run: RunOptions, *, flips: bool) -> list[Score]:
    """Of the validation cases; trains, unless that is done."""

    def score(checkpoint: dict[str, Any]) -> list[Score]:
        plain, cleaned = (predictor_of(checkpoint, run.compute, largest_component=largest) for largest in (False, True))
        ways = [Model("network", plain), Model("network, largest component", cleaned)]
        if flips:
            ways.append(Model("network, flips", plain, flips=True))
        return evaluate(ways, Truth(deal(recipe, root).validation, recipe.dataset, recipe.labels))

    return ScoredRun(recipe, root, folder / ("scores-flips.csv" if flips else "scores.csv")).make(run, score)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.cross_validate",
        description="Score a recipe on its training patients, each by a network that has not seen them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", nargs="+", help="TOML files, or names such as modern/anunet modern/left_atrium-mr")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for runs and scores")
    parser.add_argument("--folds", type=int, default=3, help="how many (default: 3)")
    parser.add_argument(
        "--fold", type=int, action="append", metavar="N", help="only this, from 1; may be repeated (default: all)"
    )
    parser.add_argument("--flips", action="store_true", help="score with flipped slices, too")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's number")
    parser.add_argument("--seed", type=int, help="instead of the recipe's number")
    parser.add_argument("--cache", type=Path, help="folder for decoded slices, to share (default: in --out)")
    parser.add_argument("--start", metavar="CHECKPOINT|MODEL", help="begin with the weights of another run or model")
    add_run_options(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
