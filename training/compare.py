"""Train and score all networks alike: python -m training.compare modern/left_atrium-mr comparison/one-for-all
--root DATA --out FOLDER

Every network of the five papers and of their tables, by one recipe, on one split. Run again, it goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from AttnSegLib.device import Compute
from AttnSegLib.errors import InputError
from AttnSegLib.predictor import SlicePredictor, Traits
from training.evaluate import evaluate
from training.papers.comparison import ABLATIONS, BASELINES, FIVE, REFERENCE, row
from training.recipe import Recipe, read_checkpoint, read_recipe
from training.scoring.candidates import Model, network_of
from training.scoring.comparison_report import Compared, write_report
from training.scoring.scores import Score, read_scores, write_scores
from training.scoring.truth import Truth
from training.slice_module import deal
from training.train import RunOptions, train

_ROWS = [*FIVE, *BASELINES, *ABLATIONS]
_EPILOG = f"""
FOLDER gets a run for each row and seed, and at the end scores.csv, summary.md and pictures; time in summary.md is that
of {REFERENCE}, slice by slice in turns, as 1. One row by itself: --row "{REFERENCE}"; then, with --done, what there is.
"""


@dataclass(frozen=True)
class Comparison:
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

    def folder(self, title: str, seed: int) -> Path:
        """Where a row is trained: the same for all levels of a network."""
        chosen = row(title)
        options = [f"{key}={value}" for key, value in chosen.options.items()]
        name = "-".join([chosen.network, *options]).replace("True", "1").replace("False", "0")
        return self.out / name / f"seed-{seed}"

    def scores_file(self, title: str, seed: int) -> Path:
        """There once the row is done."""
        level = row(title).level
        return self.folder(title, seed) / (f"scores-L{level}.csv" if level else "scores.csv")

    @property
    def truth(self) -> Truth:
        """What all are scored against: the recipe's test cases."""
        return Truth(deal(self.recipe, self.root).test, self.recipe.dataset, self.recipe.labels)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    run = RunOptions(options.accelerator, workers=options.workers, cache=options.out / "slices", resume=True)
    try:
        recipe = read_recipe(options.recipe).with_changes(epochs=options.epochs)
        wanted = Comparison(recipe, options.root, options.out, options.seed or [0], run)
        for title, seed, scores in () if options.done else scored(wanted, options.row or _ROWS):
            dice = ", ".join(f"{one.case} {one.dice:.3f}" for one in scores)
            print(f"{title}, seed {seed}: Dice {dice}", flush=True)
        if not options.row:
            print(write_report(compared(wanted), options.out, options.pictures or options.out))
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def scored(wanted: Comparison, titles: Sequence[str]) -> Iterator[tuple[str, int, list[Score]]]:
    """Each row and seed with its scores, as it is done: all rows with the first seed, then all with the next.

    Raises `InputError` for an unknown row, before hours of training.
    """
    recipes = [(title, seed, wanted.recipe_of(title, seed)) for seed in wanted.seeds for title in titles]
    for title, seed, recipe in recipes:
        done = wanted.scores_file(title, seed)
        if not done.is_file():
            train(recipe, wanted.root, wanted.folder(title, seed), wanted.run)
            write_scores(done, evaluate([Model(title, predictor_of(wanted, title, seed))], wanted.truth))
        yield title, seed, read_scores(done)


def compared(wanted: Comparison) -> Compared:
    """The rows that are done with all seeds. Raises `InputError` if there is none."""
    titles = [title for title in _ROWS if all(wanted.scores_file(title, seed).is_file() for seed in wanted.seeds)]
    if not titles:
        raise InputError(f"No row is done in '{wanted.out}'; run the same command without --done.")
    first = wanted.seeds[0]
    scores, patients = [], {}
    cases = {case.id: case.patient for case in wanted.truth.cases}
    for title in titles:
        for seed in wanted.seeds:
            for one in read_scores(wanted.scores_file(title, seed)):
                case = one.case if len(wanted.seeds) == 1 else f"{one.case}, seed {seed}"
                scores.append(replace(one, model=title, case=case))
                patients[case] = cases[one.case]
    return Compared(
        scores,
        patients,
        predictors={title: predictor_of(wanted, title, first) for title in titles},
        logs={title: wanted.folder(title, first) / "metrics.csv" for title in titles},
        truth=wanted.truth,
    )


def predictor_of(wanted: Comparison, title: str, seed: int) -> SlicePredictor:
    """A row's trained network. Raises `InputError` if there is none."""
    recipe = wanted.recipe_of(title, seed)
    content = read_checkpoint(wanted.folder(title, seed) / f"{recipe.optimisation.select}.ckpt")
    device = Compute("cuda" if wanted.run.accelerator == "gpu" else wanted.run.accelerator)  # as Lightning calls it
    traits = Traits(recipe.card["largest_component"])
    return SlicePredictor(network_of(content, row(title).level), recipe.preprocessing, device, traits)


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
    parser.add_argument("--workers", type=int, default=2, help="processes that change slices (default: 2)")
    parser.add_argument("--accelerator", default="auto", help="cpu, cuda, mps, ... (default: the best there is)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
