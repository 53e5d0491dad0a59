"""What switching attention off changes: a network that is understood, the card, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import load_models
from AttnSegLib.models.influence import LEAST_INFLUENCE, MapInfluence, default_maps
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.output import SegmentationOutput
from training.model_folder import influence
from training.scoring.attention.influence import (
    TOGETHER,
    CaseInfluence,
    SwitchedOff,
    attention_facts,
    read_influences,
    write_influences,
)
from training.slices.case import Labelled


class OneOfTwo(nn.Module):
    """Foreground where the first map is bright; nobody uses the second, at half resolution."""

    def __init__(self):
        super().__init__()
        self.used = AttentionMap("used")
        self.idle = AttentionMap("idle")

    def forward(self, x):
        return SegmentationOutput(self.used(x) - 0.5 + 0 * self.idle(x[..., ::2, ::2]).mean())


@pytest.fixture
def labelled():
    """The upper half of the slices is bright; of what is bright, the right half is the organ."""
    voxels = np.zeros((6, 8, 8), np.int16)
    voxels[:, 4:] = 100
    organ = np.zeros(voxels.shape, np.uint8)
    organ[:, 4:, 4:] = 1
    return Labelled(Volume(voxels, np.diag([-1.0, -1.0, 1.0, 1.0])), organ)


@pytest.mark.parametrize("every", [1, 4, 100])
def test_a_map_that_is_all_and_one_that_is_nothing(labelled, every):
    preprocessing = Preprocessing("axial", window=(0, 100), multiple=2)
    predictor = SlicePredictor(OneOfTwo(), preprocessing, Compute("cpu"))
    used, idle, together = SwitchedOff(predictor, every).measure("a", "anna", labelled)
    assert (used.map, idle.map, together.map) == ("used", "idle", TOGETHER)
    assert (used.influence, idle.influence, together.influence) == (1, 0, 1)  # the mean, 0.5, is not above 0.5
    assert used.dice == pytest.approx(2 / 3)
    assert (used.dice_without, idle.dice_without) == (0, used.dice)
    assert (used.stride, idle.stride, together.stride) == (1, 2, 0)
    assert np.isnan(used.gamma)


def one(title, influence, *, patient="a", gamma=float("nan")):
    return CaseInfluence(f"case of {patient}", patient, title, influence, 0.9, 0.9 - influence / 2, 4, gamma, 3)


def test_the_card_has_means_over_patients_in_order_of_influence(tmp_path):
    rows = [one("weak", 0.001, gamma=-0.5), one("strong", 0.2), one(TOGETHER, 0.3)]
    rows += [
        one("weak", 0.003, patient="b", gamma=-0.5),
        one("strong", 0.4, patient="b"),
        one(TOGETHER, 0.5, patient="b"),
    ]
    write_influences(tmp_path / "influence.csv", rows)
    facts = attention_facts(read_influences(tmp_path / "influence.csv"))
    assert [(m.map, m.influence, m.dice_change, m.gamma) for m in facts.maps] == [
        ("strong", 0.3, -0.15, None),
        ("weak", 0.002, -0.001, -0.5),
    ]
    assert facts.maps[0].influence_sd == pytest.approx(0.1 * 2**0.5, abs=1e-4)
    assert (facts.together.influence, facts.cases, facts.every) == (0.4, ("case of a", "case of b"), 3)
    assert [m.matters for m in facts.maps] == [True, False]
    assert facts.maps[0].words == "influence 0.30"
    assert facts.maps[1].words == "influence 0.002: changes next to nothing; gamma -0.50: subtracted"
    weighed = [replace(facts.maps[0], gamma=gamma).words for gamma in (0.071, -0.05)]
    assert weighed == ["influence 0.30; gamma +0.07", "influence 0.30; gamma -0.05: subtracted"]


@pytest.mark.parametrize(
    ("influences", "kept"),
    [
        ({"a": 0.2, "b": 0.3, "c": 0.4}, ("a", "b")),
        ({"a": 0.2, "b": 0.001, "c": 0.4}, ("a",)),
        ({"a": 0.0, "b": 0.001, "c": 0.4}, ("c",)),
        ({"a": 0.0, "b": 0.001, "c": 0.002}, ("a", "b")),
    ],
)
def test_no_default_map_changes_nothing_unless_all_do(influences, kept):
    maps = sorted((MapInfluence(m, i, None, 0.0, None) for m, i in influences.items()), key=lambda m: -m.influence)
    assert default_maps(("a", "b"), tuple(maps)) == kept


def test_the_shipped_cards_keep_to_it():
    shipped = load_models()
    assert shipped
    for spec in shipped:
        assert spec.influence is not None, spec.id
        assert spec.facts.maps == tuple(m.map for m in spec.influence.maps), spec.id
        shown = [spec.influence_of(title) for title in spec.attention]
        assert shown
        assert all(m.matters for m in shown) or not any(m.matters for m in spec.influence.maps), spec.id
        assert not set(spec.influence.cases) & set(spec.training.training_cases)
    assert LEAST_INFLUENCE == 0.01


@pytest.fixture
def a_tested_model(a_model_folder):
    card = json.loads((a_model_folder / CARD).read_text())
    card["training"] = {"dataset": {"name": "msd"}, "test_cases": ["case_2", "case_3"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    return a_model_folder


@pytest.mark.slow
def test_the_command_writes_table_and_card(a_tested_model, a_decathlon_task, tmp_path, capsys, monkeypatch):
    out, before = tmp_path / "out", load_card(a_tested_model / CARD)
    arguments = [str(a_tested_model), "--root", str(a_decathlon_task), "--out", str(out), "--device", "cpu"]
    assert influence.main([*arguments, "--every", "4"]) == 0
    assert load_card(a_tested_model / CARD) == before
    lines = (out / "influence.md").read_text().splitlines()[2:]
    assert lines[0].split(" | ")[1] == TOGETHER
    assert len(lines) == 11
    monkeypatch.setattr(influence._Study, "write", None)  # what is measured is not measured again
    assert influence.main([*arguments, "--every", "4", "--on-card"]) == 0
    spec = load_card(a_tested_model / CARD)
    influences = [spec.influence_of(title).influence for title in spec.facts.maps]
    assert influences == sorted(influences, reverse=True)
    assert sorted(spec.facts.maps) == sorted(before.facts.maps)
    assert (spec.influence.cases, spec.influence.every) == (("case_2", "case_3"), 4)
    assert replace(spec, influence=None, facts=before.facts, attention=before.attention) == before
    capsys.readouterr()
    assert influence.main([*arguments, "--every", "2"]) == 2
    assert "every 4. slice, not every 2." in capsys.readouterr().err


def test_a_card_can_not_tell_of_maps_that_it_does_not_have(a_model_folder):
    card = json.loads((a_model_folder / CARD).read_text())
    stranger = {"map": "gate 9,9", "influence": 0.1, "influence_sd": None, "dice_change": 0.0, "dice_change_sd": None}
    card["influence"] = {"maps": [stranger], "together": stranger, "cases": ["a"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    with pytest.raises(InputError, match="influence is of maps that it does not have"):
        load_card(a_model_folder / CARD)
