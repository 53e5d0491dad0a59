"""All networks alike: what is compared, what differences mean, and a comparison from the data set to the pictures."""

import csv
import shutil
from dataclasses import fields, replace

import pytest
import torch
from made_up.balls import RECIPE
from made_up.commands import run_here
from PIL import Image

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from training.compare import NetworkComparison, main
from training.learning import scored_run
from training.learning.recipe import read_recipe
from training.papers.comparison import ABLATIONS, BASELINES, FIVE, REFERENCE, published_dice, row, title_of
from training.scoring.comparison_report import ComparedNetworks, RowCost, comparison_tables, difference
from training.scoring.scores import Score, read_scores
from training.train import RunOptions

ROWS = [*FIVE, *BASELINES, *ABLATIONS]
ZERO = {field.name: {"int": 0, "float": 0.0, "str": ""}[field.type] for field in fields(Score)}


def some_scores(title, *dice, cases=("a", "b", "c")):
    return [Score(**{**ZERO, "model": title, "case": case, "dice": d}) for case, d in zip(cases, dice, strict=True)]


def compared(scores, patients):
    return ComparedNetworks(scores, patients, predictors={}, logs={}, truth=None)


# What is compared


def test_every_network_is_there_and_no_two_rows_are_the_same():
    assert {row(title).network for title in ROWS} == set(networks.network_names())
    keys = [(row(title).network, tuple(sorted(row(title).options.items())), row(title).level) for title in ROWS]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("title", [*FIVE, *BASELINES])
def test_networks_are_of_about_one_size(title):
    chosen = row(title)
    with torch.device("meta"):
        network = networks.create(chosen.network, **chosen.options)
    assert 2.2e6 < sum(parameter.numel() for parameter in network.parameters()) < 3.8e6


def test_every_network_has_a_title():
    assert [title_of(name) for name in ("omeganet", "unet")] == ["Omega-Net", "U-Net"]
    assert len({title_of(name) for name in networks.network_names()}) == len(networks.network_names())


@pytest.mark.parametrize("title", ABLATIONS)
def test_every_ablation_is_smaller_than_its_network(title):
    chosen = row(title)
    whole = row({"afnet": "AF-Net", "anunet": "ANU-Net", "eccamunet": "EC-CaM-UNet"}.get(chosen.network) or "Omega-Net")
    whole = row("MS-Dual-Guided") if chosen.network == "msdualguided" else whole

    def parameters(one):
        level = {"level": one.level} if one.level else {}
        with torch.device("meta"):
            return sum(p.numel() for p in networks.create(one.network, **one.options, **level).parameters())

    same_size = title.endswith("as printed") or "(in serial)" in title
    assert parameters(chosen) == parameters(whole) if same_size else parameters(chosen) < parameters(whole)


def test_an_unknown_row_is_refused():
    with pytest.raises(InputError, match="has no row 'V-Net'; its rows are: AF-Net, ANU-Net,"):
        row("V-Net")


def test_what_ec_cam_unets_paper_prints_stands_beside():
    titles = ("EC-CaM-UNet", REFERENCE, "U-Net + SE", "EC-CaM-UNet: CoA -> MuS (series)", "AF-Net")
    assert [published_dice(title) for title in titles] == [79.32, 74.41, 75.22, 77.19, None]


def test_every_row_has_the_same_recipe_but_for_its_network():
    recipe = read_recipe(["modern/left_atrium-mr", "comparison/one-for-all"])
    wanted = NetworkComparison(recipe, None, None, [0], RunOptions())
    one, other = wanted.recipe_of("ANU-Net", 3), wanted.recipe_of("U-Net + CBAM", 3)
    assert (one.network, one.options["width"], one.options["num_classes"]) == ("anunet", 16, 1)
    assert (one.optimisation, one.split, one.augmentation) == (other.optimisation, other.split, other.augmentation)
    assert one.optimisation.seed == 3
    assert set(recipe.split.test) == {"la_018", "la_019", "la_020"}


