"""The papers' tables: what stands beside the printed numbers, and one table from the data set to the page."""

import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
from made_up.balls import write_task
from made_up.commands import run_here

from training import reproduce
from training.learning import scored_run
from training.learning.recipe import read_recipe
from training.papers.printed import DATASETS, Column, SystemCost, printed
from training.papers.systems import published, system, table_names
from training.papers.table_figures import MadeRow, draw_pruning
from training.reproduce import BUDGETS, Budget, TableToMake, main, ours_beside_printed, recipe_for
from training.scoring.scores import Score, read_scores
from training.train import RunOptions

ZERO = {field.name: {"int": 0, "float": 0.0, "str": ""}[field.type] for field in fields(Score)}
COST = SystemCost(1_500_000, 0.02)


def is_about(paper, table, dataset):
    """Whether a table tells of a data set, in a part of its own, or in a column."""
    parts, shown = published(paper, table), DATASETS[paper][dataset]
    return (
        paper == "ms-dual-guided"
        or shown == "all organs"
        or shown in parts
        or any(shown in part.metrics for part in parts.values())
    )


EVERY = [(paper, table, dataset) for paper in DATASETS for table in table_names(paper) for dataset in DATASETS[paper]]
PRINTED = [one for one in EVERY if is_about(*one)]


def a_score(**values):
    return Score(**{**ZERO, "model": "net", "case": "a", "label": "organ", **values})


def a_table(paper="ec-cam-unet", name="table4", dataset="heart", budget=BUDGETS["full"]):
    return TableToMake(paper, name, dataset, Path(), Path(), budget, RunOptions())


# Our columns


def test_columns_are_in_the_papers_units():
    scores = [a_score(dice=0.5), a_score(case="b", dice=0.7)]
    assert Column("DSC", "percent", "DSC").of("ms-dual-guided", scores, COST) == pytest.approx(60)
    assert Column("DSC", "percent", "DSC").spread("ms-dual-guided", scores) == pytest.approx(10 * 2**0.5)
    assert Column("DSC", "fraction", "DSC").of("omega-net", scores, COST) == pytest.approx(0.6)


def test_columns_of_organs_and_their_mean():
    dice = {"liver": 0.9, "right_kidney": 0.8, "left_kidney": 0.6, "spleen": 0.5}
    scores = [a_score(label=organ, dice=value, mean_surface_distance_voxels=2.0) for organ, value in dice.items()]

    def of(score, unit, organ):
        return Column("any", unit, score, organ).of("ms-dual-guided", scores, COST)

    assert of("DSC", "percent", "Kidney R") == pytest.approx(80)
    assert of("DSC", "percent", "Mean") == pytest.approx(70)
    assert of("MSD", "voxels", "Spleen") == of("MSD", "voxels", "Mean") == 2.0


def test_columns_of_cost():
    """Seconds for 2000 slices, and millions of parameters."""
    assert Column("time", "s", "time").of("anu-net", [], COST) == pytest.approx(40)
    assert Column("parameters", "million", "parameters").of("anu-net", [], COST) == pytest.approx(1.5)


def test_a_page_shows_ours_beside_the_printed_values():
    wanted = a_table("af-net", "table1", "aorta", Budget(epochs=3))
    page = printed("af-net", "table1", "aorta")
    scores = [a_score(dice=0.5, iou=1 / 3, auc=float("nan"), tp=1, fp=1, fn=1, tn=997)]
    text = ours_beside_printed(wanted, page, {"U-Net": (scores, COST)})
    assert text.startswith("# af-net, table1: Comparison on the aorta data, on aorta\n")
    assert "Ours / printed, on 1 test cases; cut down to 3 epochs: a rehearsal, not a result." in text
    assert "| method | ACC | SEN | PRE | F1 | AUC | mIoU | DICE |" in text
    dash = "\N{EN DASH}"
    cells = ["0.998 / 0.996", *[f"0.5 / {dash}"] * 3, f"{dash} / 0.477", f"0.3333 / {dash}", f"0.5 / {dash}"]
    assert f"| U-Net | {' | '.join(cells)} |" in text
    assert all(note in text for note in page.notes)


def test_a_page_of_ec_cam_unet_shows_slices_beside_the_printed_values_and_volumes_beside_them():
    wanted, page = a_table(), printed("ec-cam-unet", "table4", "heart")
    score = a_score(dice=0.9, slice_dice=0.7, slice_dice_all=0.8, recall=0.6, precision=0.5, slices=4, filled_slices=2)
    text = ours_beside_printed(wanted, page, {"BCE": ([score], COST)})
    head = ("DSC, empty slices 1", "DSC by volume", "Sensitivity by volume", "Precision by volume")
    assert f"| method | DSC (percent) | {' | '.join(f'{name} (percent)' for name in head)} |" in text
    assert "| BCE | 70 / 73.13 | 80 | 90 | 60 | 50 |" in text


