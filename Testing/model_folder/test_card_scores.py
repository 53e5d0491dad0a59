"""The scores on a card: of the weights as stored, with what 8 bits cost; and no card for a model that finds nothing."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import Code, Label, ScoreFacts
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.typed_json import to_json
from training.export import Form, export, main
from training.learning.recipe import read_recipe
from training.model_folder import card_scores
from training.model_folder.card_scores import CardScoring, dice_by_patient, labels_missed
from training.scoring.scores import Found, score
from training.slices.case import Case, Labelled

THING = Code("SCT", "1", "Thing")
LIVER, SPLEEN = (Label(value, name, (0, 0, 0), THING, THING) for value, name in ((1, "Liver"), (2, "Spleen")))
EVEN_IF = "--even-if-it-finds-nothing"


def scores_of(reference, prediction, model="shipped", case="a"):
    """Of label maps given as rows of voxels."""
    volume = Volume(np.zeros((1, 1, len(reference)), np.int16), np.eye(4))
    reference, prediction = (np.array(row, np.uint8).reshape(1, 1, -1) for row in (reference, prediction))
    found = Found(model, case, prediction, {}, 0.0)
    return score(found, Labelled(volume, reference), (LIVER, SPLEEN))


# Which labels a model misses


@pytest.mark.parametrize(
    ("cases", "missed"),
    [
        ([([1, 1, 2, 2], [1, 0, 2, 0])], []),
        ([([1, 1, 2, 2], [1, 1, 0, 0])], [SPLEEN]),
        ([([1, 1, 2, 2], [0, 0, 0, 0])], [LIVER, SPLEEN]),
        ([([1, 1, 2, 2], [1, 2, 0, 0])], [SPLEEN]),  # a spleen, but elsewhere
        ([([1, 1, 2, 2], [1, 1, 0, 0]), ([1, 1, 2, 2], [1, 1, 2, 0])], []),  # in one of two cases
        ([([1, 1, 0, 0], [1, 1, 0, 0]), ([1, 1, 2, 2], [1, 0, 0, 0])], [SPLEEN]),  # right only where there is none
        ([([1, 1, 0, 0], [1, 1, 0, 0]), ([1, 1, 2, 2], [1, 2, 0, 0])], [SPLEEN]),
        ([([1, 1, 0, 0], [1, 1, 0, 0])], [SPLEEN]),  # nobody knows, so it is said
        ([([1] + 299 * [2], [1, 2] + 298 * [0])], [SPLEEN]),  # next to nothing
        ([([1] + 99 * [2], [1, 2] + 98 * [0])], []),
    ],
)
def test_a_label_is_missed_if_it_is_found_nowhere(cases, missed):
    scores = [one for number, pair in enumerate(cases) for one in scores_of(*pair, case=str(number))]
    assert labels_missed(scores, (LIVER, SPLEEN)) == missed


# The mean on the card


def test_a_model_that_finds_nothing_has_no_dice_from_empty_slices():
    empty, filled = [0, 0, 0, 0], [1, 1, 2, 2]
    scores = [one for n, row in enumerate([empty, empty, empty, filled]) for one in scores_of(row, empty, case=str(n))]
    for patients in ({str(n): "anna" for n in range(4)}, {str(n): f"patient {n}" for n in range(4)}):
        assert dice_by_patient(scores, patients) == 0.0  # 0.75 as a mean over files


def test_the_files_of_a_patient_are_scored_together_and_what_is_found_where_nothing_is_counts():
    anna = [*scores_of([1, 1, 0, 0], [1, 0, 0, 0], case="a1"), *scores_of([1, 0, 0, 0], [0, 0, 0, 0], case="a2")]
    assert dice_by_patient(anna, {"a1": "anna", "a2": "anna"}) == pytest.approx(2 * 1 / (2 * 1 + 2))
    bert = scores_of([0, 0, 0, 0], [0, 0, 2, 0], case="b")
    assert dice_by_patient([*anna, *bert], {"a1": "anna", "a2": "anna", "b": "bert"}) == pytest.approx(0.25)


def test_where_nobody_has_a_label_there_is_no_score_and_no_nan():
    assert dice_by_patient(scores_of([0, 0], [0, 0]), {"a": "anna"}) is None


def test_a_card_of_empty_test_cases_has_no_score_and_no_nan(a_model_folder, a_recipe, monkeypatch):
    spec = replace(load_card(a_model_folder / CARD), labels=(LIVER, SPLEEN))
    monkeypatch.setattr(
        card_scores, "evaluate", lambda models, _: [one for m in models for one in scores_of([0, 0], [0, 0], m.name)]
    )
    scoring = CardScoring([Case("a", "a", lambda: None)], True, may_find_nothing=True)
    scores = card_scores.card_scores(spec, read_recipe([str(a_recipe)]), scoring)
    assert (scores.summary, scores.mean_dice, scores.mean_dice_without_postprocessing) == ("no score yet", None, None)
    assert "NaN" not in json.dumps(to_json(scores), allow_nan=False)


# What 8 bits cost, with made-up scores


@pytest.fixture
def scored(a_model_folder, a_recipe, monkeypatch):
    """The scores of the card of a model with two labels that finds them with these Dice, (liver, spleen), in 8 and in
    32 bits."""
    spec = replace(load_card(a_model_folder / CARD), labels=(LIVER, SPLEEN))
    precise = SlicePredictor.from_model(spec)
    case = Case("a", "a", lambda: None)

    def made(shipped, in_32_bits, *, are_test=True):
        dice = {"shipped": shipped, "plain": shipped, "in_32_bits": in_32_bits}

        def evaluate(models, _truth):
            scores = [one for model in models for one in scores_of([1, 2], [1, 2], model.name)]
            return [replace(one, dice=dice[one.model][one.label == "spleen"]) for one in scores]

        monkeypatch.setattr(card_scores, "evaluate", evaluate)
        return card_scores.card_scores(spec, read_recipe([str(a_recipe)]), CardScoring([case], are_test, precise))

    return made


def test_the_card_tells_what_8_bits_cost_on_average_and_by_label(scored):
    scores = scored((0.9, 0.8), (0.9031, 0.8003))
    assert scores.mean_dice == 0.85
    assert scores.dice_lost_by_8_bits == 0.0017
    assert scores.dice_lost_by_8_bits_of_labels == {"liver": 0.0031, "spleen": 0.0003}
    assert scores.dice_lost_by_8_bits_meaning.endswith("less that with these, on the test patients")


def test_what_8_bits_win_is_a_negative_loss(scored):
    assert scored((0.9, 0.8), (0.89, 0.8)).dice_lost_by_8_bits == -0.005


@pytest.mark.parametrize("are_test", [True, False])
def test_8_bits_that_cost_too_much_are_refused(are_test, scored):
    with pytest.raises(InputError, match=r"mean Dice falls by 0.0021, .* export with --weights-in 16\.$"):
        scored((0.9, 0.8), (0.9042, 0.8), are_test=are_test)


def test_without_test_cases_the_card_says_where_8_bits_were_measured(scored):
    scores = scored((0.9, 0.8), (0.901, 0.8), are_test=False)
    assert scores.summary == "no score yet"
    assert scores.mean_dice is None
    assert scores.dice_lost_by_8_bits == 0.0005
    assert scores.dice_lost_by_8_bits_meaning.endswith("trained on, since there are no test cases")


# From a trained network


@pytest.fixture
def changed(a_checkpoint, tmp_path):
    """A checkpoint of which something was changed."""

    def change(*, finds_nothing=False, without_test=False):
        content = torch.load(a_checkpoint, weights_only=False)
        if finds_nothing:
            for name, tensor in content["state_dict"].items():
                if "heads" in name and name.endswith("bias"):
                    tensor -= 1e4
        if without_test:
            content["hyper_parameters"]["cases"]["test"] = []
        torch.save(content, tmp_path / "changed.ckpt")
        return tmp_path / "changed.ckpt"

    return change


@pytest.fixture
def command(a_decathlon_task, tmp_path):
    """Export a checkpoint into the folder `models`."""

    def run(checkpoint, *options, root=a_decathlon_task):
        return main([str(checkpoint), "--root", str(root), "--models", str(tmp_path / "models"), *options])

    return run


@pytest.fixture
def card_of(tmp_path):
    """The scores on the card of what was exported."""
    return lambda: load_card(tmp_path / "models" / "anunet-ball-mr" / CARD).scores


@pytest.fixture
def coarse(monkeypatch):
    """Makes 8 bits coarse, with -1, 0 and 1 only, so that they do change the Dice."""
    monkeypatch.setattr("training.model_folder.stored_weights._HIGHEST", 1)
    monkeypatch.setattr("training.model_folder.stored_weights._FEWEST", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
def test_the_cost_of_8_bits_is_that_of_two_exports(a_checkpoint, a_decathlon_task, tmp_path, monkeypatch):
    monkeypatch.setattr(card_scores, "_MOST_LOST", 1.0)
    folders = {
        bits: export(a_checkpoint, a_decathlon_task, tmp_path, Form(bits, may_find_nothing=True), model_id=f"in-{bits}")
        for bits in (8, 32)
    }
    eight, precise = (load_card(folders[bits] / CARD).scores for bits in (8, 32))
    assert eight.mean_dice != precise.mean_dice
    lost = precise.mean_dice - eight.mean_dice
    assert eight.dice_lost_by_8_bits == pytest.approx(lost, abs=1.5e-4)
    assert precise.dice_lost_by_8_bits is None


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
def test_weights_that_8_bits_ruin_are_not_written(command, a_checkpoint, tmp_path, capsys):
    assert command(a_checkpoint, "--weights-in", "8", EVEN_IF) == 2
    assert "export with --weights-in 16." in capsys.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("without_test", "where"), [(False, "its test cases"), (True, "cases that it was trained on")])
def test_a_model_that_finds_nothing_gets_no_card_unless_told(
    without_test, where, command, changed, card_of, tmp_path, capsys
):
    checkpoint = changed(finds_nothing=True, without_test=without_test)
    assert command(checkpoint) == 2
    [error] = capsys.readouterr().err.splitlines()
    assert error == (
        f"Error: The model finds nothing, or almost nothing, of 'Ball' in {where}; train it longer, or export it all "
        "the same by --even-if-it-finds-nothing."
    )
    assert list((tmp_path / "models").iterdir()) == []
    assert command(checkpoint, EVEN_IF) == 0
    assert card_of().found_in_no_case == ("Ball",)
    assert card_of().summary == ("no score yet" if without_test else "Dice 0.000 on 1 test patient")


@pytest.mark.slow
def test_a_model_without_test_cases_that_finds_something_gets_a_card(command, changed, card_of):
    assert command(changed(without_test=True)) == 0
    assert card_of() == ScoreFacts("no score yet")


@pytest.mark.slow
def test_without_test_cases_some_of_those_trained_on_are_tried(command, changed, card_of, monkeypatch):
    seen = []
    evaluate = card_scores.evaluate

    def watched(models, truth):
        seen.extend((model.name, case.id) for model in models for case in truth.cases)
        return evaluate(models, truth)

    monkeypatch.setattr(card_scores, "evaluate", watched)
    monkeypatch.setattr(card_scores, "_MOST_LOST", 1.0)
    monkeypatch.setattr("training.export._TRIED", 1)
    assert command(changed(without_test=True), "--weights-in", "8") == 0
    assert seen == [("shipped", "case_0"), ("in_32_bits", "case_0")]
    assert "trained on" in card_of().dice_lost_by_8_bits_meaning


@pytest.mark.slow
def test_a_data_set_without_the_cases_to_try_is_refused(command, changed, a_decathlon_task, tmp_path, capsys):
    root = shutil.copytree(a_decathlon_task, tmp_path / "task")
    for folder in ("imagesTr", "labelsTr"):
        (root / folder / "case_1.nii.gz").unlink()
    assert command(changed(without_test=True), root=root) == 2
    assert "lacks some of the 2 training cases of the run" in capsys.readouterr().err
    assert list((tmp_path / "models").iterdir()) == []
