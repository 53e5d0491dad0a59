"""Make a paper's table: python -m training.reproduce ec-cam-unet table1 --dataset heart --root DATA --out FOLDER

Trains and scores every row by the paper's recipe, and prints our numbers beside the printed ones; each case's scores,
box plots, curves and examples lie beside the page. Run again, it goes on with the first row that is not finished.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from AttnSegLib.errors import InputError
from training.learning.command_line import add_run_options, exit_code_of
from training.learning.recipe import Recipe, differences, read_recipe
from training.learning.scored_run import ScoredRun, cases_to_test
from training.papers.activations import ShownSlice, activation, draw_activations
from training.papers.af_net_cost import cost_page
from training.papers.columns import NOTES, columns_beside
from training.papers.examples import MOST_EXAMPLES, draw_examples, found_in
from training.papers.printed import DATASETS, Column, Printed, SystemCost, printed
from training.papers.systems import System, system, table_names
from training.papers.table_figures import MadeRow, draw_pruning, draw_table
from training.scoring.candidates import Model, network_of, predictor_of
from training.scoring.evaluation import evaluate, seconds_per_slice
from training.scoring.scores import Score
from training.scoring.summary import markdown_table
from training.scoring.truth import Truth
from training.train import RunOptions

Made = tuple[list[Score], SystemCost]


@dataclass(frozen=True)
class Budget:
    """How much of the recipe is done. epochs, batches per epoch, height and width of slices, test cases: at most.
    recipe: in training/recipes/budgets, read after the paper's."""

    epochs: int | None = None
    batches: int | None = None
    size: int | None = None
    cases: int | None = None
    recipe: str | None = None

    def limits(self) -> dict[str, int]:
        """What is not as in the recipe."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def file_name(self, *parts: str) -> str:
        """The parts and the limits, so that a rehearsal lies beside what is no rehearsal."""
        return "-".join([*parts, *(f"{name}={value}" for name, value in self.limits().items())])

    def __str__(self) -> str:
        if self.recipe is not None:
            return f"cut down by the recipe budgets/{self.recipe}"
        limits = [f"{value} {name}" for name, value in self.limits().items()]
        return f"cut down to {', '.join(limits)}: a rehearsal, not a result" if limits else "the whole recipe"


BUDGETS = {
    "full": Budget(),
    "short": Budget(epochs=10),
    "compact": Budget(recipe="compact"),
    "tiny": Budget(epochs=1, batches=2, size=96, cases=1),
}


@dataclass(frozen=True)
class TableToMake:
    """What to make, and where. folds: only the first so many of the recipe's."""

    paper: str
    name: str
    dataset: str
    root: Path
    out: Path
    budget: Budget
    run: RunOptions
    folds: int | None = None

    def folds_of(self, recipe: Recipe) -> range:
        """Numbers of those that are made. Raises `InputError` if the recipe has not so many."""
        most = recipe.split.folds
        if self.folds is not None and not 1 <= self.folds <= most:
            raise InputError(f"The folds of the recipe are {most}; give --folds from 1 to {most}, not {self.folds}.")
        return range(self.folds or most)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _reproduce(options))


def _reproduce(options: argparse.Namespace) -> None:
    if (options.paper, options.table) == ("af-net", "table5"):
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "table5.md").write_text(text := cost_page(), encoding="utf-8")
        print(text)
        return
    if options.root is None:
        raise InputError("Give the folder of the data set by --root; only af-net's table5, of cost alone, needs none.")
    budget = BUDGETS[options.budget]
    run = RunOptions(
        accelerator=options.accelerator, workers=options.workers, cache=options.out / "slices", resume=True
    )
    run = replace(run, max_batches=budget.batches)
    dataset = options.dataset or next(iter(DATASETS[options.paper]))
    wanted = TableToMake(options.paper, options.table, dataset, options.root, options.out, budget, run, options.folds)
    page = printed(wanted.paper, wanted.name, dataset)
    finished: dict[str, Made] = made_before(wanted, page)
    for method, made in make(wanted, page, options.row or list(page.rows)):
        finished[method] = made
        text = ours_beside_printed(wanted, page, finished)
        stem = options.out / budget.file_name(wanted.name, dataset)
        stem.with_name(f"{stem.name}.md").write_text(text, encoding="utf-8")
        _draw(wanted, stem, {method: finished[method] for method in page.rows if method in finished})
    print(text)


def _draw(wanted: TableToMake, stem: Path, finished: dict[str, Made]) -> None:
    """The pictures beside the page."""
    logs = {method: _runs(wanted, system(wanted.paper, method))[0].folder / "metrics.csv" for method in finished}
    rows = {method: MadeRow(*made, logs[method]) for method, made in finished.items()}
    draw_table(stem, wanted.paper, rows)
    if (wanted.paper, wanted.name) == ("anu-net", "table6"):
        draw_pruning(stem, rows)
    _draw_slices(wanted, stem, list(finished))


