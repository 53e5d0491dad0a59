"""Train and score all networks alike: python -m training.compare modern/left_atrium-mr comparison/one-for-all
--root DATA --out FOLDER

Every network of the five papers and of their tables, by one recipe, on one split. Run again, it goes on where it
stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.inference.predictor import SlicePredictor
from training.learning.command_line import add_run_options, exit_code_of
from training.learning.recipe import Recipe, read_recipe
from training.learning.scored_run import ScoredRun, cases_to_test
from training.papers.comparison import ABLATIONS, BASELINES, FIVE, REFERENCE, row
from training.scoring.candidates import Model, predictor_of
from training.scoring.comparison_report import ComparedNetworks, write_comparison_report
from training.scoring.evaluation import evaluate
from training.scoring.scores import Score
from training.scoring.truth import Truth
from training.train import RunOptions

_ROWS = [*FIVE, *BASELINES, *ABLATIONS]
_EPILOG = f"""
FOLDER gets a run for each row and seed, and at the end scores.csv, training.csv, summary.md and pictures; time in
summary.md is that of {REFERENCE}, slice by slice in turns, as 1. One row by itself: --row "{REFERENCE}"; then, with
--done, what there is.
"""


@dataclass(frozen=True)
class NetworkComparison:
    """What is compared. recipe: for all networks, with any of them in it. seeds: a training of each row for each."""

    recipe: Recipe
    root: Path
    out: Path
    seeds: Sequence[int]
    run: RunOptions

    def recipe_of(self, title: str, seed: int) -> Recipe:
        """A row's recipe."""
        chosen = row(title)
        own = {key: value for key, value in self.recipe.options.items() if key in ("in_channels", "num_classes")}
        return replace(self.recipe, network=chosen.network, options=own | chosen.options).with_changes(seed=seed)

    def run_of(self, title: str, seed: int) -> ScoredRun:
        """A row's run: the same for all levels of a network, each of which has its own scores."""
        chosen = row(title)
        table = self.out / chosen.run_name / f"seed-{seed}" / chosen.scores_name
        return ScoredRun(self.recipe_of(title, seed), self.root, table)

    def predictor(self, title: str, checkpoint: dict[str, Any]) -> SlicePredictor:
        """A row's network. checkpoint: the content of its run's."""
        largest = self.recipe.card["largest_component"]
        return predictor_of(checkpoint, self.run.compute, row(title).level, largest_component=largest)

    @property
    def truth(self) -> Truth:
        """What all are scored against: the recipe's test cases. Raises `InputError` if there are none."""
        return Truth(cases_to_test(self.recipe, self.root), self.recipe.dataset, self.recipe.labels)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _compare(options))


def _compare(options: argparse.Namespace) -> None:
    run = RunOptions(options.accelerator, workers=options.workers, cache=options.out / "slices", resume=True)
    recipe = read_recipe(options.recipe).with_changes(epochs=options.epochs)
    wanted = NetworkComparison(recipe, options.root, options.out, options.seed or [0], run)
    for title, seed, scores in () if options.done else scored(wanted, options.row or _ROWS):
        dice = ", ".join(f"{one.case} {one.dice:.3f}" for one in scores)
        print(f"{title}, seed {seed}: Dice {dice}", flush=True)
    if not options.row:
        done, pictures = compared(wanted), options.pictures or options.out
        pictures.mkdir(parents=True, exist_ok=True)
        print(write_comparison_report(done, options.out, pictures))


def scored(wanted: NetworkComparison, titles: Sequence[str]) -> Iterator[tuple[str, int, list[Score]]]:
    """Each row and seed with its scores, as it is done: all rows with the first seed, then all with the next.

    Raises `InputError` for an unknown row or a split without test cases, before hours of training.
    """
    truth = wanted.truth
    runs = [(title, seed, wanted.run_of(title, seed)) for seed in wanted.seeds for title in titles]
    for title, seed, one in runs:

        def score(checkpoint: dict[str, Any], title: str = title) -> list[Score]:
            return evaluate([Model(title, wanted.predictor(title, checkpoint))], truth)

        yield title, seed, one.make(wanted.run, score)


def compared(wanted: NetworkComparison) -> ComparedNetworks:
    """The rows that are done, each with those seeds that are. Raises `InputError` if there is none, or one of another
    recipe."""
    runs = {
        title: {seed: run for seed in wanted.seeds if (run := wanted.run_of(title, seed)).is_done} for title in _ROWS
    }
    done = {title: own for title, own in runs.items() if own}
    if not done:
        raise InputError(f"No row is done in '{wanted.out}'; run the same command without --done.")
    truth = wanted.truth
    cases = {case.id: case.patient for case in truth.cases}
    scores, patients = [], {}
    for title, own in done.items():
        for seed, run in own.items():
            for one in run.read():
                case = one.case if len(wanted.seeds) == 1 else f"{one.case}, seed {seed}"
                scores.append(replace(one, model=title, case=case))
                patients[case] = cases[one.case]
    firsts = {title: next(iter(own.values())) for title, own in done.items()}
    return ComparedNetworks(
        scores,
        patients,
        predictors={title: wanted.predictor(title, run.checkpoint()) for title, run in firsts.items()},
        logs={title: {seed: run.folder / "metrics.csv" for seed, run in own.items()} for title, own in done.items()},
        truth=truth,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compare",
        description="Train and score all networks of the five papers and of their tables by one recipe.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", nargs="+", help="TOML files, or names: modern/left_atrium-mr comparison/one-for-all")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for runs, tables, pictures")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--row", action="append", metavar="TITLE", help="only this; may be repeated (default: all)")
    which.add_argument("--done", action="store_true", help="train nothing: tables and pictures of what is done")
    parser.add_argument("--seed", type=int, action="append", help="may be repeated (default: 0)")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures (default: --out)")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's number")
    add_run_options(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
