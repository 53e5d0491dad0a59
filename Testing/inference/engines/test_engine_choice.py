"""Which engine runs a network, what is told of it, and what of its conversion is kept."""

import gc
import logging
import os
import signal
import sys

import numpy as np
import pytest
import torch
from test_engines import MAPS, SCALE, Attentive, a_scan, assert_same, predictor_of
from test_engines import network as network

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.engines import conversion
from AttnSegLib.inference.engines.conversion import Origin, openvino_module
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.models.catalog import find_model
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.replacement import Replacement

pytest.importorskip("openvino", reason="OpenVINO, the other engine, is not installed")


@pytest.mark.parametrize(
    "options",
    [
        PredictionOptions(attention=MAPS, query=(1, 4, 4)),
        PredictionOptions(attention=MAPS, replaced=(Replacement("gate", "uniform"),)),
    ],
)
def test_queries_and_replacements_stay_with_torch(network, options):
    found = predictor_of(network, "openvino").predict(a_scan(3, 8, 8), options)
    assert "OpenVINO" not in found.device
    assert any("was computed by torch" in notice for notice in found.notices)
    assert_same(found, predictor_of(network, "torch").predict(a_scan(3, 8, 8), options))


def test_a_difference_is_told_and_torch_is_taken(network, monkeypatch):
    torch.manual_seed(2)
    other, scan = Attentive().eval(), a_scan(3, 8, 8)
    told = predictor_of(network, "torch")
    traits = Traits(origin=Origin(lambda: other, 1))
    mixed = SlicePredictor(network, SCALE, Compute("cpu", None, "float32", "openvino"), traits)
    found = mixed.predict(scan)
    assert "OpenVINO" not in found.device
    assert "their results differ by" in found.notices[0]
    np.testing.assert_array_equal(found.label_map, told.predict(scan).label_map)
    monkeypatch.setattr(conversion, "_convert", None)  # it is not tried again
    assert "could not be used for this model before" in mixed.predict(scan).notices[0]


def test_a_network_that_it_does_not_know_stays_with_torch():
    class Unheard(Attentive):
        def forward(self, x):
            return SegmentationOutput(super().forward(torch.special.bessel_j0(x)).logits)

    level = logging.root.level
    found = predictor_of(Unheard().eval(), "openvino").predict(a_scan(1, 8, 8))
    assert logging.root.level == level  # of the whole process, which may be Slicer
    assert "does not know some of the network's operations" in found.notices[0]
    assert "OpenVINO" not in found.device


def test_refuses_an_engine_that_is_not_there(network, monkeypatch):
    with pytest.raises(InputError, match="no engine 'onnx'"):
        predictor_of(network, "onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"pip install attnseg\[openvino\]"):
        predictor_of(network, "openvino")
    found = predictor_of(network, "auto", gmacs_per_megapixel=1e9).predict(a_scan(1, 8, 8))
    assert "OpenVINO" not in found.device


def test_its_makers_are_told_nothing():
    openvino_module()
    assert sys.modules["openvino_telemetry"] is None


# The choice


def test_auto_takes_openvino_for_what_takes_long(network, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    scan = a_scan(3, 8, 8)  # 0.0002 megapixels
    assert "OpenVINO" not in predictor_of(network, "auto", gmacs_per_megapixel=1.0).predict(scan).device
    assert "OpenVINO" in predictor_of(network, "auto", gmacs_per_megapixel=1e7).predict(scan).device
    often = predictor_of(network, "auto", gmacs_per_megapixel=8e5)  # a result does not depend on what ran before
    assert not any("OpenVINO" in often.predict(scan).device for _ in range(3))
    monkeypatch.setattr("platform.machine", lambda: "arm64")  # where it was not measured
    assert "OpenVINO" not in predictor_of(network, "auto", gmacs_per_megapixel=1e7).predict(scan).device


def test_auto_takes_openvino_sooner_if_many_scans_are_to_come(network, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for gmacs, many, engine in ((1e5, False, "torch"), (1e5, True, "OpenVINO"), (1.0, True, "torch")):
        compute = Compute("cpu", None, "float32", many_scans=many)
        traits = Traits(origin=Origin(lambda: network, 1), gmacs_per_megapixel=gmacs)
        found = SlicePredictor(network, SCALE, compute, traits).predict(a_scan(3, 8, 8))
        assert ("OpenVINO" in found.device) == (engine == "OpenVINO")


def test_a_network_that_is_still_learning_stays_with_torch(network):
    predictor = SlicePredictor(network, SCALE, Compute("cpu"), Traits(gmacs_per_megapixel=1e9))
    assert "OpenVINO" not in predictor.predict(a_scan(1, 8, 8)).device


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_signals_are_heard_after_it(network):
    """A second core would leave a stack for signals behind that is gone."""
    predictors = [predictor_of(network, "openvino") for _ in range(2)]
    for number in (0, 1):
        predictors[number].predict(a_scan(1, 8, 8))
    while predictors:
        del predictors[0]
        gc.collect()
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(True))
    os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
    assert heard


# What is kept on the disk


@pytest.fixture
def tiny(a_model_folder, tmp_path, monkeypatch):
    """A model, and the folder with its conversions."""
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "own"))
    spec = find_model(str(a_model_folder))
    return spec, tmp_path / "own" / ".openvino"


def by_openvino(spec):
    compute = Compute("cpu", None, "float32", "openvino")
    predictor = SlicePredictor.from_model(spec, compute, level=1)
    return predictor.predict(a_scan(2, 16, 32), PredictionOptions(spec.attention))


def test_a_conversion_is_made_and_compared_once(tiny, monkeypatch):
    spec, kept = tiny
    first = by_openvino(spec)
    [folder] = kept.iterdir()
    assert len(list(folder.glob("as-torch-*"))) == 1
    monkeypatch.setattr(conversion, "_convert", None)
    monkeypatch.setattr("AttnSegLib.inference.engines.choice._difference", None)
    second = by_openvino(spec)
    assert "OpenVINO" in first.device
    assert second.notices == ()
    assert_same(second, first)


def test_a_conversion_of_other_versions_makes_room(tiny):
    spec, kept = tiny
    by_openvino(spec)
    [folder] = kept.iterdir()
    earlier, another = kept / f"{folder.name.split('-')[0]}-0123", kept / "4567-0123"
    for other in (earlier, another):
        other.mkdir()
    (folder / "network.bin").write_bytes(b"")  # damaged: converted again
    found = by_openvino(spec)
    assert "OpenVINO" in found.device
    assert {path.name for path in kept.iterdir()} == {folder.name, another.name}


def test_where_nothing_can_be_kept_the_user_is_told(tiny):
    spec, kept = tiny
    kept.parent.write_text("a file in the place of the folder")
    found = by_openvino(spec)
    assert "OpenVINO" in found.device
    assert "can't be kept" in found.notices[0]


def test_another_number_format_is_refused_rather_than_left_to_torch(network):
    with pytest.raises(InputError, match="float32 or bfloat16; leave --precision out"):
        SlicePredictor(network, SCALE, Compute("cpu", None, "float16", "openvino"), Traits())