def _draw_slices(wanted: TableToMake, stem: Path, methods: list[str]) -> None:
    """What the networks of the first fold make of a slice of some test cases; all rows see the same slices."""
    systems = {method: system(wanted.paper, method) for method in methods}
    runs = {method: _runs(wanted, chosen)[0] for method, chosen in systems.items()}
    recipe = runs[methods[0]].recipe
    truth = Truth(cases_to_test(recipe, wanted.root)[:MOST_EXAMPLES], recipe.dataset, recipe.labels)
    shown = {case.id: ShownSlice.of(truth.read(case), recipe.preprocessing) for case in truth.cases}
    found, activations = {}, {}
    for method, run in runs.items():
        network = network_of(run.checkpoint(), systems[method].level)
        found[method] = found_in(network, shown)
        if (wanted.paper, wanted.name) == ("ec-cam-unet", "figure6"):
            activations[method] = activation(network, run.recipe.network, shown[truth.cases[0].id].image)
    draw_examples(stem.with_name(f"{stem.name}-examples.png"), shown, found, recipe.labels)
    if activations:
        draw_activations(stem.with_name(f"{stem.name}.png"), shown[truth.cases[0].id], activations)


def made_before(wanted: TableToMake, page: Printed) -> dict[str, Made]:
    """The rows that are finished. Raises `InputError` if the recipe or the data set has changed since."""
    runs = {method: _runs(wanted, system(wanted.paper, method)) for method in page.rows}
    return {method: _read(own) for method, own in runs.items() if all(one.is_done for one in own)}


def make(wanted: TableToMake, page: Printed, methods: Sequence[str]) -> Iterator[tuple[str, Made]]:
    """Each row as it is finished: its method, our scores, and what it costs. Raises `InputError` for an unknown row."""
    if unknown := [method for method in methods if method not in page.rows]:
        raise InputError(f"The table has no row '{unknown[0]}'; its rows are: {', '.join(page.rows)}.")
    for number, method in enumerate(methods, start=1):
        print(f"Row {number} of {len(methods)}: {method}", file=sys.stderr, flush=True)
        chosen = system(wanted.paper, method)
        runs = _runs(wanted, chosen)
        for one in runs:
            _make(wanted, one, chosen)
        yield method, _read(runs)


def recipe_for(wanted: TableToMake, chosen: System) -> Recipe:
    """The paper's recipe on the data set, with another network, as far as the budget allows."""
    budget = wanted.budget
    recipe = read_recipe([f"{wanted.paper}/{wanted.dataset}", *([f"budgets/{budget.recipe}"] if budget.recipe else [])])
    own = {key: value for key, value in recipe.options.items() if key in ("in_channels", "num_classes", "width")}
    preprocessing = replace(recipe.preprocessing, multiple=32)  # what the most demanding baseline needs
    if budget.size is not None:
        preprocessing = replace(preprocessing, size=(budget.size, budget.size))
    recipe = replace(recipe, network=chosen.network, options=own | chosen.options, preprocessing=preprocessing)
    epochs = min(budget.epochs or recipe.optimisation.epochs, recipe.optimisation.epochs)
    validate_every = min(recipe.optimisation.validate_every, epochs)  # at least once, or nothing is the best
    return recipe.with_changes(loss=chosen.loss, alpha=chosen.alpha, epochs=epochs, validate_every=validate_every)


def ours_beside_printed(wanted: TableToMake, page: Printed, finished: dict[str, Made]) -> str:
    """The table in Markdown, its rows in the printed order: in each cell ours, then the printed value. Where there are
    several organs, each score has a table."""
    made = {method: finished[method] for method in page.rows if method in finished}
    cases = {one.case for scores, _ in made.values() for one in scores}
    tables: dict[str, list[Column]] = {}
    for column in page.columns:
        tables.setdefault(column.score if column.organ else "", []).append(column)
    texts = [
        (f"## {score}\n\n" if score else "") + _table(wanted, page, columns, made) for score, columns in tables.items()
    ]
    notes = [*_cut(wanted, next(iter(made))), NOTES[wanted.paper], *page.notes]
    if len(cases) > 1:
        notes.append("± of ours: standard deviation over the test cases of what each has by itself.")
    folds = f" of {wanted.folds} fold(s)" if wanted.folds else ""
    return (
        f"# {wanted.paper}, {wanted.name}: {page.title}, on {wanted.dataset}\n\n"
        f"Ours / printed, on {len(cases)} test cases{folds}; {wanted.budget}.\n\n"
        + "\n".join(texts)
        + "".join(f"\n{note}\n" for note in notes)
    )


