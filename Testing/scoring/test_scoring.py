"""Scores: kept in tables, pooled as the papers do, and found for models and for folders of label maps."""

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.balls import a_ball, write_task

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, to_image
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Source
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.preprocessing import Preprocessing
from training import datasets
from training.evaluate import evaluate, main
from training.papers.columns import COLUMNS, NOTES, paper_columns
from training.scoring.candidates import Folder, plain_label
from training.scoring.report import Examples, Extras, around, write_report
from training.scoring.scores import Found, Score, read_scores, write_scores
from training.scoring.truth import Truth
from training.slices.case import Case, Labelled

NAN = float("nan")
ZERO = {field.name: {"int": 0, "float": 0.0, "str": ""}[field.type] for field in fields(Score)}
ORGAN = plain_label(1, "organ")


def a_score(**values):
    return Score(**{**ZERO, "model": "net", "case": "a", "label": "organ", **values})


def a_mask(*rows):
    """Four slices of 6 x 6; in the second one these rows are filled from edge to edge."""
    mask = np.zeros((4, 6, 6), np.uint8)
    mask[1, list(rows)] = 1
    return mask


class Drawn:
    """A candidate whose label maps are given."""

    def __init__(self, name, label_maps):
        self.name, self._label_maps = name, label_maps

    def find(self, case_id, _volume):
        return Found(self.name, case_id, self._label_maps[case_id], {}, 1.5)

    def stack(self, _volume):
        return None


def a_case(case_id, label_map):
    volume = Volume(np.random.default_rng(0).normal(size=label_map.shape), np.diag([1.0, 2.0, 5.0, 1.0]))
    return Case(case_id, case_id, lambda: Labelled(volume, label_map))


# Tables of scores


def test_scores_come_back_from_their_table(tmp_path):
    scores = [a_score(dice=1 / 3, tp=7), a_score(case="b, 2nd", label="left_atrium", hd95_mm=NAN, seconds=0.25)]
    write_scores(tmp_path / "scores.csv", scores)
    first, second = read_scores(tmp_path / "scores.csv")
    assert first == scores[0]
    assert np.isnan(second.hd95_mm)
    assert replace(second, hd95_mm=0.0) == replace(scores[1], hd95_mm=0.0)


@pytest.mark.parametrize(
    "content",
    [b"case,dice\na,0.5\n", b"\xff\xfe\x00damaged", "replace me with words"],
    ids=["foreign", "bytes", "words"],
)
def test_another_table_is_refused(content, tmp_path):
    path = tmp_path / "other.csv"
    write_scores(path, [a_score(dice=0.5)])
    path.write_bytes(content if isinstance(content, bytes) else path.read_bytes().replace(b"0.5", b"high"))
    with pytest.raises(InputError, match="not a table that training.evaluate wrote"):
        read_scores(path)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv"):
        read_scores(tmp_path / "none.csv")


# The papers' columns


def test_pooled_and_mean_columns_differ():
    """A large case that is found and a small one that is missed: mean Dice 0.5, pooled 180 / 210."""
    scores = [a_score(dice=1.0, tp=90, fp=10, fn=10), a_score(case="b", dice=0.0, fn=10)]
    pooled = paper_columns("anu-net", scores)
    assert pooled == pytest.approx({"IoU": 90 / 120, "Dice": 180 / 210, "Precision": 0.9, "Recall": 90 / 110})
    assert paper_columns("omega-net", scores)["DSC"] == 0.5
    mixed = paper_columns("af-net", scores)
    assert (mixed["F1"], mixed["DICE"]) == (pytest.approx(180 / 210), 0.5)


def test_undefined_values_are_left_out_of_means():
    scores = [a_score(dice=0.5, precision=0.8), a_score(dice=0.0, precision=NAN)]
    assert paper_columns("ec-cam-unet", scores)["PPV"] == 0.8


def test_columns_without_any_defined_value_are_undefined():
    nowhere = {field.name: NAN for field in fields(Score) if field.type == "float"}
    assert np.isnan(list(paper_columns("ms-dual-guided", [a_score(**nowhere)]).values())).all()


def test_every_paper_says_how_it_pools():
    assert set(NOTES) == set(COLUMNS)


def test_an_unknown_paper_is_refused():
    with pytest.raises(InputError, match="no paper 'u-net'; choose one of: af-net, anu-net"):
        paper_columns("u-net", [a_score()])


# Candidates


@pytest.fixture
def a_grid():
    return Volume(np.arange(144.0).reshape(4, 6, 6), np.diag([1.0, 2.0, 5.0, 1.0]))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.seg.nrrd", "a.nrrd", "a.mha"])
