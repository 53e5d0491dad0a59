"""Scores: kept in tables, pooled as the papers do, and found for label maps. The command: test_evaluate.py."""

from dataclasses import fields, replace

import numpy as np
import pytest
import SimpleITK as sitk

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, to_image
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Source
from AttnSegLib.models.preprocessing import Preprocessing
from training.papers.columns import BESIDE, COLUMNS, NOTES, columns_beside, paper_columns
from training.scoring.candidates import Folder, plain_label
from training.scoring.evaluation import evaluate
from training.scoring.report import Examples, Extras, around, write_evaluation_report
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
    assert paper_columns("omega-net", scores)["PPV"] == 0.8


def test_ec_cam_unet_is_scored_by_slice_and_by_volume_beside():
    """Of four slices one is found by two thirds, and one is only in the result; of another four one is found whole."""
    found = a_mask(2, 3, 4)
    found[2, 0] = 1
    cases = [a_case("a", a_mask(1, 2, 3)), a_case("b", a_mask(1))]
    scores = evaluate([Drawn("net", {"a": found, "b": a_mask(1)})], Truth(cases, Source("drawn"), [ORGAN]))
    assert [(one.slices, one.filled_slices) for one in scores] == [(4, 2), (4, 1)]
    assert (scores[0].slice_recall, scores[0].slice_precision) == pytest.approx((1 / 3, 1 / 3))
    by_slice = paper_columns("ec-cam-unet", scores)
    assert by_slice == pytest.approx(dict.fromkeys(("DSC", "Sensitivity", "Precision", "PPV"), 5 / 9))
    beside = columns_beside("ec-cam-unet", scores)
    assert beside["DSC, empty slices 1"] == pytest.approx(5 / 6)
    assert beside["DSC by volume"] == pytest.approx((24 / 42 + 1) / 2)
    assert columns_beside("af-net", scores) == {}


def test_slices_that_nobody_counted_leave_columns_empty(tmp_path):
    """A table from before slices were counted: it can be read, and has no columns by slice."""
    write_scores(tmp_path / "scores.csv", [a_score(dice=0.5)])
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    (tmp_path / "scores.csv").write_text("\n".join(line.rsplit(",", 4)[0] for line in lines) + "\n")
    scores = read_scores(tmp_path / "scores.csv")
    assert scores[0].dice == 0.5
    assert np.isnan(paper_columns("ec-cam-unet", scores)["DSC"])


def test_columns_without_any_defined_value_are_undefined():
    nowhere = {field.name: NAN for field in fields(Score) if field.type == "float"}
    assert np.isnan(list(paper_columns("ms-dual-guided", [a_score(**nowhere)]).values())).all()


def test_every_paper_says_how_it_pools():
    assert set(NOTES) == set(COLUMNS) > set(BESIDE)


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
    examples.add(
        Labelled(volume, found.label_map), [found], SliceStack.of(volume, Preprocessing("axial", window=(0, 1)))
    )
    assert examples.rows[-1].name == "reversed\nslice 1"
    lines = write_evaluation_report(tmp_path / "report", scores, examples, Extras(paper="omega-net"))
    assert "| net | organ | 0.5000 | 0.5000 | 0.5000 |" in lines[0]
    text = (tmp_path / "report" / "summary.md").read_text()
    assert "# Scores on 7 cases" in text
    assert lines[0] in text


def test_a_report_shows_as_much_of_a_slice_as_there_is_to_compare():
    mask = np.zeros((30, 40), bool)
    mask[10:14, 2:20] = True
    assert around(mask) == (slice(8, 16), slice(0, 29))
    assert mask[around(np.zeros((30, 40), bool))].shape == (30, 40)
