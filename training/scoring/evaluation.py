"""Candidates on all cases: what `training.evaluate`, and all that score models, do. Nothing is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tqdm import tqdm

from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.preprocessing import Preprocessing
from training.scoring.candidates import Candidate
from training.scoring.scores import Score, score
from training.scoring.truth import Truth

if TYPE_CHECKING:  # it draws, for which matplotlib is needed
    from training.scoring.report import Examples


def evaluate(candidates: Sequence[Candidate], truth: Truth, examples: Examples | None = None) -> list[Score]:
    """Scores of all candidates on all cases. examples: collects a slice of some of the cases.

    Raises `InputError` for a case that can't be read, or that a candidate does not have.
    """
    scores: list[Score] = []
    for number, case in enumerate(tqdm(truth.cases, unit="case", disable=None)):
        labelled = truth.read(case)
        found = [candidate.find(case.id, labelled.volume) for candidate in candidates]
        stack = next((one.stack for one in found if one.stack is not None), None)
        for one in found:  # all along the slices of the first that has any, so that they can be compared
            scores += score(one, labelled, truth.labels, stack.axes[0] if stack else 0)
        if examples is not None and number in examples.wanted(len(truth.cases)):
            examples.add(labelled, found, stack)
    return sorted(scores, key=lambda one: [candidate.name for candidate in candidates].index(one.model))


def seconds_per_slice(scores: Sequence[Score], truth: Truth, preprocessing: Preprocessing) -> float:
    """What one model took on all cases, by the number of its slices in them."""
    seconds = {one.case: one.seconds for one in scores}
    return sum(seconds.values()) / sum(len(SliceStack.of(case.read().volume, preprocessing)) for case in truth.cases)
