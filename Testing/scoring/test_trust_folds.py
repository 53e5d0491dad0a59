"""Threshold and temperature from a cross-validation: each patient is judged by the network that has not seen it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up.balls import RECIPE

from AttnSegLib import networks
from AttnSegLib.inference.probabilities import labels_of
from AttnSegLib.results.slices_to_check import DOUBTFUL
from training import trust
from training.cross_validate import folds
from training.learning.recipe import read_recipe
from training.scoring.trust.calibration import Reliability, read_bins
from training.scoring.trust.folds import read_cases, read_temperatures
from training.scoring.trust.slice_trust import Named, SliceTrust, read_slices, threshold_for
from training.scoring.trust.temperature import Tally, best_temperature

NAN = float("nan")
TRUST = Path(__file__).parents[2] / "docs" / "trust.md"


def a_slice(dice, score):
    return SliceTrust("a", 0, dice, 1.0, score, 0.0)


# Threshold


def test_recall_and_precision_of_what_is_named():
    """A named slice with nothing in truth and prediction was named in vain."""
    slices = [a_slice(0.5, 0.3), a_slice(0.7, 0.1), a_slice(0.9, 0.4), a_slice(NAN, 0.3), a_slice(NAN, 0.0)]
    found = Named.of(slices, 0.2)
    assert (found.named, found.bad, found.right) == (3, 2, 1)
    assert (found.recall, found.precision) == (0.5, pytest.approx(1 / 3))
    assert Named.of(slices, 0.05).recall == 1


def test_what_is_named_by_default_is_what_users_are_told():
    slices = [a_slice(0.5, DOUBTFUL - 1e-6), a_slice(0.5, DOUBTFUL + 1e-6)]
    assert Named.of(slices).named == 1


def test_without_bad_or_named_slices_there_is_no_share():
    found = Named.of([a_slice(0.9, 0.0)], 0.2)
    assert np.isnan(found.recall)
    assert np.isnan(found.precision)


def test_the_threshold_is_the_largest_that_reaches_the_recall():
    slices = [a_slice(0.5, score / 100 + 0.005) for score in range(10, 20)] + [a_slice(0.9, 0.5)]
    assert threshold_for(slices, 0.85) == 0.11  # 9 of the 10 are over it
    assert threshold_for(slices, 1.0) == 0.1
    assert threshold_for([a_slice(0.5, 0.0)], 0.85) == 0  # sure, and wrong
    assert threshold_for([a_slice(0.9, 0.3)], 0.85) == 0


def test_the_page_tells_the_threshold():
    assert re.findall(r"a score over (0\.\d+)", TRUST.read_text(encoding="utf-8")) == [f"{DOUBTFUL:g}"]


# Temperature


def said(temperature):
    """What is said of voxels whose logits are right, when they are divided by a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 200_000)
    true = rng.random(logits.size) < 1 / (1 + np.exp(-logits))
    return true, (1 / (1 + np.exp(-logits / temperature))).astype(np.float16)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_temperature_undoes_what_was_done(temperature):
    tally = Tally.of(*said(temperature))
    best = best_temperature(tally)
    assert best == pytest.approx(1 / temperature, rel=0.02)
    assert tally.loss(best) <= tally.loss()
    assert tally.reliability(best).error < 0.005


def test_a_tally_keeps_what_was_said():
    true, probability = said(0.5)
    probability[:2], probability[2:4] = 0, 1
    half = len(true) // 2
    tally = Tally.of(true[:half], probability[:half]) + Tally.of(true[half:], probability[half:])
    direct = Reliability.of(true, probability)
    for name in ("voxels", "probability", "positive", "squares"):
        np.testing.assert_allclose(getattr(tally.reliability(), name), getattr(direct, name), rtol=1e-9)
    exact = probability.astype(float)
    share = true[(exact >= 7 / 15) & (exact < 8 / 15)].mean()
    assert direct.called(0.5)[0] == pytest.approx(share)


def test_the_loss_is_the_cross_entropy_and_sure_mistakes_do_not_make_it_infinite():
    assert Tally.of(np.array([True, False]), np.array([0.25, 0.25], np.float16)).loss() == pytest.approx(
        -(np.log(0.25) + np.log(0.75)) / 2
    )
    assert 8 < Tally.of(np.array([True]), np.array([0.0], np.float16)).loss() < 20
    assert np.isnan(Tally.of(np.zeros(0, bool), np.zeros(0, np.float16)).loss())


@pytest.mark.parametrize("temperature", [0.3, 4.0])
def test_no_temperature_changes_a_label(temperature):
    logits = torch.linspace(-20, 20, 101).reshape(1, 1, 1, -1)  # 0, and so 0.5, is among them
    assert torch.equal(labels_of(logits), labels_of(logits / temperature))


