"""The command that scores models and folders of label maps."""

import json
import shutil

import pytest
import SimpleITK as sitk
from made_up.balls import a_ball, write_task

from AttnSegLib.models.card_file import CARD
from training import datasets
from training.evaluate import main
from training.papers.columns import NOTES
from training.scoring.scores import read_scores


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    """Label maps of all balls: the truth of even cases, that of odd ones without its lower half."""
    folder = tmp_path_factory.mktemp("predicted")
    for number in range(4):
        _, label_map = a_ball(number)
        label_map[: 5 * (number % 2)] = 0
        image = sitk.GetImageFromArray(label_map)
        image.SetSpacing((1.5, 1.5, 4.0))
        sitk.WriteImage(image, str(folder / f"case_{number}.nii.gz"))
    return folder


@pytest.fixture
def score_balls(a_decathlon_task, tmp_path):
    def run(*arguments, dataset="msd"):
        given = ["--dataset", dataset] if dataset else []
        return main([*map(str, arguments), "--root", str(a_decathlon_task), "--out", str(tmp_path / "out"), *given])

    return run


def test_a_folder_of_label_maps_is_scored(score_balls, predictions, tmp_path, capsys):
    assert score_balls(predictions, "--paper", "af-net") == 0
    printed = capsys.readouterr()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "scores.csv", "summary.md", "boxplots.png", "examples.png"
    }  # fmt: skip
    scores = read_scores(tmp_path / "out" / "scores.csv")
    assert [one.case for one in scores] == ["case_0", "case_1", "case_2", "case_3"]
    assert scores[0].dice == scores[2].dice == 1
    assert 0 < scores[1].dice < 1
    assert {(one.model, one.label) for one in scores} == {(predictions.name, "label_1")}
    assert "## The columns of af-net" in printed.out
    assert "| model | label | ACC | SEN | PRE | F1 | AUC | mIoU | DICE |" in printed.out
    assert NOTES["af-net"] in printed.out
    assert f"Written to '{tmp_path / 'out'}'." in printed.out


def test_two_folders_are_compared(score_balls, predictions, a_decathlon_task, tmp_path, capsys):
    assert score_balls(predictions, a_decathlon_task / "labelsTr", "--case", "case_1", "--case", "case_3") == 0
    assert "## Differences in Dice" in capsys.readouterr().out
    scores = read_scores(tmp_path / "out" / "scores.csv")
    assert [(one.model, one.case) for one in scores[2:]] == [("labelsTr", "case_1"), ("labelsTr", "case_3")]
    assert [one.dice for one in scores[2:]] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "dataset", "words"),
    [
        ([], None, "Give the data set's name by --dataset"),
        ([], "mds", "no data set 'mds'; choose one of: "),
        (["--case", "case_9"], "msd", "no case 'case_9'; it has 4, such as 'case_0'"),
        (["--option", "plane"], "msd", "'plane' is not an option of a data set; write NAME=VALUE"),
        (["--option", "plane=axial"], "msd", "has no option 'plane'"),
    ],
)
def test_what_cannot_be_scored_is_told_in_a_sentence(
    arguments, dataset, words, score_balls, predictions, tmp_path, capsys
):
    assert score_balls(predictions, *arguments, dataset=dataset) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.startswith("Error: "), words in printed.err) == ("", True, True)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_lacks_a_case_is_told(score_balls, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert score_balls(tmp_path / "empty") == 2
    assert "holds no label map 'case_0.nii.gz'" in capsys.readouterr().err


@pytest.fixture
def a_model_of_balls(a_model_folder):
    """The tiny model, with a card as if it had been trained on the balls."""

    def trained(**training):
        text = (a_model_folder / CARD).read_text()
        known = {"dataset": {"name": "msd", "options": {}, "labels": None}, **training}
        (a_model_folder / CARD).write_text(text.replace('"training": {}', f'"training": {json.dumps(known)}'))
        return a_model_folder

    return trained


def test_a_model_knows_its_data_set_and_test_cases(score_balls, a_model_of_balls, tmp_path, capsys):
    model = a_model_of_balls(training_cases=["case_0"], test_cases=["case_3"])
    assert score_balls(model, "--device", "cpu", dataset=None) == 0
    assert "Note:" not in capsys.readouterr().err
    [score] = read_scores(tmp_path / "out" / "scores.csv")
    assert (score.model, score.case, score.label) == ("tiny", "case_3", "left_atrium")
    assert 0 <= score.auc <= 1
    assert score.seconds > 0


def test_cases_that_a_model_was_trained_on_are_scored_with_a_note(score_balls, a_model_of_balls, capsys):
    model = a_model_of_balls(training_cases=["case_0", "case_1"], test_cases=["case_3"])
    assert score_balls(model, "--device", "cpu", "--case", "case_1", dataset=None) == 0
    assert "Note: 'tiny' was trained on a case 'case_1'; if this is it" in capsys.readouterr().err


def test_what_a_model_was_trained_on_is_not_its_test(score_balls, a_model_of_balls, capsys):
    model = a_model_of_balls(training_cases=["case_0", "case_1"], test_cases=[])
    assert score_balls(model, "--device", "cpu", dataset=None) == 2
    assert "Model 'tiny' has no test cases" in capsys.readouterr().err
    assert score_balls(model, "--device", "cpu", "--case", "case_3", dataset=None) == 0


def test_a_models_labels_hold_for_its_data_set(score_balls, a_model_of_balls, tmp_path):
    """The card calls the data set's 2, which no ball has, its label; with --dataset or without."""
    model = a_model_of_balls(dataset={"name": "msd", "options": {}, "labels": [[2]]}, test_cases=["case_3"])
    for dataset in (None, "msd"):
        assert score_balls(model, "--device", "cpu", dataset=dataset) == 0
        [score] = read_scores(tmp_path / "out" / "scores.csv")
        assert score.reference_ml == 0


def test_a_models_test_cases_mean_nothing_in_another_data_set(score_balls, a_model_of_balls, tmp_path, capsys):
    elsewhere = {"name": "chaos_mr", "options": {"sequence": "t2spir"}, "labels": [[2]]}
    model = a_model_of_balls(dataset=elsewhere, training_cases=["case_1"], test_cases=["patient 9"])
    assert score_balls(model, "--device", "cpu") == 0
    assert "Note:" not in capsys.readouterr().err
    scores = read_scores(tmp_path / "out" / "scores.csv")
    assert [one.case for one in scores] == ["case_0", "case_1", "case_2", "case_3"]
    assert scores[0].reference_ml > 0


@pytest.fixture
def a_folder(a_decathlon_task, tmp_path):
    """Two of the balls, in the layout of `folder`."""
    for name in ("images", "labels"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for case in ("case_0", "case_1"):
            shutil.copy(a_decathlon_task / f"{name}Tr" / f"{case}.nii.gz", tmp_path / "scans" / name)
    return tmp_path / "scans"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "test_cases", "given", "scored"),
    [
        ({}, ["case_1"], [], ["case_1"]),
        ({"labels": "labels"}, ["case_1"], ["--option", "images=images"], ["case_1"]),  # as it is without saying
        ({}, ["case_1", "carl"], [], ["case_0", "case_1"]),
        ({}, [], [], ["case_0", "case_1"]),  # bert, who was trained on, too, is not there
        ({"images": "scans"}, ["case_1"], ["--option", "images=images"], ["case_0", "case_1"]),
    ],
)
def test_two_folders_are_not_one_data_set(
    options, test_cases, given, scored, a_model_of_balls, a_folder, tmp_path, capsys
):
    known = {"name": "folder", "options": options, "labels": None}
    model = a_model_of_balls(dataset=known, training_cases=["case_0", "bert"], test_cases=test_cases)
    command = [str(model), "--dataset", "folder", *given, "--root", str(a_folder), "--out", str(tmp_path / "out")]
    assert main([*command, "--device", "cpu"]) == 0
    assert [one.case for one in read_scores(tmp_path / "out" / "scores.csv")] == scored
    assert ("trained on a case 'case_0'" in capsys.readouterr().err) == ("case_0" in scored)


