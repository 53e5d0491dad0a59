"""How good is what is taught, from how many cases, in which time? python -m training.teaching.trials --dataset msd ...

Some patients are kept for the score of all trials, and never taught from. Each draw orders the others by chance. A
trial with 5 cases takes the first 5, one with 10 the first 10, and makes a collection of them, as a user would. It is
taught by the recipe that `training.teach` makes: from five cases on, a fifth is left out for the card. Minutes are of
the processor, by one thread, so that a busy machine changes nothing.

A change of the recipe is tried with --changes and --choose: then patients score from whom this trial is not taught, and
who do not score without --choose. So those who score what was chosen have not chosen it.

OUT gets a folder for each trial, trials.csv with a line for each trial and label, trials.md with means over the draws,
and trials.png. Run again, it goes on where it stopped, and does what is new.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from AttnSegLib.collections.cases import NewCase, add_case, make_collection
from AttnSegLib.collections.collection import COLLECTION, Collection, open_collection
from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.models.card import Label, Source
from AttnSegLib.models.catalog import find_model
from training import datasets
from training.learning.command_line import exit_code_of
from training.learning.recipe import Recipe, from_dict, merged, read_tables
from training.learning.scored_run import ScoredRun
from training.scoring.candidates import Model, plain_label, predictor_of
from training.scoring.evaluation import evaluate
from training.scoring.rows import write_rows
from training.scoring.scores import Score
from training.scoring.truth import Truth
from training.slices.case import Case
from training.teaching.made_recipe import begun_by, recipe_of_collection
from training.teaching.survey import survey
from training.teaching.trials_page import PAGE, RANDOM, TABLE, TrialScore, write_page
from training.train import RunOptions

_STUDY = "study.json"
_CHOOSING = 20  # most patients that score a trial that is made to choose
_BATCHES = 25  # in an epoch, as in `training.teach`


@dataclass(frozen=True)
class Trial:
    """What is taught from. cases: how many; minutes: of one thread; draw: number of the order of the cases, from 1;
    start: the model whose weights are the first ones, or `RANDOM`."""

    cases: int
    minutes: float
    draw: int
    start: str

    @property
    def folder(self) -> str:
        """Name of the folder of its run."""
        start = Path(self.start).name.replace(" ", "-")
        return f"{self.cases}-cases-{self.minutes:g}-min-{start}-draw-{self.draw}"


@dataclass(frozen=True)
class Study:
    """What is the same in all trials.

    Args:
        scored: the cases that score.
        taught: the others, from which each draw takes.
        source: how they are read.
        segments: of the collections.
        network, modality: of the models.
        changes: of the recipe, as tables.
        chooses: whether those score who are neither in `scored` nor in the trial that is scored.
    """

    scored: Sequence[Case]
    taught: Sequence[Case]
    source: Source
    segments: Sequence[Label]
    network: str
    modality: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    chooses: bool = False

    def drawn(self, trial: Trial) -> list[Case]:
        """The cases to teach from, in the order of a trial's draw."""
        cases = list(self.taught)
        random.Random(trial.draw).shuffle(cases)
        return cases

    def scoring(self, trial: Trial) -> Sequence[Case]:
        """The cases that score a trial."""
        return self.drawn(trial)[trial.cases :][:_CHOOSING] if self.chooses else self.scored


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _work(options), "the same command")


def _work(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    study = study_of(datasets.cases_of(options.dataset, options.root), options)
    _check_same(study, options)
    for trial in _wanted(options):
        score_trial(trial, study, options.out)
        write_page(options.out)
        print((options.out / PAGE).read_text(encoding="utf-8"))


def study_of(cases: Sequence[Case], options: argparse.Namespace) -> Study:
    """Deal the cases into those that score and those to teach from. Raises `InputError` if there are too few."""
    shuffled = sorted(cases, key=lambda case: case.id)
    random.Random(0).shuffle(shuffled)
    if len(shuffled) < options.score + max(options.cases) + options.choose:
        raise InputError(f"The {len(shuffled)} cases are too few to teach from {max(options.cases)} and score others.")
    segments = [plain_label(value, name) for value, name in enumerate(options.segment, start=1)]
    return Study(
        shuffled[: options.score],
        shuffled[options.score :],
        Source(options.dataset),
        segments,
        options.network,
        options.modality,
        read_tables([options.changes]) if options.changes else {},
        options.choose,
    )


def _check_same(study: Study, options: argparse.Namespace) -> None:
    """Raises `InputError` if trials of another study are in the folder: one page would show both."""
    path = options.out / _STUDY
    own = {
        "dataset": options.dataset,
        "network": study.network,
        "segments": [label.name for label in study.segments],
        "score": len(study.scored),
        "choose": study.chooses,
        "changes": study.changes,
    }
    text = json.dumps(own, indent=2) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"'{options.out}' has trials by other options (see '{path}'); choose another --out.")
    options.out.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _wanted(options: argparse.Namespace) -> Iterator[Trial]:
    """One draw after the other, so that a study that is stopped has whole draws."""
    for draw in range(1, options.draws + 1):
        for count in options.cases:
            yield from (Trial(count, minutes, draw, options.start) for minutes in options.minutes)