# Differences


def test_a_difference_is_that_of_the_paired_t_test():
    scores = some_scores("AF-Net", 0.8, 0.9, 0.7) + some_scores(REFERENCE, 0.7, 0.7, 0.65)
    mean, half, p = difference(compared(scores, {"a": "a", "b": "b", "c": "c"}), "AF-Net")
    # differences 0.1, 0.2, 0.05: mean 0.11667, standard error 0.04410; t(2) = 4.3027 and 2.6458
    assert (mean, half, p) == (
        pytest.approx(0.116667, abs=1e-6),
        pytest.approx(0.18974, abs=1e-4),
        pytest.approx(0.118, abs=1e-3),
    )


def test_seeds_of_a_patient_are_no_further_patients():
    cases, patients = ("a, seed 0", "a, seed 1", "b, seed 0"), {"a, seed 0": "a", "a, seed 1": "a", "b, seed 0": "b"}
    scores = some_scores("AF-Net", 0.8, 0.6, 0.9, cases=cases) + some_scores(REFERENCE, 0.5, 0.5, 0.5, cases=cases)
    mean, half, _ = difference(compared(scores, patients), "AF-Net")
    assert mean == pytest.approx(0.3)  # of 0.2 and 0.4
    assert half == pytest.approx(12.706 * 0.1, rel=1e-4)
    assert difference(compared(scores, patients), REFERENCE) is None


def test_rows_that_are_equal_differ_by_nothing():
    """As untrained networks may be; p is 1, and not undefined."""
    scores = some_scores("AF-Net", 0.0, 0.5, 0.7) + some_scores(REFERENCE, 0.0, 0.5, 0.7)
    assert difference(compared(scores, {"a": "a", "b": "b", "c": "c"}), "AF-Net") == (0.0, 0.0, 1.0)


def cells_of(compared, seeds):
    """The cells of each row of the table by column. seeds: of each row, their number."""
    logs = {title: dict.fromkeys(range(count)) for title, count in seeds.items()}
    of_all = replace(compared, predictors=dict.fromkeys(seeds), logs=logs)
    text = comparison_tables(of_all, dict.fromkeys(seeds, RowCost(1, 1, 1.0)))
    assert "p (Holm): corrected for all rows of this table" in text
    head, *lines = [[cell.strip(" *") for cell in line.split("|")] for line in text.splitlines() if "|" in line]
    return {line[1]: dict(zip(head, line, strict=True)) for line in lines}


def test_p_is_corrected_for_the_rows_of_a_table():
    """Two rows against the reference: twice the smaller p, and the larger one as it is."""
    scores = some_scores(REFERENCE, 0.5, 0.5, 0.5) + some_scores("AF-Net", 0.6, 0.7, 0.55)
    scores += some_scores("DAF", 0.61, 0.62, 0.63)
    cells = cells_of(compared(scores, {"a": "a", "b": "b", "c": "c"}), {"AF-Net": 1, "DAF": 1, REFERENCE: 1})
    assert [(cells[title]["p"], cells[title]["p (Holm)"]) for title in ("AF-Net", "DAF", REFERENCE)] == [
        ("0.118", "0.118"),  # as above
        ("0.002", "0.005"),  # mean 0.12, standard error 0.01 / sqrt(3): t(2) = 20.78, p = 0.0023
        ("", ""),
    ]


def test_a_row_may_have_more_seeds_than_another():
    """Mean and standard deviation are over patients, each with the mean of its seeds."""
    cases = [f"{patient}, seed {seed}" for patient in "abc" for seed in (0, 1)]
    scores = some_scores("AF-Net", 0.5, 0.7, 0.6, 0.8, 0.7, 0.9, cases=cases)  # of the patients: 0.6, 0.7, 0.8
    scores += some_scores(REFERENCE, 0.5, 0.5, 0.8, cases=cases[::2])
    cells = cells_of(compared(scores, {case: case[0] for case in cases}), {"AF-Net": 2, REFERENCE: 1})
    shown = [[cells[title][name] for name in ("seeds", "Dice")] for title in ("AF-Net", REFERENCE)]
    assert shown == [["2", "0.700 ± 0.100"], ["1", "0.600 ± 0.173"]]
    assert cells["AF-Net"]["Dice minus U-Net's"].startswith("+0.100")


