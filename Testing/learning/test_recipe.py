"""Recipes: those of the project are whole, they merge, and mistakes in them are one sentence."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_up.balls import RECIPE
from torch.optim.lr_scheduler import ReduceLROnPlateau

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import attention_maps
from training import datasets
from training.learning.clock import Clock
from training.learning.optimisation import Optimisation
from training.learning.recipe import (
    from_dict,
    read_checkpoint,
    read_recipe,
    recipe_names,
    recipe_of,
    refuse_another,
)
from training.train import main as train

NETWORKS = ("afnet", "anunet", "eccamunet", "msdualguided", "omeganet")
OURS = {"modern": ("left_atrium-mr", "hippocampus-mr"), "abdomen": ("mr", "ct")}  # folder to organs
CHANGES = [name for name in recipe_names() if name.startswith(("ablation/", "comparison/"))]
TRIALS = [name for name in recipe_names() if name.startswith("attention/")]
BUDGETS = [name for name in recipe_names() if name.startswith("budgets/")]
WHOLE = [
    [name] for name in recipe_names() if name not in CHANGES + TRIALS + BUDGETS and name.partition("/")[0] not in OURS
]
WHOLE += [[f"{kind}/{n}", f"{kind}/{organ}"] for kind, organs in OURS.items() for n in NETWORKS for organ in organs]
WHOLE += [["modern/afnet", "modern/left_atrium-mr", change] for change in CHANGES]
WHOLE += [
    [f"abdomen/{n}", "abdomen/mr", trial]
    for trial in TRIALS
    for n in NETWORKS
    if not trial.rpartition("/")[2].startswith(tuple({*NETWORKS} - {n}))
]
WHOLE += [["ms-dual-guided/chaos-t2", budget] for budget in BUDGETS]


@pytest.mark.parametrize("names", WHOLE, ids=" + ".join)
def test_our_recipes_are_whole(names):
    recipe = read_recipe(names)
    assert recipe.dataset.name in datasets.dataset_names()
    assert [label.value for label in recipe.labels] == list(range(1, len(recipe.labels) + 1))
    classes = recipe.options["num_classes"]
    assert classes in (1, len(recipe.labels) + 1)
    if recipe.dataset.labels is not None:
        assert len(recipe.dataset.labels) == len(recipe.labels)
    with torch.device("meta"):
        network = networks.create(recipe.network, **recipe.options)
    assert set(recipe.card["attention"]) <= set(attention_maps(network))
    assert recipe.preprocessing.multiple % getattr(network, "size_multiple", 1) == 0
    assert recipe.options["in_channels"] == recipe.preprocessing.in_channels


@pytest.mark.parametrize("names", WHOLE, ids=" + ".join)
def test_a_recipe_survives_a_checkpoint(names):
    recipe = read_recipe(names)
    assert from_dict(recipe.as_dict()) == recipe
    assert from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe


def test_without_a_checkout_there_are_no_recipes(monkeypatch, tmp_path):
    monkeypatch.setattr("training.learning.recipe.RECIPES", tmp_path / "none")
    with pytest.raises(InputError, match="lie beside training in a checkout"):
        read_recipe(["modern/anunet"])


def test_what_the_papers_print_is_in_their_recipes():
    af, anu, omega = (read_recipe([name]) for name in ("af-net/liver", "anu-net/liver-ct", "omega-net/liver"))
    assert (af.preprocessing.size, af.test_flips, af.optimisation.learning_rate) == ((448, 448), True, 4e-3)
    assert (af.optimisation.optimiser, af.optimisation.schedule) == ("sgd", "poly")
    assert (anu.preprocessing.window, anu.split.shares) == ((-200, 200), (5, 0, 1))
    assert (omega.optimisation.weight_decay, omega.split.shares) == (1.5e-4, (70, 10, 20))
    ec, ms = read_recipe(["ec-cam-unet/kits"]), read_recipe(["ms-dual-guided/chaos"])
    assert (ec.optimisation.learning_rate, ec.optimisation.epochs, ec.split.shares) == (1e-5, 150, (170, 10, 30))
    assert (ms.optimisation.beta2, ms.optimisation.schedule, ms.split.folds) == (0.99, "plateau", 3)


def test_a_later_file_adds_and_overrides(a_recipe, tmp_path):
    more = tmp_path / "more.toml"
    more.write_text("[optimisation]\nepochs = 7\n[options]\nwidth = 3\n")
    recipe = read_recipe([str(a_recipe), str(more)])
    assert (recipe.optimisation.epochs, recipe.options) == (7, {"width": 3, "num_classes": 1})
    assert recipe.optimisation.batch_size == 4
    assert recipe.with_changes(epochs=9, seed=None).optimisation.epochs == 9


def test_common_toml_is_read_before_its_neighbours(a_recipe, tmp_path):
    (tmp_path / "common.toml").write_text("test_flips = true\n[optimisation]\nepochs = 99\nclip = 3.0\n")
    recipe = read_recipe([str(a_recipe)])
    assert (recipe.test_flips, recipe.optimisation.clip, recipe.optimisation.epochs) == (True, 3.0, 2)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("epochs = 2", "epoch = 2", "'epoch'"),
        ('loss = "anu"', 'loss = "annu"', "no loss 'annu'.*anu"),
        ("epochs = 2", "epochs = 2\nalpha = 0.3", "alpha is of the loss 'ec_cam', not of 'anu'"),
        ('loss = "anu"', 'loss = "ec_cam"\nalpha = 1.5', "alpha is 1.5; it must be from 0 to 1"),
        ("epochs = 2", 'epochs = 2\noptimiser = "lion"', "no optimiser 'lion'.*adamw"),
        ("epochs = 2", 'epochs = 2\nschedule = "steps"', "no schedule 'steps'.*cosine"),
        ("batch_size = 4", "batch_size = 0", "batch_size is 0"),
        ("batch_size = 4", "batch_size = 4\nforeground = 1.5", "foreground is 1.5; it must be more than 0"),
        ("batch_size = 4", "batch_size = 4\nattention_off = 1.0", "attention_off is 1.0; it must be at least 0"),
        (
            "batch_size = 4",
            "batch_size = 4\nattention_dropout = -0.1",
            "attention_dropout is -0.1; it must be at least",
        ),
        ("batch_size = 4", "batch_size = 4\ngamma_rate = 0", "gamma_rate is 0; it must be more than 0"),
        ('validation = ["case_2"]', "", "its split has none; use select = 'last'"),
        ("percentiles = [0.5, 99.5]", "", "either a window or percentiles"),
        ("[options]", "options", "can't be read"),
        ('name = "msd"', "", r"\[dataset\] lacks name"),
        ("[preprocessing]", "[preprocess]", "no 'preprocess' in the recipe"),
        ('network = "anunet"', "", "The recipe lacks network; a run needs a network, such as modern/anunet"),
        ('organ = "ball"', 'orgen = "ball"', r"\[card\] lacks organ"),
        ('organ = "ball"', 'organ = "ball"\norgen = "ball"', r"\[card\] has no field 'orgen'"),
        ('licence = "CC0-1.0"', "", r"\[card\] lacks licence"),
        ('value = "1"', 'valeu = "1"', "category.value is missing"),
        ("pixel_spacing = 2.0", 'pixel_spacing = "2.0"', "not a number of mm"),
        ("size = [32, 32]", "size = 32", "The size 32 is not a height and a width"),
        ("validate_every = 1", "validate_every = 3", "every 3 epochs and has only 2"),
        ("percentiles =", "neighbours = 1\npercentiles =", r"3 channel\(s\), .* takes 1; set in_channels = 3"),
        ("num_classes = 1", "num_classes = 4", r"1 label\(s\), and its network 4 class"),
        ("value = 1", "value = 2", r"have values \[2\]; number them 1, 2"),
        ('name = "msd"', 'name = "msd"\nlabels = [[1], [2]]', r"must be 1 list\(s\)"),
        ('name = "msd"', 'name = "msd"\nlabels = [[1, 1]]', "no value in two"),
        ("size = [32, 32]", "shift = 0.1", "a shift needs a size"),
        ("size = [32, 32]", "size = [32, 40]", r"cuts slices of \(32, 40\) pixels, .* to a multiple of 16"),
    ],
)
def test_a_bad_recipe_is_one_sentence(a_recipe, before, after, message):
    a_recipe.write_text(RECIPE.replace(before, after))
    with pytest.raises(InputError, match=message) as error:
        read_recipe([str(a_recipe)])
    assert "\n" not in str(error.value)


def test_a_missing_recipe_names_the_others(tmp_path, capsys):
    assert train(["none", "--root", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "anu-net/liver-ct" in capsys.readouterr().err


def test_other_files_are_no_checkpoints(tmp_path):
    path = tmp_path / "last.ckpt"
    for content in (b"", b"not a checkpoint", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not a checkpoint"):
            read_checkpoint(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(InputError, match="is not a checkpoint"):
        read_checkpoint(path)


def test_a_run_is_of_another_recipe_if_its_scores_would_differ(a_recipe, tmp_path):
    recipe, path = read_recipe([str(a_recipe)]), tmp_path / "last.ckpt"
    torch.save({"hyper_parameters": {"recipe": recipe.as_dict()}, "state_dict": {}}, path)
    refuse_another(path, replace(recipe, card=recipe.card | {"attention": [], "title": "A ball"}))
    with pytest.raises(InputError, match=r"\(optimisation.epochs: 2 there, 3 here\)"):
        refuse_another(path, recipe.with_changes(epochs=3))
    with pytest.raises(InputError, match=r"\(card.largest_component: False there, True here\)"):
        refuse_another(path, replace(recipe, card=recipe.card | {"largest_component": True}))


def test_a_checkpoint_may_still_hold_the_reference_that_recipes_once_gave(a_recipe, tmp_path):
    recipe, path = read_recipe([str(a_recipe)]), tmp_path / "last.ckpt"
    values = recipe.as_dict() | {"card": recipe.card | {"reference": "another title"}}
    torch.save({"hyper_parameters": {"recipe": values}, "state_dict": {}}, path)
    assert recipe_of(path) == recipe


def parameters():
    return [torch.nn.Parameter(torch.ones(1))]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1]),
        ("poly", [1, 0.75**0.9, 0.5**0.9, 0.25**0.9]),
        ("cosine", [1, 0.5 + 0.5 * 2**-0.5, 0.5, 0.5 - 0.5 * 2**-0.5]),
    ],
)
def test_learning_rates_of_four_steps(schedule, expected):
    settings = Optimisation("anu", 1, 1, 0.1, optimiser="sgd", schedule=schedule)
    optimizer = settings.make_optimizer(parameters())
    schedule = settings.make_schedule(optimizer, steps=4)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.1 * factor for factor in expected])


def test_a_plateau_halves_the_rate_after_fifty_epochs():
    settings = Optimisation("anu", 1, 1, 1e-3, schedule="plateau", validate_every=1)
    optimizer = settings.make_optimizer(parameters())
    assert settings.make_schedule(optimizer, 10) is None
    plateau = settings.make_plateau(optimizer)
    for _ in range(50):  # the first is better than nothing, and 49 are not better than that
        plateau.step(0.5)
    assert optimizer.param_groups[0]["lr"] == 1e-3
    plateau.step(0.5)
    assert optimizer.param_groups[0]["lr"] == 5e-4


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle", "plateau", "poly", "by the clock"])
def test_gammas_learn_ten_times_as_fast_by_every_schedule_also_resumed(schedule):
    kind = schedule if schedule != "by the clock" else "one_cycle"
    settings = Optimisation("anu", 50, 1, 0.01, weight_decay=0.1, schedule=kind, validate_every=50, gamma_rate=10.0)
    clock = Clock(4.0, now=lambda: 0.0)

    def begun():
        others, [gamma] = [*parameters(), *parameters()], parameters()
        optimizer = settings.make_optimizer([others[0], gamma, others[1]], [gamma])
        assert [group["params"] for group in optimizer.param_groups] == [others, [gamma]]
        if schedule == "by the clock":
            return optimizer, clock.schedule(optimizer, 0.05)
        return optimizer, settings.make_schedule(optimizer, 4) or settings.make_plateau(optimizer)

    def goes_on(optimizer, schedule):
        rates = []
        for clock.before in (1.0, 3.0):
            optimizer.step()
            schedule.step(*[0.5] * isinstance(schedule, ReduceLROnPlateau))
            rates.append([group["lr"] for group in optimizer.param_groups])
        return rates

    first, second = begun(), begun()
    rates = [*goes_on(*first)]
    for new, old in zip(second, first, strict=True):
        new.load_state_dict(old.state_dict())
    rates += goes_on(*second)
    assert all(gamma == pytest.approx(10 * other) for other, gamma in rates)
    assert (rates[-1] == rates[0]) == (schedule == "constant")
    assert [group["weight_decay"] for group in first[0].param_groups] == [0.1, 0.0]


def test_gammas_that_learn_as_fast_as_the_others_are_one_of_them():
    [weight], [gamma] = parameters(), parameters()
    [group] = Optimisation("anu", 1, 1, 0.1, weight_decay=0.1).make_optimizer([weight, gamma], [gamma]).param_groups
    assert (group["params"], group["weight_decay"]) == ([weight, gamma], 0.1)


def test_optimisers_are_those_of_the_papers():
    sgd = Optimisation("anu", 1, 1, 1e-2, weight_decay=1e-4, optimiser="sgd").make_optimizer(parameters())
    assert (type(sgd), sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (torch.optim.SGD, 0.9, 1e-4)
    adam = Optimisation("anu", 1, 1, 1e-2, optimiser="adam", beta2=0.99).make_optimizer(parameters())
    assert (type(adam), adam.defaults["betas"]) == (torch.optim.Adam, (0.9, 0.99))


def test_the_recipe_of_the_manual_works(tmp_path):
    [text] = re.findall(r"```toml\n(.*?)```", (Path(__file__).parents[2] / "docs/training.md").read_text(), re.DOTALL)
    path = tmp_path / "spleen.toml"
    path.write_text(text)
    for network in NETWORKS:
        assert read_recipe([f"modern/{network}", str(path)]).dataset.name == "folder"