def _table(wanted: TableToMake, page: Printed, columns: Sequence[Column], made: dict[str, Made]) -> str:
    body: list[list[str]] = []
    beside: dict[str, float] = {}
    for method, (scores, cost) in made.items():
        cells = []
        for column in columns:
            ours = _with_spread(column.of(wanted.paper, scores, cost), column.spread(wanted.paper, scores))
            stds = page.stds.get(method, {})
            theirs = _with_spread(page.rows[method].get(column.name), stds.get(column.name, float("nan")))
            cells.append(f"{ours} / {theirs}")
        beside = columns_beside(wanted.paper, scores)
        body.append([method, *cells, *(_number(100 * value) for value in beside.values())])
    head = [f"{column.name} ({column.unit})" if column.unit != "fraction" else column.name for column in columns]
    return markdown_table(["method", *head, *(f"{name} (percent)" for name in beside)], body, 1)


def _with_spread(value: float | None, spread: float) -> str:
    return _number(value) if np.isnan(spread) else f"{_number(value)} ± {_number(spread)}"


def _cut(wanted: TableToMake, method: str) -> list[str]:
    """What a budget that is a recipe leaves of the paper's, in a sentence."""
    if wanted.budget.recipe is None:
        return []
    chosen = system(wanted.paper, method)
    whole = recipe_for(replace(wanted, budget=Budget()), chosen)
    return [f"Against the paper's recipe ('there'): {'; '.join(differences(whole, recipe_for(wanted, chosen)))}."]


def _runs(wanted: TableToMake, chosen: System) -> list[ScoredRun]:
    """A row's: one for each fold that the paper takes the mean over."""
    recipe = recipe_for(wanted, chosen)
    runs = []
    for number in wanted.folds_of(recipe):
        fold = [f"fold{number}"] if recipe.split.folds > 1 else []
        parts = [wanted.dataset, chosen.run_name, recipe.optimisation.loss, *fold]
        table = wanted.out / wanted.budget.file_name(*parts) / chosen.scores_name
        runs.append(ScoredRun(replace(recipe, split=replace(recipe.split, fold=number)), wanted.root, table))
    return runs


def _make(wanted: TableToMake, run: ScoredRun, chosen: System) -> None:
    """Train and score, unless that is done."""
    cases = cases_to_test(run.recipe, wanted.root)[: wanted.budget.cases]
    truth = Truth(cases, run.recipe.dataset, run.recipe.labels)

    def score(checkpoint: dict[str, Any]) -> list[Score]:
        predictor = predictor_of(checkpoint, wanted.run.compute, chosen.level)
        flips, probabilities = run.recipe.test_flips, wanted.paper == "af-net"
        network = network_of(checkpoint, chosen.level)  # the predictor's is folded
        parameters = sum(parameter.numel() for parameter in network.parameters())
        scores = evaluate([Model(chosen.network, predictor, flips=flips, probabilities=probabilities)], truth)
        cost = SystemCost(parameters, seconds_per_slice(scores, truth, predictor.preprocessing))
        _cost_file(run).write_text(json.dumps(asdict(cost)), encoding="utf-8")
        return scores

    run.make(wanted.run, score)


def _read(runs: Sequence[ScoredRun]) -> Made:
    """The scores of all folds, and what the last costs."""
    scores = [score for one in runs for score in one.read()]
    return scores, SystemCost(**json.loads(_cost_file(runs[-1]).read_text(encoding="utf-8")))


def _cost_file(run: ScoredRun) -> Path:
    return run.table.with_suffix(".json")


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.4g}"  # noqa: RUF001  # a dash, as in the papers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.reproduce", description="Make a paper's table.")
    parser.add_argument("paper", choices=list(DATASETS))
    names = sorted({name for paper in DATASETS for name in table_names(paper)})
    parser.add_argument("table", choices=names, help="a table, or a figure that is one: ec-cam-unet's figure5, figure6")
    parser.add_argument("--dataset", help="name of a recipe of the paper, such as heart (default: its first)")
    parser.add_argument("--root", type=Path, help="folder of the data set, as downloaded; af-net's table5 needs none")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs, scores and the table")
    parser.add_argument("--budget", choices=list(BUDGETS), default="full", help="how much of the recipe to do")
    parser.add_argument("--row", action="append", metavar="METHOD", help="only this row; may be repeated")
    parser.add_argument("--folds", type=int, metavar="N", help="only the first N folds (default: the recipe's)")
    add_run_options(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