def test_folders_of_runs_keep_their_names(a_recipe, tmp_path):
    """Comparisons go on where they stopped, also with a later version."""
    wanted = NetworkComparison(read_recipe([str(a_recipe)]), tmp_path, tmp_path, [0], RunOptions())
    places = {title: str(wanted.run_of(title, 0).table.relative_to(tmp_path)) for title in ROWS}
    assert places["Omega-Net"] == "omeganet-channel_scale=mean-width=12/seed-0/scores.csv"
    assert places["ANU-Net: L2"] == "anunet-width=16/seed-0/scores-L2.csv"
    assert places["ANU-Net: without gates"] == "anunet-gates=0-width=16/seed-0/scores.csv"
    assert len(set(places.values())) == len(places)


# A comparison


def test_nothing_is_trained_that_could_not_be_tested(a_recipe, a_decathlon_task, tmp_path, capsys):
    a_recipe.write_text(RECIPE.replace('test = ["case_3"]', ""))
    assert main([str(a_recipe), "--root", str(a_decathlon_task), "--out", str(tmp_path / "out")]) == 2
    assert "leaves none of the 4 cases for the test" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_rows_are_trained_once_and_compared(a_recipe, a_decathlon_task, tmp_path, monkeypatch, capsys):
    """Two rows; then a pruned one, which needs no training."""
    out = tmp_path / "compared"
    given = [str(a_recipe), "--root", str(a_decathlon_task), "--out", str(out), "--accelerator", "cpu"]
    given += ["--epochs", "1", "--workers", "0"]
    assert run_here(main, *given, "--row", REFERENCE, "--row", "ANU-Net").code == 0
    assert main([*given, "--done", "--seed", "1"]) == 2
    assert "No row is done" in capsys.readouterr().err
    monkeypatch.setattr(scored_run, "train", lambda *_: None)
    assert main([*given, "--row", "ANU-Net: L1"]) == 0
    assert "ANU-Net: L1, seed 0: Dice case_3" in capsys.readouterr().out
    [anunet] = out.glob("anunet-*")
    alone = tmp_path / "alone"
    shutil.copytree(anunet, alone / anunet.name)
    (alone / anunet.name / "seed-0" / "scores.csv").unlink()
    assert main([*given, "--done", "--out", str(alone)]) == 0
    assert capsys.readouterr().out.startswith("## Ablations")
    assert main([*given, "--done", "--epochs", "2"]) == 2
    assert "by another recipe (optimisation.epochs: 1 there, 2 here)" in capsys.readouterr().err
    assert main([*given, "--done", "--pictures", str(tmp_path / "new" / "pictures")]) == 0
    printed = capsys.readouterr().out
    assert "| **ANU-Net** |" in printed
    assert "| ANU-Net: L1 |" in printed.partition("## Ablations")[2]
    assert {one.model for one in read_scores(out / "scores.csv")} == {REFERENCE, "ANU-Net", "ANU-Net: L1"}
    for name in ("boxplots", "cost", "convergence", "examples"):
        Image.open(tmp_path / "new" / "pictures" / f"comparison-{name}.png").verify()
    with (out / "training.csv").open(newline="") as file:
        assert [(line["model"], line["seed"]) for line in csv.DictReader(file)] == [("ANU-Net", "0"), (REFERENCE, "0")]
    assert main([*given, "--done", "--seed", "0", "--seed", "1"]) == 0, "a seed that is not done yet is left out"
    assert "case_3, seed 0" in {one.case for one in read_scores(out / "scores.csv")}