# Folds


@pytest.fixture
def a_cross_validation(a_decathlon_task, tmp_path):
    """Three folds as `training.cross_validate` leaves them, untrained: the first network finds everything, the second
    nothing, and the third something."""
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace('"best"', '"last"'))
    runs = tmp_path / "anunet-balls"
    for number, recipe in enumerate(folds(read_recipe([str(path)]), a_decathlon_task, 3), start=1):
        write_fold(runs / f"fold-{number}", recipe, {1: 9.0, 2: -9.0, 3: 0.0}[number])
    return runs


def write_fold(own, recipe, bias):
    torch.manual_seed(0)
    network = networks.create(recipe.network, **recipe.options)
    with torch.no_grad():
        for head in network.heads.values():
            head.weight *= 0.1
            head.bias.fill_(bias)
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    cases = {"training": [], "validation": [recipe.split.validation[0]], "test": ["case_3"]}
    own.mkdir(parents=True)
    content = {"hyper_parameters": {"recipe": recipe.as_dict(), "cases": cases}, "state_dict": weights}
    torch.save(content, own / "last.ckpt")
    (own / "scores.csv").touch()


def run(runs, root, out, *more):
    return trust.main(["--folds", str(runs), "--root", str(root), "--out", str(out), "--device", "cpu", *more])


@pytest.mark.slow
def test_every_patient_is_judged_by_the_network_that_has_not_seen_it(
    a_cross_validation, a_decathlon_task, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "out"
    assert run(a_cross_validation, a_decathlon_task, out) == 0
    own = out / "anunet-balls"
    found = {case: [one for one in read_slices(own / "slices.csv") if one.case == f"case_{case}"] for case in range(3)}
    assert {one.area_mm2 for one in found[0]} == {34 * 30 * 1.5 * 1.5}
    assert {one.area_mm2 for one in found[1]} == {0.0}
    assert [(one.fold, one.case) for one in read_cases(own / "cases.csv")] == [
        (f"fold-{n + 1}", f"case_{n}") for n in range(3)
    ]
    *of_folds, every = read_temperatures(own / "temperatures.csv")
    assert [one.fold for one in of_folds] == ["fold-1", "fold-2", "fold-3"]
    assert every.fold == "all"
    assert of_folds[0].own > 1.5  # far too bold
    assert every.own > 1.5
    before, after = read_bins(own / "bins.csv"), read_bins(own / "tempered.csv")
    assert before.keys() == after.keys()
    assert all(before[key].voxels.sum() == after[key].voxels.sum() for key in before)
    text = capsys.readouterr().out
    assert text.splitlines()[2].startswith("| anunet-balls | 3 |")
    assert text.endswith((own / "folds.md").read_text())
    assert "| case_1 | fold-2 |" in text
    assert (out / "reliability.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(trust, "measure_folds", lambda *_, **__: pytest.fail("measured again"))
    assert run(a_cross_validation, a_decathlon_task, out) == 0
    assert capsys.readouterr().out == text


def test_a_fold_that_is_not_done_is_refused(a_cross_validation, a_decathlon_task, tmp_path, capsys):
    (a_cross_validation / "fold-2" / "scores.csv").unlink()
    assert run(a_cross_validation, a_decathlon_task, tmp_path / "out") == 2
    assert re.search(r"fold-2' is not done; run training.cross_validate again", capsys.readouterr().err)


def test_a_patient_without_a_fold_is_told(a_cross_validation, a_decathlon_task, tmp_path, capsys):
    shutil.rmtree(a_cross_validation / "fold-3")
    assert run(a_cross_validation, a_decathlon_task, tmp_path / "out") == 2
    assert "Case 'case_2' was held out by 0 of the 2 folds" in capsys.readouterr().err


def test_a_patient_in_two_folds_is_told(a_cross_validation, a_decathlon_task, tmp_path, capsys):
    shutil.copytree(a_cross_validation / "fold-3", a_cross_validation / "fold-4")
    assert run(a_cross_validation, a_decathlon_task, tmp_path / "out") == 2
    assert "Case 'case_2' was held out by 2 of the 4 folds" in capsys.readouterr().err


def test_folds_leave_no_choice_of_cases(a_cross_validation, a_decathlon_task, tmp_path, capsys):
    assert run(a_cross_validation, a_decathlon_task, tmp_path / "out", "--case", "case_0") == 2
    assert "leave --case and --training-cases out" in capsys.readouterr().err
    assert run(tmp_path, a_decathlon_task, tmp_path / "out") == 2
    assert "There are no folds in" in capsys.readouterr().err
