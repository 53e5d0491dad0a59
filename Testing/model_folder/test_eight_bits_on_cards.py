"""What lets a model compute labels in 8 bits: measured on its own data, and written only where the Dice stays."""

import sys
from dataclasses import replace

import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import Source, TrainingFacts
from AttnSegLib.models.card_file import CARD, load_card, write_card
from training.export import Form, export
from training.model_folder import eight_bits

pytest.importorskip("openvino", reason="OpenVINO, which computes in 8 bits, is not installed")


@pytest.fixture
def model(a_model_folder, tmp_path, monkeypatch):
    """A folder of a model that was trained on the task."""
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "own"))
    facts = TrainingFacts("made up", ("case_0", "case_1"), ("case_2",), ("case_3",), Source("msd"))
    write_card(replace(load_card(a_model_folder / CARD), training=facts), a_model_folder)
    return a_model_folder


@pytest.fixture
def command(model, a_decathlon_task):
    return lambda: eight_bits.main([str(model), "--root", str(a_decathlon_task)])


@pytest.fixture
def dice(monkeypatch):
    """The Dice that predictors seem to have, in the order in which they are made; the network has eight convolutions,
    of which the last but one rounds most coarsely."""
    told = []
    rounded = [eight_bits.Rounding((0.0, 1.0), noise / 1000) for noise in (1, 2, 3, 4, 5, 6, 8, 7)]

    def network(self, _spec, _slices):
        self.graph, self._roundings = "0" * 64, rounded

    monkeypatch.setattr(eight_bits._Network, "__init__", network)
    monkeypatch.setattr(eight_bits._Judge, "_dice", lambda _self, _predictor: told.pop(0))
    monkeypatch.setattr(eight_bits, "IN_8_BITS", "float32")  # computes here, by torch
    return told


@pytest.mark.slow
def test_ranges_and_both_figures_are_on_the_card(model, command, capsys, a_decathlon_task, monkeypatch):
    monkeypatch.setattr(eight_bits, "_FEWEST_CHANNELS", 2)
    monkeypatch.setattr(eight_bits, "MOST_LOST", 1.0)  # of random weights
    before = load_card(model / CARD)
    assert command() == 0
    after = load_card(model / CARD)
    assert replace(after, eight_bits=None) == before
    assert sum(limits is not None for limits in after.eight_bits.ranges) > 10
    assert after.eight_bits.ranges[0] is None  # of one channel
    assert after.eight_bits.meaning == "mean Dice over labels and patients, on 1 validation patient"
    assert f"Dice {after.eight_bits.dice_in_8_bits:.4f} in 8 bits" in capsys.readouterr().out
    case = next(case for case in eight_bits.truth_of(after, a_decathlon_task).cases)
    found = SlicePredictor.from_model(after, Compute("cpu", precision="int8")).predict(case.read().volume)
    assert "int8" in found.device


@pytest.mark.parametrize(("in_8_bits", "stay"), [([0.9], []), ([0.89, 0.8971], [6]), ([0.89, 0.896, 0.8975], [6, 7])])
def test_where_the_dice_falls_convolutions_stay_in_32_bits(model, command, dice, in_8_bits, stay):
    dice += [0.9, *in_8_bits]
    assert command() == 0
    eight = load_card(model / CARD).eight_bits
    assert (eight.dice_in_32_bits, eight.dice_in_8_bits) == (0.9, in_8_bits[-1])
    assert [number for number, limits in enumerate(eight.ranges) if limits is None] == stay


def test_where_it_falls_all_the_same_nothing_is_written(model, command, dice, capsys):
    dice += [0.9, 0.88, 0.88, 0.88, 0.87]
    before = (model / CARD).read_bytes()
    assert command() == 2
    assert "falls by 0.0200, where 0.003 is allowed" in capsys.readouterr().err
    assert (model / CARD).read_bytes() == before
    assert dice == []  # with half of the eight in 32 bits it gives up


def test_without_patients_to_measure_on_it_is_refused(model, command, capsys):
    spec = load_card(model / CARD)
    write_card(replace(spec, training=replace(spec.training, validation_cases=(), test_cases=())), model)
    assert command() == 2
    assert "no validation or test cases" in capsys.readouterr().err


def test_without_openvino_it_is_refused(command, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert command() == 2
    assert "pip install attnseg[openvino]" in capsys.readouterr().err


@pytest.mark.slow
def test_export_writes_it_or_no_model(a_checkpoint, a_decathlon_task, tmp_path, monkeypatch):
    monkeypatch.setattr(eight_bits, "MOST_LOST", 1.0)
    folder = export(a_checkpoint, a_decathlon_task, tmp_path / "one", Form(int8=True))
    assert load_card(folder / CARD).eight_bits.meaning.endswith("on 1 validation patient")
    monkeypatch.setattr(eight_bits, "MOST_LOST", -1.0)
    with pytest.raises(InputError, match="where -1.0 is allowed"):
        export(a_checkpoint, a_decathlon_task, tmp_path / "other", Form(int8=True))
    assert list((tmp_path / "other").iterdir()) == []