def test_whoever_names_no_data_set_means_the_models_own(a_model_of_balls, a_folder, tmp_path, capsys):
    known = {"name": "folder", "options": {}, "labels": None}
    model = a_model_of_balls(dataset=known, training_cases=["case_0"], test_cases=["carl"])
    assert main([str(model), "--root", str(a_folder), "--out", str(tmp_path / "out")]) == 2
    assert "no case 'carl'; it has 2, such as 'case_0'" in capsys.readouterr().err


@pytest.mark.parametrize(("values", "code"), [(["1"], 0), (["2,3"], 0), (["x"], 2), ([], 2)])
def test_a_model_of_another_organ_needs_to_be_told_the_labels(
    values, code, a_model_folder, tmp_path, monkeypatch, capsys
):
    reader = datasets.reader("msd")
    monkeypatch.setattr(reader, "LABELS", {1: "liver", 2: "right kidney"})
    root = write_task(tmp_path / "task", count=1)
    arguments = [str(a_model_folder), "--dataset", "msd", "--root", str(root), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--device", "cpu", *(["--labels", *values] if values else [])]) == code
    error = capsys.readouterr().err
    if values == ["x"]:
        assert "--labels 1 2,3" in error
    if not values:
        assert "'Left atrium' in the model and 'liver' in the data set; say by --labels" in error


def test_models_of_different_organs_are_not_compared(a_model_folder, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(a_model_folder, other)
    card = (other / "card.json").read_text()
    (other / "card.json").write_text(card.replace('"Left atrium", "color"', '"Liver", "color"'))
    root = write_task(tmp_path / "task", count=1)
    arguments = ["--dataset", "msd", "--root", str(root), "--out", str(tmp_path / "out")]
    assert main([str(a_model_folder), str(other), *arguments]) == 2
    assert "segments liver, not left_atrium; score it by itself" in capsys.readouterr().err


def test_two_models_of_one_name_are_told_at_once(a_model_folder, tmp_path, capsys):
    root = write_task(tmp_path / "task", count=1)
    arguments = ["--dataset", "msd", "--root", str(root), "--out", str(tmp_path / "out")]
    assert main([str(a_model_folder), str(a_model_folder), *arguments]) == 2
    assert "Two of the models are called 'tiny'" in capsys.readouterr().err
