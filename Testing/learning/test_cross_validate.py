"""Trying a recipe: every patient but the test's is scored once, by a network that has not seen it."""

import pytest
from made_up.balls import RECIPE
from made_up.commands import run_here

from training.cross_validate import folds, main
from training.learning import scored_run
from training.learning.recipe import read_checkpoint, read_recipe
from training.scoring.scores import read_scores


@pytest.fixture
def a_recipe(tmp_path):
    """It chooses nothing by validation, since the validation cases are scored."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace('"best"', '"last"'))
    return path


def test_every_patient_but_the_tests_is_held_out_once(a_recipe, a_decathlon_task):
    of_folds = list(folds(read_recipe([str(a_recipe)]), a_decathlon_task, 3))
    assert [one.split.validation for one in of_folds] == [("case_0",), ("case_1",), ("case_2",)]
    assert {one.split.test for one in of_folds} == {("case_3",)}
    uneven = list(folds(read_recipe([str(a_recipe)]), a_decathlon_task, 2))
    assert [one.split.validation for one in uneven] == [("case_0", "case_1"), ("case_2",)]


@pytest.mark.slow
def test_a_recipe_is_trained_and_scored_fold_by_fold(a_recipe, a_decathlon_task, tmp_path, monkeypatch, capsys):
    """One fold, then all, then all again without training."""
    out = tmp_path / "tried"
    given = [str(a_recipe), "--root", str(a_decathlon_task), "--out", str(out), "--accelerator", "cpu"]
    given += ["--epochs", "1", "--workers", "0", "--flips"]
    assert run_here(main, *given, "--fold", "2").code == 0
    trained = read_checkpoint(out / "fold-2" / "last.ckpt")["hyper_parameters"]["cases"]
    assert trained == {"training": ["case_0", "case_2"], "validation": ["case_1"], "test": ["case_3"]}
    assert run_here(main, *given).code == 0
    scores = (out / "scores.csv").read_text()
    ways = {"network", "network, largest component", "network, flips"}
    assert {(one.model, one.case) for one in read_scores(out / "scores.csv")} == {
        (way, f"case_{number}") for way in ways for number in range(3)
    }
    monkeypatch.setattr(scored_run, "train", lambda *_: pytest.fail("trained again"))
    assert main(given) == 0
    assert (out / "scores.csv").read_text() == scores
    assert "| network, flips |" in capsys.readouterr().out
    assert main([*given, "--seed", "1"]) == 2
    assert "by another recipe (optimisation.seed: 0 there, 1 here)" in capsys.readouterr().err
    assert (out / "scores.csv").read_text() == scores


def test_there_can_be_no_more_folds_than_patients(a_recipe, a_decathlon_task, tmp_path, capsys):
    command = [str(a_recipe), "--root", str(a_decathlon_task), "--out", str(tmp_path)]
    assert main([*command, "--folds", "4"]) == 2
    assert "3 patients can be dealt into 2 to 3 folds, not into 4" in capsys.readouterr().err


def test_an_unknown_fold_leaves_the_scores_as_they_are(a_recipe, a_decathlon_task, tmp_path, capsys):
    command = [str(a_recipe), "--root", str(a_decathlon_task), "--out", str(tmp_path)]
    assert main([*command, "--fold", "4"]) == 2
    assert "There is no fold 4; choose from 1 to 3." in capsys.readouterr().err
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize("chosen", ['select = "best"', 'select = "last"\nschedule = "plateau"'])
def test_nobody_scores_what_they_chose(chosen, a_recipe, a_decathlon_task, tmp_path, capsys):
    a_recipe.write_text(RECIPE.replace('select = "best"', chosen))
    assert main([str(a_recipe), "--root", str(a_decathlon_task), "--out", str(tmp_path / "tried")]) == 2
    assert "chooses by the patients that would score it" in capsys.readouterr().err
    assert not (tmp_path / "tried").exists()
