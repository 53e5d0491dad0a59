"""One table from the data set to the page, by the command; what it goes on with, and what it refuses."""

import shutil
from dataclasses import replace

import pytest
from made_up.balls import write_task
from made_up.commands import run_here

from training import reproduce
from training.learning import scored_run
from training.reproduce import main, recipe_for
from training.scoring.scores import read_scores

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
