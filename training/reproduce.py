"""Make a paper's table: python -m training.reproduce ec-cam-unet table1 --dataset heart --root DATA --out FOLDER

Trains and scores every row by the paper's recipe, and prints our numbers beside the printed ones. Run again, it goes on
with the first row that is not finished.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from AttnSegLib.device import Compute
from AttnSegLib.errors import InputError
from AttnSegLib.predictor import SlicePredictor
from training.evaluate import evaluate
from training.papers.columns import NOTES
from training.papers.printed import DATASETS, Cost, Printed, printed
from training.papers.systems import System, system, tables
from training.recipe import Recipe, read_checkpoint, read_recipe, refuse_another
from training.scoring.candidates import Model, network_of
from training.scoring.scores import Score, read_scores, write_scores
from training.scoring.summary import table as markdown_table
from training.scoring.truth import Truth
from training.slice_module import deal
from training.split import Parts
from training.train import RunOptions, train


@dataclass(frozen=True)
class Budget:
    """How much of the recipe is done. epochs, batches per epoch, height and width of slices, test cases: at most."""

    epochs: int | None = None
    batches: int | None = None
    size: int | None = None
    cases: int | None = None

    def __str__(self) -> str:
        limits = [f"{value} {name}" for name, value in asdict(self).items() if value is not None]
        return f"cut down to {', '.join(limits)}: a rehearsal, not a result" if limits else "the whole recipe"


BUDGETS = {"full": Budget(), "short": Budget(epochs=10), "tiny": Budget(epochs=1, batches=2, size=96, cases=1)}


@dataclass(frozen=True)
class Table:
    """What to make, and where."""

    paper: str
    name: str
    dataset: str
    root: Path
    out: Path
    budget: Budget
    run: RunOptions


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    budget = BUDGETS[options.budget]
    run = RunOptions(
        accelerator=options.accelerator, workers=options.workers, cache=options.out / "slices", resume=True
    )
    run = replace(run, max_batches=budget.batches)
    try:
        dataset = options.dataset or next(iter(DATASETS[options.paper]))
        wanted = Table(options.paper, options.table, dataset, options.root, options.out, budget, run)
        page = printed(wanted.paper, wanted.name, dataset)
        finished: dict[str, tuple[list[Score], Cost]] = {}
        for method, scores, cost in make(wanted, page, options.row or list(page.rows)):
            finished[method] = scores, cost
            text = compare(wanted, page, finished)
            (options.out / f"{wanted.name}-{dataset}.md").write_text(text, encoding="utf-8")
        print(text)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def make(wanted: Table, page: Printed, methods: Sequence[str]) -> Iterator[tuple[str, list[Score], Cost]]:
    """Each row as it is finished: its method, our scores, and what it costs. Raises `InputError` for an unknown row."""
    if unknown := [method for method in methods if method not in page.rows]:
        raise InputError(f"The table has no row '{unknown[0]}'; its rows are: {', '.join(page.rows)}.")
    for number, method in enumerate(methods, start=1):
        print(f"Row {number} of {len(methods)}: {method}", file=sys.stderr, flush=True)
        chosen = system(wanted.paper, method)
        recipe = recipe_for(wanted, chosen)
        scores, cost = [], Cost(0, float("nan"))
        for fold in range(recipe.split.folds):
            of_fold, cost = _row(wanted, replace(recipe, split=replace(recipe.split, fold=fold)), chosen)
            scores += of_fold
        yield method, scores, cost


def recipe_for(wanted: Table, chosen: System) -> Recipe:
    """The paper's recipe on the data set, with another network, as far as the budget allows."""
    recipe = read_recipe([f"{wanted.paper}/{wanted.dataset}"])
    own = {key: recipe.options[key] for key in ("in_channels", "num_classes")}
    preprocessing = replace(recipe.preprocessing, multiple=32)  # what the most demanding baseline needs
    budget = wanted.budget
    if budget.size is not None:
        preprocessing = replace(preprocessing, size=(budget.size, budget.size))
    recipe = replace(recipe, network=chosen.network, options=own | chosen.options, preprocessing=preprocessing)
    epochs = min(budget.epochs or recipe.optimisation.epochs, recipe.optimisation.epochs)
    validate_every = min(recipe.optimisation.validate_every, epochs)  # at least once, or nothing is the best
    return recipe.with_changes(loss=chosen.loss, epochs=epochs, validate_every=validate_every)