def test_pruning_is_drawn_as_in_figure_13(tmp_path):
    rows = {
        f"ANU-Net L{level}": MadeRow([a_score(tp=90, fp=10, fn=10)], SystemCost(10**level, 0.001 * level), Path())
        for level in (4, 5)
    }
    draw_pruning(tmp_path / "table6-liver-ct", rows)
    assert (tmp_path / "table6-liver-ct-figure13.png").stat().st_size > 5000


# Recipes of rows


@pytest.mark.parametrize(("paper", "table", "dataset"), PRINTED)
@pytest.mark.parametrize("budget", BUDGETS)
def test_every_row_has_a_recipe_that_ends_with_a_checkpoint(paper, table, dataset, budget):
    wanted = a_table(paper, table, dataset, BUDGETS[budget])
    own = read_recipe([f"{paper}/{dataset}", *(["budgets/compact"] if budget == "compact" else [])])
    for method in printed(paper, table, dataset).rows:
        chosen = system(paper, method)
        recipe = recipe_for(wanted, chosen)
        settings = recipe.optimisation
        assert settings.validate_every <= settings.epochs <= own.optimisation.epochs
        assert (settings.loss, settings.alpha) == (chosen.loss or own.optimisation.loss, chosen.alpha)
        assert recipe.network == chosen.network
        width = {"width": 8} if budget == "compact" else {}
        assert recipe.options == chosen.options | width | {k: own.options[k] for k in ("in_channels", "num_classes")}
        assert recipe.split == own.split


def test_budgets_only_shrink():
    """96 x 96 pixels and one epoch are tiny; a recipe of fewer epochs than the short budget's ten keeps its own."""
    bce = system("ec-cam-unet", "BCE")
    full, short, tiny = (recipe_for(a_table(budget=BUDGETS[name]), bce) for name in ("full", "short", "tiny"))
    assert (full.optimisation.epochs, full.preprocessing.size) == (150, (320, 320))
    assert (short.optimisation.epochs, short.preprocessing.size) == (10, (320, 320))
    assert (tiny.optimisation.epochs, tiny.preprocessing.size) == (1, (96, 96))
    assert recipe_for(a_table(budget=Budget(epochs=1000)), bce) == full
    assert str(BUDGETS["full"]) == "the whole recipe"


def test_rows_of_one_network_share_a_folder_and_others_do_not():
    def folder(method, budget="full", dataset="heart"):
        wanted = a_table(dataset=dataset, budget=BUDGETS[budget])
        [run] = reproduce._runs(wanted, system("ec-cam-unet", method))
        return run.folder.name

    assert folder("U-Net") == folder("Dice")
    methods = ("Dice", "BCE", "Dice + BCE", "U-Net + CC", "U-Net++", "EC-CaM-UNet", "alpha = 0.3", "alpha = 0.5")
    names = [folder(method) for method in methods]
    assert len(set(names)) == len(methods)
    assert len({folder("Dice", budget) for budget in BUDGETS}) == len(BUDGETS)
    assert all("/" not in name and len(name) < 120 for name in names)


# The command

ROWS = ["--row", "BCE", "--row", "Dice"]
PAGE = "table4-heart-epochs=1-batches=2-size=96-cases=1.md"


def arguments(root, out, *more):
    return ["ec-cam-unet", "table4", "--dataset", "heart", "--root", str(root), "--out", str(out), "--budget", "tiny",
            "--workers", "0", "--accelerator", "cpu", *more]  # fmt: skip


def narrow_recipe_for(wanted, chosen):
    """The recipe of a row, with a network of few channels: the papers' checkpoints have hundreds of megabytes."""
    recipe = recipe_for(wanted, chosen)
    return replace(recipe, options=recipe.options | {"width": 4})


@pytest.fixture(scope="module")
def a_made_table(tmp_path_factory):
    """Data set, folder and printed page of two rows; networks stay narrow as long as it is used."""
    folder = tmp_path_factory.mktemp("made")
    root = write_task(folder / "task", count=10)  # 7 to train, 1 to validate, 2 to test
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reproduce, "recipe_for", narrow_recipe_for)
        ended = run_here(main, *arguments(root, folder / "out", *ROWS))
        assert ended.code == 0, ended.said
        assert "Row 1 of 2: BCE" in ended.said
        yield root, folder / "out", ended.printed[ended.printed.index("# ec-cam-unet") :]


@pytest.mark.slow
def test_a_table_is_made_from_the_data_set_to_the_page(a_made_table):
    _, out, text = a_made_table
    assert (out / PAGE).read_text() == text.removesuffix("\n")
    assert "a rehearsal, not a result" in text
    assert "| method | DSC (percent) |" in text
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {PAGE.replace(".md", f"-{what}.png") for what in ("boxplots", "curves", "examples")}
    for loss, theirs in (("bce", "73.13"), ("ec_cam_dice", "74.41")):
        [table] = out.glob(f"heart-*-{loss}-*/scores.csv")
        [score] = read_scores(table)  # one case of the test
        method = {"bce": "BCE", "ec_cam_dice": "Dice"}[loss]
        assert f"| {method} | {100 * score.slice_dice:.4g} / {theirs} |" in text


