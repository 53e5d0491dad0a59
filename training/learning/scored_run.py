"""A run with the table of its scores. Comparisons, cross-validations and papers' tables consist of such runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from AttnSegLib.errors import InputError
from training.learning.recipe import Recipe, read_checkpoint, refuse_another
from training.scoring.scores import Score, read_scores, write_scores
from training.slices.case import Case
from training.slices.module import deal
from training.slices.split import Split
from training.train import RunOptions, refuse_other_cases, train


@dataclass(frozen=True)
class ScoredRun:
    """A run of a recipe.

    Args:
        recipe: of the run.
        root: folder of the data set.
        table: the CSV file of its scores, in the folder of the run. It exists only when the run is done.
    """

    recipe: Recipe
    root: Path
    table: Path

    @property
    def folder(self) -> Path:
        """The folder of the run. It may hold several tables."""
        return self.table.parent

    @property
    def is_done(self) -> bool:
        """Whether the run was trained and scored."""
        return self.table.is_file()

    def checkpoint(self) -> dict[str, Any]:
        """The content of the checkpoint that the recipe selects. Raises `InputError` if it can't be read."""
        return read_checkpoint(self.folder / f"{self.recipe.optimisation.select}.ckpt")

    def make(self, options: RunOptions, score: Callable[[dict[str, Any]], list[Score]]) -> list[Score]:
        """Train, or go on with the training, and score; then read the scores. If the run is done, only read them.

        Args:
            options: of the run.
            score: a function that scores the content of a checkpoint.

        Raises:
            InputError: if the folder holds a run of another recipe, or of other cases.
        """
        if not self.is_done:
            train(self.recipe, self.root, self.folder, options)
            write_scores(self.table, score(self.checkpoint()))
        return self.read()

    def read(self) -> list[Score]:
        """Read the scores of a run that is done. Raises `InputError` if it had another recipe, or other cases."""
        last = self.folder / "last.ckpt"
        if last.is_file():
            refuse_another(last, self.recipe)
            refuse_other_cases(last, deal(self.recipe, self.root))
        return read_scores(self.table)


def cases_to_test(recipe: Recipe, root: Path) -> list[Case]:
    """The test cases of a recipe. Raises `InputError` if its split leaves none."""
    parts = deal(recipe, root)
    if not parts.test:
        raise InputError(
            f"The recipe's split leaves none of the {sum(map(len, parts))} cases for the test; get the whole data set, "
            "or name test cases in the recipe."
        )
    return parts.test


def folds(recipe: Recipe, root: Path, count: int) -> Iterator[Recipe]:
    """The recipe, once for each fold, with the fold for validation and the test as it is.

    Raises `InputError` if there are more folds than patients, or if the recipe chooses by validation: the patients that
    chose would score it.
    """
    if recipe.optimisation.chooses_by_validation:
        raise InputError(
            "The recipe chooses by the patients that would score it; add a file with select = 'last' and another "
            "schedule than 'plateau' in [optimisation]."
        )
    parts = deal(recipe, root)
    cases = [*parts.training, *parts.validation]
    patients = sorted({case.patient for case in cases})
    if not 2 <= count <= len(patients):
        raise InputError(f"{len(patients)} patients can be dealt into 2 to {len(patients)} folds, not into {count}.")
    for fold in in_folds(patients, count):
        held_out = [case for case in cases if case.patient in fold]
        yield replace(recipe, split=Split(validation=_names(held_out), test=_names(parts.test)))


def in_folds(names: Sequence[str], count: int) -> list[list[str]]:
    """Deal names into folds of about the same size, in the order of the alphabet."""
    return [part.tolist() for part in np.array_split(sorted(names), count)]


def _names(cases: list[Case]) -> tuple[str, ...]:
    return tuple(escape(case.id) for case in cases)
