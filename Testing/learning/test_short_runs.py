"""A run of few steps is worth as much as its last weights; and numbers are computed as fast as the device can."""

import pytest
import torch
from made_up.balls import RECIPE

import training.train
from AttnSegLib.models.card_file import CARD, load_card
from training import datasets
from training.export import Form, export
from training.learning.averaging import moving_average
from training.learning.recipe import read_checkpoint, read_recipe
from training.scoring.candidates import Model, predictor_of
from training.scoring.evaluation import evaluate
from training.scoring.truth import Truth
from training.train import RunOptions, train

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning warns a lot
_ON_CPU = RunOptions(accelerator="cpu", workers=0)


def test_an_average_forgets_the_first_weights_of_a_short_run():
    average = torch.ones(())
    update = moving_average(0.995)._kwargs["avg_fn"]
    for step in range(1, 101):
        average = update(average, torch.zeros(()), torch.tensor(step))
    assert average < 1e-6  # 0.61 of them with the fixed decay


def test_an_average_over_a_long_run_has_the_decay_asked_for():
    update = moving_average(0.995)._kwargs["avg_fn"]
    assert update(torch.ones(()), torch.zeros(()), torch.tensor(10_000)) == pytest.approx(0.995)


@pytest.mark.slow
def test_after_100_steps_the_export_is_as_good_as_the_last_weights(a_decathlon_task, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        RECIPE.replace("epochs = 2", "epochs = 25")  # of four steps each
        .replace("ema = 0.5", "ema = 0.995")
        .replace('validation = ["case_2"]', "")
        .replace('select = "best"', 'select = "last"')
    )
    content = read_checkpoint(train(read_recipe([str(recipe)]), a_decathlon_task, tmp_path / "run", _ON_CPU))
    assert content["global_step"] >= 100
    folder = export(tmp_path / "run" / "last.ckpt", a_decathlon_task, tmp_path / "models", Form())
    kept = load_card(folder / CARD).scores.mean_dice
    last = content | {"state_dict": content["current_model_state"]}
    model = Model("last weights", predictor_of(last, _ON_CPU.compute))
    truth = Truth(
        [case for case in datasets.cases_of("msd", a_decathlon_task) if case.id == "case_3"],
        read_recipe([str(recipe)]).dataset,
        read_recipe([str(recipe)]).labels,
    )
    [score] = evaluate([model], truth)
    assert score.dice > 0.5
    assert kept > score.dice - 0.02


@pytest.mark.parametrize(("fast", "chosen", "said"), [(True, "bf16-mixed", "bfloat16"), (False, "32-true", "float32")])
def test_training_computes_in_what_is_fast_here_and_says_so(fast, chosen, said, monkeypatch, capsys):
    monkeypatch.setattr(training.train, "fast_at_bfloat16", lambda _: fast)
    assert training.train._precision("auto", _ON_CPU) == chosen
    line = capsys.readouterr().err
    assert line.startswith("Training on cpu (")
    assert said in line
    assert line.count("\n") == 1


def test_what_a_recipe_asks_for_is_done_and_a_slow_choice_is_said(monkeypatch, capsys):
    monkeypatch.setattr(training.train, "fast_at_bfloat16", lambda _: False)
    assert training.train._precision("32-true", _ON_CPU) == "32-true"
    assert not capsys.readouterr().err
    assert training.train._precision("bf16-mixed", _ON_CPU) == "bf16-mixed"
    assert "only emulates bfloat16" in capsys.readouterr().err


def test_the_checkpoint_tells_the_precision(a_decathlon_task, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("epochs = 2", 'epochs = 1\nprecision = "auto"'))
    checkpoint = train(read_recipe([str(path)]), a_decathlon_task, tmp_path / "run", _ON_CPU)
    settings = read_checkpoint(checkpoint)["hyper_parameters"]
    assert settings["recipe"]["optimisation"]["precision"] == "auto"
    assert settings["precision"] in ("bf16-mixed", "32-true")