def test_a_folder_knows_its_cases_by_name(name, a_grid, tmp_path):
    folder = tmp_path / "predictions"
    folder.mkdir()
    sitk.WriteImage(to_image(a_mask(2, 3), a_grid.affine), str(folder / name))
    found = Folder(folder).find("a", a_grid)
    assert (found.model, found.case) == ("predictions", "a")
    np.testing.assert_array_equal(found.label_map, a_mask(2, 3))
    with pytest.raises(InputError, match=r"holds no label map 'b\.nii\.gz'"):
        Folder(folder).find("b", a_grid)


def test_a_label_map_on_another_grid_is_refused(a_grid, tmp_path):
    sitk.WriteImage(to_image(a_mask(2), np.diag([1.0, 2.0, 4.0, 1.0])), str(tmp_path / "a.nrrd"))
    with pytest.raises(InputError, match="not on the grid"):
        Folder(tmp_path).find("a", a_grid)


# Evaluation


def test_scores_of_drawn_label_maps():
    """Two of three rows are found, and one too many: Dice 2 * 12 / (18 + 18)."""
    cases = [a_case("a", a_mask(1, 2, 3)), a_case("b", a_mask(1, 2, 3))]
    worse = Drawn("worse", {"a": a_mask(2, 3, 4), "b": a_mask()})
    right = Drawn("right", {"a": a_mask(1, 2, 3), "b": a_mask(1, 2, 3)})
    scores = evaluate([worse, right], Truth(cases, Source("drawn"), [ORGAN]))
    assert [(one.model, one.case) for one in scores] == [
        ("worse", "a"), ("worse", "b"), ("right", "a"), ("right", "b")
    ]  # fmt: skip
    assert [one.dice for one in scores] == pytest.approx([2 / 3, 0, 1, 1])
    first, missed = scores[:2]
    assert (first.tp, first.fp, first.fn, first.tn) == (12, 6, 6, 120)
    assert (first.volume_ml, first.reference_ml, missed.volume_ml) == pytest.approx((0.18, 0.18, 0))
    assert (first.label, first.seconds, first.slice_dice_all) == ("organ", 1.5, pytest.approx(1 - 1 / 12))
    assert np.isnan([first.auc, missed.hd95_mm]).all()
    assert (missed.precision, missed.recall) == (0, 0)


def test_the_truth_is_scored_under_the_models_labels():
    """The data set's 2 and 3 are the model's 1, and its 1 is nothing."""
    stored = a_mask(1) * 2 + a_mask(2) * 3 + a_mask(4)
    truth = Truth([a_case("a", stored)], Source("drawn", labels=((2, 3),)), [ORGAN])
    [score] = evaluate([Drawn("net", {"a": a_mask(1, 2)})], truth)
    assert (score.dice, score.tp) == (1.0, 12)


def test_a_report_shows_slices_of_at_most_four_cases(tmp_path):
    names = "abcdefg"
    truth = Truth([a_case(name, a_mask(1, 2)) for name in names], Source("drawn"), [ORGAN])
    examples = Examples(truth.labels)
    scores = evaluate([Drawn("net", dict.fromkeys(names, a_mask(2, 3)))], truth, examples)
    assert [row.name for row in examples.rows] == ["a\nslice 1", "c\nslice 1", "e\nslice 1", "g\nslice 1"]
    assert examples.rows[0].aspect == 2.0
    volume, found = Volume(np.zeros((4, 6, 6)), np.diag([1, 2, -5, 1])), Found("net", "reversed", a_mask(1), {}, 1.5)
    stack = SliceStack.of(volume, Preprocessing("axial", window=(0, 1)))
    examples.add(Labelled(volume, found.label_map), [found], stack)
    assert examples.rows[-1].name == "reversed\nslice 1"
    lines = write_report(tmp_path / "report", scores, examples, Extras(paper="omega-net"))
    assert "| net | organ | 0.5000 | 0.5000 | 0.5000 |" in lines[0]
    text = (tmp_path / "report" / "summary.md").read_text()
    assert "# Scores on 7 cases" in text
    assert lines[0] in text


def test_a_report_shows_as_much_of_a_slice_as_there_is_to_compare():
    mask = np.zeros((30, 40), bool)
    mask[10:14, 2:20] = True
    assert around(mask) == (slice(8, 16), slice(0, 29))
    assert mask[around(np.zeros((30, 40), bool))].shape == (30, 40)


# The command


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
