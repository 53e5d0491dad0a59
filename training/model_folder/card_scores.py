"""Makes the scores on a model's card. They are measured with the stored weights, and with the predictor of users."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from AttnSegLib.errors import InputError
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import CaseScore, Label, ModelSpec, ScoreFacts
from AttnSegLib.results.metrics import Counts
from training.learning.recipe import Recipe
from training.scoring.candidates import Model
from training.scoring.evaluation import evaluate
from training.scoring.scores import Score
from training.scoring.truth import Truth
from training.slices.case import Case

_MOST_LOST = 0.002  # mean Dice; storing weights in 8 bits must cost less
_LEAST_DICE = 0.01  # mean Dice; a label with less counts as not found

_MEANING = (
    "mean over labels and patients of the Dice of all that a patient has, empty slices included, on patients that were "
    "never trained on and that chose nothing"
)
_FEW = 5  # the score of fewer test patients says little

NO_SCORE = "no score yet"

Scores = dict[str, list[Score]]


@dataclass(frozen=True)
class FoldedScores:
    """Scores of models that were each taught without some of the cases, for the card of one that was taught with all.

    Args:
        scores: of each label in each case, by the one model that never saw the case.
        folds: number of models.
        minutes: for each of them.
        of_model: minutes for the model of the card.
    """

    scores: Sequence[Score]
    folds: int
    minutes: float
    of_model: float


@dataclass(frozen=True)
class CardScoring:
    """How to score a model for its card.

    Args:
        cases: to predict.
        are_test: whether they are test cases. If there are none, they are a few cases that the model was trained on.
        in_32_bits: the network before its weights were stored in 8 bits; None if they were not.
        may_find_nothing: allow a model that finds a label in no case.
        folded: what other models score, if there are no test cases.
    """

    cases: Sequence[Case]
    are_test: bool
    in_32_bits: SlicePredictor | None = None
    may_find_nothing: bool = False
    folded: FoldedScores | None = None

    @property
    def patients(self) -> dict[str, str]:
        """The patient of each case, by case id."""
        return {case.id: case.patient for case in self.cases}


def card_scores(spec: ModelSpec, recipe: Recipe, scoring: CardScoring) -> ScoreFacts:
    """Score a model for its card. If its weights are stored in 8 bits, the loss of Dice by this is measured, too.

    Args:
        spec: the model, with its weights in place.
        recipe: that it was trained by.
        scoring: how to score.

    Raises:
        InputError: if a label is found in no case, if 8 bits cost too much Dice, or if a case can't be read.
    """
    scores = _evaluated(spec, recipe, scoring)
    missed = labels_missed(scores["shipped"], spec.labels)
    if missed and not scoring.may_find_nothing:
        raise InputError(
            f"The model finds nothing, or almost nothing, of {' and '.join(repr(label.name) for label in missed)} in "
            f"{'its test cases' if scoring.are_test else 'cases that it was trained on'}; train it longer, or export "
            "it all the same by --even-if-it-finds-nothing."
        )
    if scoring.are_test:
        facts = _of_test(scores, recipe, scoring)
    elif scoring.folded is not None:
        facts = facts_of_folds(scoring.folded)
        missed += [label for label in labels_missed(scoring.folded.scores, spec.labels) if label not in missed]
    else:
        facts = ScoreFacts(NO_SCORE)
    facts = replace(facts, found_in_no_case=tuple(label.name for label in missed))
    return _with_cost_of_8_bits(facts, scores, spec.labels, scoring) if scoring.in_32_bits else facts


def labels_missed(scores: Sequence[Score], labels: Sequence[Label]) -> list[Label]:
    """The labels that a model finds in no case, or with a mean Dice of almost 0 in the cases that have them.

    scores: of one model."""
    missed = []
    for label in labels:
        own = [one for one in scores if one.label == label.id]
        judged = [one for one in own if one.reference_ml > 0] or own  # cases without the label say nothing here
        if all(one.volume_ml == 0 for one in own) or _mean_dice(judged) < _LEAST_DICE:
            missed.append(label)
    return missed


def dice_by_patient(scores: Sequence[Score], patients: Mapping[str, str]) -> float | None:
    """The mean Dice of one model over labels and patients.

    All files of a patient count as one, since slices in several files are not several patients. Files in which a label
    is neither in the truth nor in the result are left out, since they are no success.

    Args:
        scores: of one model.
        patients: the patient of each case, by case id.

    Returns:
        The mean; None if no label is in any truth or result.
    """
    own: dict[tuple[str, str], list[Score]] = {}
    for one in scores:
        if one.tp + one.fp + one.fn:
            own.setdefault((one.label, patients[one.case]), []).append(one)
    dice = [files[0].dice if len(files) == 1 else _together(files).dice for files in own.values()]
    return sum(dice) / len(dice) if dice else None


def _together(scores: Sequence[Score]) -> Counts:
    return sum((one.counts for one in scores), Counts(0, 0, 0, 0))


def _evaluated(spec: ModelSpec, recipe: Recipe, scoring: CardScoring) -> Scores:
    """The scores of the model as it is shipped; for test cases, also without post-processing, to show its effect; and
    with weights in 32 bits, if it is stored in 8."""
    predictors = {"shipped": SlicePredictor.from_model(spec)}
    if scoring.are_test:
        predictors["plain"] = SlicePredictor.from_model(replace(spec, largest_component=False))
    if scoring.in_32_bits:
        predictors["in_32_bits"] = scoring.in_32_bits
    models = [Model(name, predictor, flips=recipe.test_flips) for name, predictor in predictors.items()]
    scores = evaluate(models, Truth(scoring.cases, recipe.dataset, spec.labels))
    return {name: [one for one in scores if one.model == name] for name in predictors}


def _of_test(scores: Scores, recipe: Recipe, scoring: CardScoring) -> ScoreFacts:
    shipped, plain = scores["shipped"], scores["plain"]
    dice, plain_dice = (dice_by_patient(own, scoring.patients) for own in (shipped, plain))
    count = len(set(scoring.patients.values()))
    few = f"; so few patients ({count}) say little of others" if count < _FEW else ""
    return ScoreFacts(
        summary=NO_SCORE if dice is None else f"Dice {dice:.3f} on {count} test patient{'s' * (count != 1)}",
        meaning=_MEANING + (", with flips" if recipe.test_flips else "") + few,
        mean_dice=None if dice is None else round(dice, 4),
        mean_dice_without_postprocessing=None if plain_dice is None else round(plain_dice, 4),
        cases=tuple(_case_score(*pair) for pair in zip(shipped, plain, strict=True)),
    )


def facts_of_folds(folded: FoldedScores) -> ScoreFacts:
    """Mean and standard deviation over cases; of a case, the mean over its labels counts."""
    cases = sorted({one.case for one in folded.scores})
    own = [[one for one in folded.scores if one.case == case] for case in cases]
    dice = [_mean_dice([one for one in labels if one.tp + one.fp + one.fn] or labels) for labels in own]
    mean, sd = fmean(dice), stdev(dice)
    shorter = (
        f" in {folded.minutes:.4g} instead of {folded.of_model:.4g} minutes" if folded.minutes < folded.of_model else ""
    )
    few = f"; so few cases ({len(cases)}) say little of others" if len(cases) < _FEW else ""
    return ScoreFacts(
        summary=f"Dice {mean:.3f} (sd {sd:.3f}) on {len(cases)} cases, each by a model taught without it",
        meaning=(
            "mean and standard deviation over cases of a case's mean Dice over labels, empty slices included; each "
            f"case is scored by one of {folded.folds} models that were taught by the same recipe without it{shorter}, "
            f"and this model is taught with all cases{few}"
        ),
        mean_dice=round(mean, 4),
        mean_dice_without_postprocessing=round(mean, 4),
        cases=tuple(_case_score(one, one) for one in folded.scores),
    )


def _with_cost_of_8_bits(
    facts: ScoreFacts, scores: Scores, labels: Sequence[Label], scoring: CardScoring
) -> ScoreFacts:
    """The facts, with the Dice that is lost by 8 bits. Raises `InputError` if this is too much."""
    lost = _dice_lost(scores, scoring)
    if lost >= _MOST_LOST:
        raise InputError(
            f"In 8 bits a weight, the mean Dice falls by {lost:.4f}, where less than {_MOST_LOST} is allowed; export "
            "with --weights-in 16."
        )
    return replace(
        facts,
        dice_lost_by_8_bits=round(lost, 4),
        dice_lost_by_8_bits_meaning="mean Dice with the weights in 32 bits, less that with these, on "
        + ("the test patients" if scoring.are_test else "cases that it was trained on, since there are no test cases"),
        dice_lost_by_8_bits_of_labels={
            label.id: round(_dice_lost(_of_label(scores, label), scoring), 4) for label in labels
        },
    )


def _dice_lost(scores: Scores, scoring: CardScoring) -> float:
    precise, shipped = (dice_by_patient(scores[name], scoring.patients) for name in ("in_32_bits", "shipped"))
    return (1.0 if precise is None else precise) - (1.0 if shipped is None else shipped)


def _of_label(scores: Scores, label: Label) -> Scores:
    return {name: [one for one in own if one.label == label.id] for name, own in scores.items()}


def _mean_dice(scores: Sequence[Score]) -> float:
    return sum(one.dice for one in scores) / len(scores)


def _case_score(shipped: Score, plain: Score) -> CaseScore:
    return CaseScore(
        case=shipped.case,
        label=shipped.label,
        dice=round(shipped.dice, 4),
        dice_without_postprocessing=round(plain.dice, 4),
        mean_slice_dice_of_filled_slices=None if math.isnan(shipped.slice_dice) else round(shipped.slice_dice, 4),
        volume_ml=round(shipped.volume_ml, 1),
        reference_ml=round(shipped.reference_ml, 1),
    )