@pytest.mark.slow
def test_a_finished_row_is_never_trained_again(a_made_table, monkeypatch, capsys):
    def trained_again(*_arguments):
        raise AssertionError

    monkeypatch.setattr(scored_run, "train", trained_again)
    monkeypatch.setattr(reproduce, "evaluate", trained_again)
    root, out, text = a_made_table
    assert main(arguments(root, out, *ROWS)) == 0
    assert capsys.readouterr().out == text
    with pytest.raises(AssertionError):
        main(arguments(root, out, "--row", "Dice + BCE"))
    with pytest.raises(AssertionError):  # a rehearsal never passes for the whole
        main([*arguments(root, out, *ROWS), "--budget", "full"])


@pytest.mark.slow
def test_a_trained_row_without_scores_is_only_scored(a_made_table, monkeypatch, capsys):
    monkeypatch.setattr(scored_run, "train", lambda *_: None)
    root, out, text = a_made_table
    [table] = out.glob("heart-*-bce-*/scores.csv")
    table.unlink()
    table.with_suffix(".json").unlink()
    assert main(arguments(root, out, *ROWS)) == 0
    assert capsys.readouterr().out == text


@pytest.mark.slow
def test_one_row_leaves_the_others_on_the_page(a_made_table, capsys):
    root, out, text = a_made_table
    assert main(arguments(root, out, "--row", "BCE")) == 0
    assert capsys.readouterr().out == text
    assert "| Dice |" in (out / PAGE).read_text()


@pytest.mark.slow
def test_a_rehearsal_lies_beside_the_page_of_the_whole(a_made_table, monkeypatch):
    root, out, _ = a_made_table
    whole, rehearsed = out / "table4-heart.md", (out / PAGE).read_text()
    for run in out.glob("heart-*-bce-*"):  # as if it had been no rehearsal
        shutil.copytree(run, out / run.name.partition("-epochs")[0])
    monkeypatch.setattr(scored_run, "refuse_another", lambda *_: None)
    assert main([*arguments(root, out, "--row", "BCE"), "--budget", "full"]) == 0
    text = whole.read_text()
    assert "; the whole recipe." in text
    assert (out / PAGE).read_text() == rehearsed
    assert main(arguments(root, out, "--row", "BCE")) == 0
    assert whole.read_text() == text


@pytest.mark.slow
def test_rows_of_another_recipe_or_split_are_not_shown(a_made_table, tmp_path, monkeypatch, capsys):
    root, out, _ = a_made_table
    more = write_task(tmp_path / "task", count=11)
    assert main(arguments(more, out, *ROWS)) == 2
    assert "cases are not those that this run began with" in capsys.readouterr().err
    recipe_for = reproduce.recipe_for
    monkeypatch.setattr(reproduce, "recipe_for", lambda *row: recipe_for(*row).with_changes(batch_size=2))
    assert main(arguments(root, out, *ROWS)) == 2
    assert "by another recipe (optimisation.batch_size: 4 there, 2 here)" in capsys.readouterr().err


def test_the_table_of_cost_needs_no_data_set(tmp_path, capsys):
    assert main(["af-net", "table5", "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "| AF-Net | 72.71 / 72.71 | 5.34 / 5.34 |" in text
    assert (tmp_path / "out" / "table5.md").read_text() == text.removesuffix("\n")
    assert main(["af-net", "table1", "--out", str(tmp_path / "out")]) == 2
    assert "Give the folder of the data set by --root; only af-net's table5" in capsys.readouterr().err


def test_an_unknown_row_is_refused_before_the_training_of_others(tmp_path, capsys):
    assert main(arguments(tmp_path, tmp_path / "out", *ROWS, "--row", "U-Net")) == 2
    assert "The table has no row 'U-Net'; its rows are: Dice, BCE, Dice + BCE." in capsys.readouterr().err


def test_a_missing_data_set_is_told_with_where_to_get_it(tmp_path, capsys):
    assert main(arguments(tmp_path / "none", tmp_path / "out", "--row", "BCE")) == 2
    printed = capsys.readouterr()
    assert (printed.out, f"There is no folder '{tmp_path / 'none'}'." in printed.err) == ("", True)
    assert "Download a task of the Medical Segmentation Decathlon from http://medicaldecathlon.com" in printed.err
    assert not (tmp_path / "out").exists()


def test_too_few_cases_are_told_before_the_training(a_decathlon_task, tmp_path, capsys):
    assert main(arguments(a_decathlon_task, tmp_path / "out", "--row", "BCE")) == 2
    assert "its split leaves no case for validation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
