"""Numbers of attention maps that were drawn by hand, deletion with a network that is understood, and the command."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.balls import write_task
from torch import nn

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.output import SegmentationOutput
from training import attention_study
from training.scoring.attention.deletion import SHARES, Eraser, mean_dice, read_deletions, write_deletions
from training.scoring.attention.scores import mean_over_cases, read_map_scores, score_map, write_map_scores
from training.slices.case import Labelled

PREPROCESSING = Preprocessing("acquired", percentiles=(0, 100), multiple=4)
SHAPE = (6, 20, 20)


@pytest.fixture
def organ():
    """A square of 8 x 8 pixels of 1 mm in slices 1 to 4."""
    mask = np.zeros(SHAPE, bool)
    mask[1:5, 6:14, 6:14] = True
    return mask


@pytest.fixture
def volume(organ):
    """The organ is bright."""
    return Volume(np.where(organ, 100.0, 0.0), np.diag([1.0, 1.0, 3.0, 1.0]))


@pytest.fixture
def score(organ, volume):
    def score(coefficients):
        return score_map("a", "map", SliceStack.of(volume, PREPROCESSING), coefficients.astype(np.float16), organ)

    return score


def test_a_map_that_is_the_organ(score, organ):
    one = score(organ)
    assert (one.inside, one.boundary, one.outside) == (1, pytest.approx(48 / 116), 0)  # the outer band is rounded
    assert (one.contrast, one.hits, one.chance) == (1, 1, 64 / 400)


def test_a_map_that_avoids_the_organ(score, organ):
    one = score(~organ)
    assert (one.contrast, one.hits, one.inside, one.outside) == (0, 0, 0, 1)


def test_a_constant_map_says_nothing(score):
    one = score(np.full(SHAPE, 0.75))
    assert (one.contrast, one.edge, one.spread) == (0.5, 0.5, 0)
    assert one.hits == one.chance


def test_a_map_of_the_edge(score, organ):
    inner = np.zeros_like(organ)
    inner[1:5, 8:12, 8:12] = True
    assert score(organ & ~inner).edge > 0.65 > 0.5 > score(inner).edge


def test_slices_without_the_organ_do_not_count(score, organ):
    outside = ~organ
    outside[1:5] = organ[1:5]
    assert score(outside) == score(organ)


def test_a_case_without_the_organ_is_refused(volume):
    with pytest.raises(InputError, match="Case 'a' has none of the organ"):
        score_map("a", "map", SliceStack.of(volume, PREPROCESSING), np.zeros(SHAPE), np.zeros(SHAPE, bool))


def test_map_scores_come_back_from_their_table(score, organ, tmp_path):
    write_map_scores(tmp_path / "maps.csv", [score(organ), score(~organ)])
    found = read_map_scores(tmp_path / "maps.csv")
    assert [one.contrast for one in found] == [1, 0]
    assert mean_over_cases(found)["map"]["contrast"] == 0.5
    with pytest.raises(InputError, match="not a table"):
        read_map_scores(tmp_path / "none.csv")


# Deletion


class Bright(nn.Module):
    """Foreground where a slice is bright."""

    def __init__(self):
        super().__init__()
        self.map = AttentionMap("brightness")

    def forward(self, x):
        self.map(x)
        return SegmentationOutput(x - 0.5)


@pytest.fixture
def eraser(volume, organ):
    predictor = SlicePredictor(Bright(), PREPROCESSING, Compute("cpu"))
    return Eraser(predictor, Compute("cpu"), Labelled(volume, organ.astype(np.uint8)))


def test_nothing_blanked_changes_nothing(eraser):
    assert eraser.untouched() == 1


def test_without_half_of_the_organ_half_is_found(eraser):
    mask = np.zeros((4, 20, 20), bool)
    mask[:, :10] = True
    assert eraser.dice_without(mask) == pytest.approx(2 / 3)


def test_what_is_attended_to_is_what_is_missed(eraser, organ, tmp_path):
    curves = list(eraser.curves("a", "map", organ.astype(np.float16)))
    assert len(curves) == 3 * len(SHARES)
    most, random, least = ([mean_dice(curves, "map", kind, s) for s in SHARES] for kind in ("most", "random", "least"))
    assert most == sorted(most, reverse=True)
    assert most[-1] == 0  # 40 % of the slice hold all of the organ
    assert least == [1] * len(SHARES)
    assert most[1] < random[1] < 1
    write_deletions(tmp_path / "deletion.csv", curves)
    assert {(one.kind, one.share, one.dice) for one in read_deletions(tmp_path / "deletion.csv")} == {
        (one.kind, one.share, round(one.dice, 3)) for one in curves
    }
    with pytest.raises(InputError, match="not a table"):
        read_deletions(tmp_path / "none.csv")


# The command


def test_the_command_writes_tables_and_pictures(a_model_folder, a_decathlon_task, tmp_path, monkeypatch, capsys):
    card = json.loads((a_model_folder / CARD).read_text())
    card["training"] = {"dataset": {"name": "msd"}, "test_cases": ["case_2", "case_3"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    out = tmp_path / "out"
    arguments = [str(a_model_folder), "--root", str(a_decathlon_task), "--out", str(out), "--device", "cpu"]
    assert attention_study.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == card["facts"]["maps"]
    assert len(read_map_scores(out / "tiny" / "maps.csv")) == 2 * len(lines)
    assert {one.map for one in read_deletions(out / "tiny" / "deletion.csv")} == {"", "gate 0,0"}
    for picture in (out / "maps-tiny.png", out / "deletion.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(attention_study._Study, "write", None)  # what is measured is not measured again
    assert attention_study.main([*arguments, "--pictures", str(tmp_path / "new" / "pictures")]) == 0
    assert (tmp_path / "new" / "pictures" / "deletion.png").is_file()


def test_a_test_case_without_the_organ_is_one_sentence(a_model_folder, tmp_path, capsys):
    root = write_task(tmp_path / "task", count=1)
    empty = sitk.GetImageFromArray(np.zeros((9, 34, 30), np.uint8))
    empty.SetSpacing((1.5, 1.5, 4.0))
    sitk.WriteImage(empty, str(root / "labelsTr" / "case_0.nii.gz"))
    card = json.loads((a_model_folder / CARD).read_text())
    card["training"] = {"dataset": {"name": "msd"}, "test_cases": ["case_0"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    out = tmp_path / "out"
    arguments = [str(a_model_folder), "--root", str(root), "--out", str(out), "--device", "cpu"]
    assert attention_study.main(arguments) == 2
    assert "Case 'case_0' has none of the organ to look at" in capsys.readouterr().err