def compare(wanted: Table, page: Printed, finished: dict[str, tuple[list[Score], Cost]]) -> str:
    """The table in Markdown: in each cell ours, then the printed value."""
    body = []
    for method, (scores, cost) in finished.items():
        cells = []
        for column in page.columns:
            theirs = page.rows[method].get(column.name)
            cells.append(f"{_number(column.of(wanted.paper, scores, cost))} / {_number(theirs)}")
        body.append([method, *cells])
    head = [f"{column.name} ({column.unit})" if column.unit != "fraction" else column.name for column in page.columns]
    cases = {one.case for scores, _ in finished.values() for one in scores}
    return (
        f"# {wanted.paper}, {wanted.name}: {page.title}, on {wanted.dataset}\n\n"
        f"Ours / printed, on {len(cases)} test cases; {wanted.budget}.\n\n"
        + markdown_table(["method", *head], body, 1)
        + "".join(f"\n{note}\n" for note in (NOTES[wanted.paper], *page.notes))
    )


def _row(wanted: Table, recipe: Recipe, chosen: System) -> tuple[list[Score], Cost]:
    """Train and score, unless that is done."""
    folder = wanted.out / f"{wanted.dataset}-{_slug(recipe, wanted.budget)}"
    done = folder / f"scores{f'-L{chosen.level}' if chosen.level else ''}.csv"
    facts = done.with_suffix(".json")
    checkpoint = folder / f"{recipe.optimisation.select}.ckpt"
    if checkpoint.is_file():
        refuse_another(checkpoint, recipe)
    if not facts.is_file():
        parts = _enough(deal(recipe, wanted.root), recipe)
        if not (folder / "trained").is_file():
            checkpoint = train(recipe, wanted.root, folder, wanted.run)
            (folder / "trained").touch()
        scores, cost = _scored(wanted, recipe, checkpoint, (chosen, parts))
        write_scores(done, scores)
        facts.write_text(json.dumps(asdict(cost)), encoding="utf-8")
    return read_scores(done), Cost(**json.loads(facts.read_text(encoding="utf-8")))


def _enough(parts: Parts, recipe: Recipe) -> Parts:
    """The parts, if there are cases to choose by and to test. Raises `InputError` if not."""
    needed = {"validation": recipe.optimisation.select == "best", "test": True}
    for name, wanted in needed.items():
        if wanted and not getattr(parts, name):
            count = sum(map(len, parts))
            raise InputError(
                f"The recipe's split leaves none of the {count} cases for the {name}; get the whole data set."
            )
    return parts


def _scored(wanted: Table, recipe: Recipe, checkpoint: Path, row: tuple[System, Parts]) -> tuple[list[Score], Cost]:
    chosen, parts = row
    network = network_of(read_checkpoint(checkpoint), chosen.level)
    device = "cuda" if wanted.run.accelerator == "gpu" else wanted.run.accelerator  # as Lightning calls it
    predictor = SlicePredictor(network, recipe.preprocessing, Compute(device))
    model = Model(chosen.network, predictor, flips=recipe.test_flips, probabilities=wanted.paper == "af-net")
    cases = parts.test[: wanted.budget.cases]
    scores = evaluate([model], Truth(cases, recipe.dataset, recipe.labels))
    seconds = {one.case: one.seconds for one in scores}
    slices = sum(len(predictor.preprocessing.stack(case.read().volume)) for case in cases)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return scores, Cost(parameters, sum(seconds.values()) / slices)


def _slug(recipe: Recipe, budget: Budget) -> str:
    """A folder name that tells rows and budgets apart: rows that train the same network share it."""
    options = [f"{key}={value}" for key, value in recipe.options.items() if key not in ("in_channels", "num_classes")]
    fold = [f"fold{recipe.split.fold}"] if recipe.split.folds > 1 else []
    limits = [f"{name}={value}" for name, value in asdict(budget).items() if value is not None]
    parts = [recipe.network, *options, recipe.optimisation.loss, *fold, *limits]
    return "-".join(parts).replace("True", "1").replace("False", "0")


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.4g}"  # noqa: RUF001  # a dash, as in the papers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.reproduce", description="Make a paper's table.")
    parser.add_argument("paper", choices=list(DATASETS))
    names = sorted({name for paper in DATASETS for name in tables(paper)})
    parser.add_argument("table", choices=names)
    parser.add_argument("--dataset", help="name of a recipe of the paper, such as heart (default: its first)")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs, scores and the table")
    parser.add_argument("--budget", choices=list(BUDGETS), default="full", help="how much of the recipe to do")
    parser.add_argument("--row", action="append", metavar="METHOD", help="only this row; may be repeated")
    parser.add_argument("--workers", type=int, default=2, help="processes that change slices (default: 2)")
    parser.add_argument("--accelerator", default="auto", help="cpu, cuda, mps, ... (default: the best there is)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
