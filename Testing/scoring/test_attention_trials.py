"""What attention does in the networks of cross-validations, and the table of them."""

from made_up.balls import RECIPE
from test_trust_folds import write_fold

from training.cross_validate import folds
from training.learning.recipe import read_recipe
from training.model_folder.attention_trials import main
from training.scoring.attention.influence import CHANNELS_TOO, TOGETHER, read_influences


def a_fold(root, runs):
    """The first of three folds of a network that finds something, as `training.cross_validate` leaves it."""
    recipe = runs.parent / "recipe.toml"
    recipe.write_text(RECIPE.replace('"best"', '"last"'))
    first, *_ = folds(read_recipe([str(recipe)]), root, 3)
    write_fold(runs / "fold-1", first, 0.02)
    return first.split.validation


def test_the_table_has_a_line_for_each_recipe(a_decathlon_task, tmp_path, capsys):
    held_out = a_fold(a_decathlon_task, tmp_path / "anunet-as-is")
    arguments = [str(tmp_path / "anunet-as-is"), "--root", str(a_decathlon_task), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    rows = read_influences(tmp_path / "out" / "anunet-as-is" / "influence.csv")
    assert [(one.case, one.map) for one in rows] == [(held_out[0], TOGETHER), (held_out[0], CHANNELS_TOO)]
    assert rows[0].dice > 0
    assert rows[0].influence == rows[1].influence  # this network has no coefficients over channels
    text = capsys.readouterr().out
    assert text == (tmp_path / "out" / "trials.md").read_text()
    cells = f"{rows[0].dice:.3f} | {rows[0].dice_without:.3f} | {rows[1].dice_without:.3f} | {rows[0].influence:.3f}"
    assert f"| anunet-as-is | 1 | {cells} |" in text


def test_a_folder_without_folds_is_refused(tmp_path, capsys):
    assert main([str(tmp_path), "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "There are no folds in" in capsys.readouterr().err


def test_two_folders_of_one_name_are_refused(tmp_path, capsys):
    runs = [tmp_path / parent / "same" for parent in "ab"]
    assert main([*map(str, runs), "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "Two of RUNS have one name" in capsys.readouterr().err
