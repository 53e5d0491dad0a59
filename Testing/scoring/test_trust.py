"""Calibration and slices to check, on cases small enough to know the answer."""

import json

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import Prediction
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.preprocessing import Preprocessing
from training import trust
from training.scoring.regions import boundary, near
from training.scoring.trust.calibration import Reliability, mean_over_labels, read_bins, write_bins
from training.scoring.trust.slice_trust import SliceTrust, auc, read_slices, trust_of, write_slices

NAN = float("nan")


def said(probability, positive, count=100):
    """Voxels that all got this probability, of which this share has the label."""
    return Reliability.of(np.arange(count) < positive * count, np.full(count, probability))


def a_slice(dice, expected_error, **values):
    return SliceTrust(
        **{"case": "a", "index": 0, "area_mm2": 1.0, "area_jump": 0.0} | values,
        dice=dice,
        expected_error=expected_error,
    )


# Calibration


@pytest.mark.parametrize(
    ("probability", "positive", "error"), [(0.2, 0.2, 0), (0.9, 0.5, 0.4), (0.0, 1.0, 1), (1, 1, 0)]
)
def test_the_error_is_the_distance_between_what_was_said_and_what_is(probability, positive, error):
    assert said(probability, positive).error == pytest.approx(error)


def test_bins_do_not_make_good_for_each_other():
    """Half of the voxels too sure, as many too unsure: on average right, and still wrong by 0.3."""
    both = said(0.9, 0.6) + said(0.3, 0.6)
    assert both.error == pytest.approx(0.3)
    assert both.brier == pytest.approx((0.6 * 0.01 + 0.4 * 0.81 + 0.6 * 0.49 + 0.4 * 0.09) / 2)


def test_no_voxels_have_no_error():
    assert np.isnan(said(0.5, 0.5, count=0).error)


def test_bins_come_back_from_their_table(tmp_path):
    bins = {("organ", "all"): said(0.9, 0.6), ("organ", "near"): said(0.25, 0.5), ("other", "near"): said(1.0, 0.5)}
    write_bins(tmp_path / "bins.csv", bins)
    found = read_bins(tmp_path / "bins.csv")
    assert list(found) == list(bins)
    for key, one in bins.items():
        assert found[key].error == pytest.approx(one.error)
        assert found[key].brier == pytest.approx(one.brier)
    assert mean_over_labels(found, "near", "error") == pytest.approx((0.25 + 0.5) / 2)
    (tmp_path / "bins.csv").write_text("label,region,bin\norgan,all,99\n")
    with pytest.raises(InputError, match="not a table of bins"):
        read_bins(tmp_path / "bins.csv")


# Regions


def test_near_is_counted_in_mm():
    mask = np.zeros((1, 9), bool)
    mask[0, 4] = True
    assert near(mask, (1.0, 2.0), 4.0).sum() == 5
    assert not near(np.zeros((2, 2), bool), (1.0, 1.0), 9.0).any()


def test_a_boundary_has_two_sides():
    mask = np.arange(10) < 5
    assert np.flatnonzero(boundary(mask, (1.0,), 2.0)).tolist() == [3, 4, 5, 6]


# Slices


def test_a_score_that_finds_all_bad_slices():
    slices = [a_slice(0.9, 0.1), a_slice(0.3, 0.6), a_slice(0.0, 0.9, area_mm2=0.0), a_slice(NAN, 0.7)]
    assert auc(slices) == 1
    assert auc(slices, empty=True) == 0.75  # the empty slice counts as good and comes before a bad one
    assert auc(slices, "smallness") == 0.75  # of equal sizes
    assert auc([a_slice(0.9, 0.0, area_jump=0.95), a_slice(0.3, 0.6)]) == 0  # either is a reason to look


def test_slices_come_back_from_their_table(tmp_path):
    slices = [a_slice(0.5, 0.25, index=3), a_slice(NAN, 0.0, case="b, 2nd")]
    write_slices(tmp_path / "slices.csv", slices)
    first, second = read_slices(tmp_path / "slices.csv")
    assert first == slices[0]
    assert (second.case, np.isnan(second.dice)) == ("b, 2nd", True)
    with pytest.raises(InputError, match="not a table that training.trust wrote"):
        read_slices(tmp_path / "none.csv")


def test_the_dice_of_a_slice_is_the_mean_over_its_labels():
    """Slice 0 has nothing, slice 1 one label found, slice 2 one of two labels, slice 3 one that is not there."""
    truth = np.zeros((4, 2, 3), np.uint8)
    truth[1:3, 0] = 1
    truth[2, 1] = 2
    found = truth.copy()
    found[2, 1] = 0
    found[3, 0] = 2
    volume = Volume(np.arange(24.0).reshape(4, 2, 3), np.diag([1.0, 2.0, 5.0, 1.0]))
    stack = SliceStack.of(volume, Preprocessing("acquired", percentiles=(0, 100)))
    rows = trust_of("a", stack, truth, Prediction(stack, found, {}, 0.0, "cpu", {0: 0.0, 1: 0.25, 2: 0.5, 3: 0.75}))
    rows.sort(key=lambda one: one.index)
    np.testing.assert_array_equal([one.dice for one in rows], [NAN, 1, 0.5, 0])
    assert [one.area_mm2 for one in rows] == [0, 6, 6, 6]
    assert [one.expected_error for one in rows] == [0, 0.25, 0.5, 0.75]


# The command


@pytest.fixture
def a_trained_model(a_model_folder):
    card = json.loads((a_model_folder / CARD).read_text())
    card["training"] = {"dataset": {"name": "msd"}, "training_cases": ["case_0"], "test_cases": ["case_2", "case_3"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    return a_model_folder


@pytest.mark.parametrize(("given", "cases"), [([], 2), (["--training-cases"], 1), (["--case", "case_1"], 1)])
def test_the_command_writes_tables_and_a_picture(given, cases, a_trained_model, a_decathlon_task, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [str(a_trained_model), "--root", str(a_decathlon_task), "--out", str(out), "--device", "cpu", *given]
    assert trust.main([*arguments, "--pictures", str(tmp_path / "new" / "pictures")]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"| tiny | {cases} |")
    slices = read_slices(out / "tiny" / "slices.csv")
    assert len(slices) == 9 * cases
    bins = read_bins(out / "tiny" / "bins.csv")
    assert bins["left_atrium", "all"].voxels.sum() == 9 * 34 * 30 * cases
    assert 0 < bins["left_atrium", "near"].voxels.sum() <= bins["left_atrium", "all"].voxels.sum()
    assert (tmp_path / "new" / "pictures" / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_measured_is_not_measured_again(a_trained_model, a_decathlon_task, tmp_path, monkeypatch, capsys):
    arguments = [str(a_trained_model), "--root", str(a_decathlon_task), "--out", str(tmp_path), "--device", "cpu"]
    assert trust.main(arguments) == 0
    first = capsys.readouterr().out
    asked = []
    monkeypatch.setattr(trust, "measure_trust", lambda folder, **_: asked.append(folder.name))
    assert trust.main(arguments) == 0
    assert (capsys.readouterr().out, asked) == (first, [])
    assert trust.main([*arguments, "--case", "case_1"]) == 0  # other cases
    assert asked == ["tiny"]


def test_a_model_that_knows_no_training_cases_is_refused(a_model_folder, a_decathlon_task, tmp_path, capsys):
    arguments = [str(a_model_folder), "--root", str(a_decathlon_task), "--out", str(tmp_path), "--training-cases"]
    assert trust.main(arguments) == 2
    assert "does not tell which cases" in capsys.readouterr().err