def score_trial(trial: Trial, study: Study, out: Path) -> None:
    """Teach and score, unless that is done. What was begun and stopped goes on."""
    folder = out / trial.folder
    collection = _collection(trial, study, folder / "collection")
    recipe = _recipe(trial, study, collection)
    run = RunOptions(
        accelerator="cpu",
        workers=0,
        resume=True,
        start=None if trial.start == RANDOM else trial.start,
        max_batches=_BATCHES,
    )
    truth = Truth(study.scoring(trial), study.source, study.segments)

    def score(checkpoint: dict[str, Any]) -> list[Score]:
        predictor = predictor_of(checkpoint, Compute("cpu"), largest_component=recipe.card["largest_component"])
        scores = evaluate([Model(trial.folder, predictor)], truth)
        write_rows(folder / TABLE, TrialScore, _summed(trial, checkpoint["global_step"], scores))
        return scores

    ScoredRun(recipe, collection.folder, folder / "scores.csv").make(run, score)
    (folder / "last.ckpt").unlink(missing_ok=True)


def _collection(trial: Trial, study: Study, folder: Path) -> Collection:
    if not (folder / COLLECTION).is_file():
        make_collection(folder, "Trial", study.modality, study.segments)
    drawn = study.drawn(trial)
    truth = Truth(drawn, study.source, study.segments)
    for case in drawn[len(open_collection(folder).cases) : trial.cases]:
        labelled = truth.read(case)
        absent = tuple(one.name for one in study.segments if not np.any(labelled.label_map == one.value))
        add_case(folder, NewCase(labelled.volume, labelled.label_map, absent=absent))
    return open_collection(folder)


def _recipe(trial: Trial, study: Study, collection: Collection) -> Recipe:
    found = survey(collection)
    if trial.start == RANDOM:
        recipe = recipe_of_collection(collection, found, study.network, trial.minutes, seed=trial.draw)
    else:
        spec = find_model(trial.start)
        recipe = recipe_of_collection(collection, found, spec.network, trial.minutes, seed=trial.draw)
        recipe = begun_by(recipe, spec.options, spec.preprocessing)
    timed = {"optimisation": {"minutes_of": "processor"}}
    return from_dict(merged(merged(recipe.as_dict(), timed), dict(study.changes)))


def _summed(trial: Trial, steps: int, scores: Sequence[Score]) -> Iterator[TrialScore]:
    """A line for each label: its mean over the patients that score, but for those without it in whom none is found."""
    defined = [one for one in scores if not isnan(one.dice)]
    for label in sorted({one.label for one in defined}):
        dice = fmean(one.dice for one in defined if one.label == label)
        yield TrialScore(trial.cases, trial.minutes, trial.start, trial.draw, steps, label, round(dice, 4))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.teaching.trials",
        description="Score what is taught from few cases in little time, on patients that are never taught from.",
    )
    parser.add_argument("--dataset", required=True, help=f"one of: {', '.join(datasets.dataset_names())}")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trials and their table")
    parser.add_argument("--modality", default="MR", help="CT or MR (default)")
    parser.add_argument("--segment", action="append", required=True, help="a name, in the order of the values")
    parser.add_argument("--score", type=int, required=True, help="how many patients score, and teach nothing")
    parser.add_argument("--cases", type=int, nargs="+", required=True)
    parser.add_argument("--minutes", type=float, nargs="+", required=True, help="of the processor")
    parser.add_argument("--draws", type=int, default=3, help="(default: 3)")
    parser.add_argument("--network", default="eccamunet", help="(default: eccamunet)")
    parser.add_argument("--from", dest="start", default=RANDOM, metavar="MODEL", help="begin with its weights")
    parser.add_argument("--changes", metavar="RECIPE", help="a recipe file with what is to be different")
    parser.add_argument(
        "--choose",
        action="store_true",
        help="score on patients from whom the trial is not taught, and who do not score without this",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
