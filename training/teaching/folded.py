"""Scores every case of a collection, each by a model that is taught without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from AttnSegLib.collections.begun import begun_with
from AttnSegLib.collections.collection import Collection, open_collection
from AttnSegLib.collections.teaching_run import FOLDS, number_of_folds
from AttnSegLib.errors import InputError
from training.learning.recipe import Recipe
from training.learning.scored_run import ScoredRun, folds, in_folds
from training.model_folder.card_scores import FoldedScores
from training.scoring.candidates import Model, predictor_of
from training.scoring.evaluation import evaluate
from training.scoring.scores import Score
from training.scoring.truth import Truth
from training.slices.module import deal
from training.train import RunOptions

_NETWORK = "network"


def refuse_unscorable(collection: Collection, seen: frozenset[str]) -> None:
    """Raises `InputError` if not every case can be scored by a model that never saw it, but has learnt all segments.

    seen: ids of the cases that the first weights have learnt from.
    """
    number_of_folds(len(collection.cases))
    if known := [case.id for case in collection.cases if case.id in seen]:
        raise InputError(
            f"The model to begin with has learnt from {known[0]} already, which it could not score honestly then; "
            "begin with another one or with random weights, or do without --score-every-case (Score on every case)."
        )
    parts = in_folds([case.id for case in collection.cases], number_of_folds(len(collection.cases)))
    for segment in collection.segments:
        having = {case.id for case in collection.cases if segment.id not in case.absent}
        if any(having <= set(part) for part in parts):
            names = " and ".join(sorted(having))
            raise InputError(
                f"Only {names} {'has' if len(having) == 1 else 'have'} '{segment.name}', so the model taught without "
                f"{'it' if len(having) == 1 else 'them'} could not find that; add another case with it, or do without "
                "--score-every-case (Score on every case)."
            )


@dataclass(frozen=True)
class FoldedRun:
    """The models that score every case, each taught without some of them.

    Args:
        recipe: of the model that is taught with all cases.
        root: folder of the collection.
        run: folder of that model's run; those of the folds lie in it.
        minutes: for each fold.
    """

    recipe: Recipe
    root: Path
    run: Path
    minutes: float

    def score(self, how: RunOptions, told: Callable[[int, int, float], None]) -> FoldedScores:
        """Teach and score one fold after the other; what is done already is only read.

        Args:
            how: each is taught.
            told: gets the number of the fold, from 1, how many there are, and the seconds of learning in it.

        Raises:
            InputError: if the collection has changed since the run began, and as `train` does.
        """
        count = number_of_folds(len(open_collection(self.root).cases))
        scores: list[Score] = []
        shorter = self.recipe.with_changes(minutes=self.minutes)
        for number, of_fold in enumerate(folds(shorter, self.root, count), start=1):
            begun_with(self.run, open_collection(self.root))
            print(f"Score of every case: model {number} of {count}.", flush=True)
            told(number, count, 0.0)
            own = replace(how, resume=True, told=_of_fold(told, number, count))
            table = self.run / FOLDS / f"fold-{number}" / "scores.csv"
            scores += ScoredRun(of_fold, self.root, table).make(own, partial(_scores_of, of_fold, self.root, how))
        minutes = self.recipe.optimisation.minutes or 0.0
        return FoldedScores(scores, count, self.minutes, minutes)


def _of_fold(told: Callable[[int, int, float], None], number: int, count: int) -> Callable[[float, float], None]:
    return lambda spent, _limit: told(number, count, spent)


def _scores_of(recipe: Recipe, root: Path, how: RunOptions, checkpoint: dict[str, Any]) -> list[Score]:
    predictor = predictor_of(checkpoint, how.compute, largest_component=recipe.card["largest_component"])
    model = Model(_NETWORK, predictor, flips=recipe.test_flips)
    return evaluate([model], Truth(deal(recipe, root).validation, recipe.dataset, recipe.labels))
