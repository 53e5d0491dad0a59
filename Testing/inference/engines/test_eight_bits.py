"""Labels in 8 bits: where they were asked for and can be had; everything else in 32 bits, and the user is told."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_engines import a_scan
from torch import nn

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.engines.conversion import Origin, converted
from AttnSegLib.inference.engines.eight_bits import compute_in_8_bits, graph_of, of_labels
from AttnSegLib.inference.engines.openvino_engine import Compilation, OpenVinoEngine
from AttnSegLib.inference.folding import folded
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.models.eight_bits import EightBits
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.output import SegmentationOutput
from training.model_folder.eight_bits import roundings

pytest.importorskip("openvino", reason="OpenVINO, which computes in 8 bits, is not installed")

SCALE = Preprocessing("axial", window=(0, 100), multiple=4)
SCAN, LABELS = a_scan(3, 24, 32), PredictionOptions()


class Branches(nn.Module):
    """A network with branches of which one is joined to the other, and which another reads, too."""

    size_multiple = 4

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.third, self.up = nn.Conv2d(16, 8, 3, padding=1), nn.ConvTranspose2d(8, 8, 2, 2)
        self.gate, self.head = AttentionMap("gate"), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        one = torch.relu(self.first(x))
        other = torch.relu(self.second(one))
        y = self.third(torch.cat([one, self.gate(torch.sigmoid(other[:, :1])) * other], 1))
        y = self.up(torch.relu(nn.functional.max_pool2d(y, 2)))
        return SegmentationOutput(5 * self.head(y))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    made = Branches().eval()
    with torch.no_grad():  # both labels in about half of the pixels
        made.head.bias -= made(torch.rand(1, 1, 24, 32)).logits.mean((0, 2, 3)) / 5
    return made


@pytest.fixture(scope="module")
def labels_alone(network):
    """The converted network, for its logits."""
    return of_labels(converted(Origin(lambda: folded(network), 1))[0])


@pytest.fixture(scope="module")
def eight(labels_alone):
    slices = [torch.rand(1, 1, 24, 32, generator=torch.Generator().manual_seed(number)) for number in range(4)]
    ranges = tuple(one.limits if one else None for one in roundings(labels_alone, slices))
    return EightBits(graph_of(labels_alone), ranges, 0.9, 0.9, "made up")


@pytest.fixture
def predict(network, eight):
    """Predict by torch in 32 bits, or in 8 bits if a card says how."""

    def run(options=LABELS, how=eight, scan=SCAN, precision="int8"):
        traits = Traits(origin=Origin(lambda: folded(network), 1, eight_bits=how))
        return SlicePredictor(network, SCALE, Compute("cpu", None, precision), traits).predict(scan, options)

    return run


def test_labels_are_computed_in_8_bits_if_asked_for(predict):
    found, exact = predict(), predict(precision="float32")
    assert found.device.endswith("int8, OpenVINO)")
    assert found.notices == ()
    assert "int8" not in exact.device
    assert 0.1 < exact.label_map.mean() < 0.9
    assert (found.label_map == exact.label_map).mean() > 0.98
    assert found.expected_error != pytest.approx(exact.expected_error, abs=1e-5)  # they did compute otherwise
    assert found.expected_error == pytest.approx(exact.expected_error, abs=0.01)


def test_a_tensor_that_several_read_has_one_range(labels_alone, eight):
    first, second, third, up, head = eight.ranges
    assert first is None  # of one channel
    assert head is None  # to two channels
    assert second == third
    assert up[0] == 0 < up[1]
    changed = labels_alone.clone()
    compute_in_8_bits(changed, eight)
    rounds = [node for node in changed.get_ops() if node.get_type_name() == "FakeQuantize"]
    assert len(rounds) == 6  # of three weights; of what second and third read, of the other branch, of what up reads


class Bright(nn.Module):
    """A convolution whose every product is as large as it can be."""

    size_multiple = 1

    def __init__(self):
        super().__init__()
        self.sum = nn.Conv2d(8, 8, 3, padding=1)
        nn.init.ones_(self.sum.weight)
        nn.init.zeros_(self.sum.bias)

    def forward(self, x):
        return SegmentationOutput(self.sum(x))


def test_the_largest_sums_are_not_cut_off_on_this_processor():
    network = Bright()
    model = of_labels(converted(Origin(lambda: network, 8))[0])
    eight = EightBits(graph_of(model), ((0.0, 1.0),), 0.9, 0.9, "made up")
    form = Compilation((1, 8, 16, 24), 1, 1, torch.int8)
    found = OpenVinoEngine(model, {}, form, eight).run(torch.ones(1, 8, 16, 24)).logits
    torch.testing.assert_close(found, network(torch.ones(1, 8, 16, 24)).logits.detach(), rtol=0.01, atol=0)


def test_0_stays_0(labels_alone, eight):
    changed = labels_alone.clone()
    compute_in_8_bits(changed, replace(eight, ranges=(None, (-0.37, 1.0), *eight.ranges[2:])))
    rounds = [node for node in changed.get_ops() if node.get_type_name() == "FakeQuantize"]
    limits = [
        [float(node.input(number).get_source_output().get_node().data.ravel()[0]) for number in (1, 2)]
        for node in rounds
    ]
    low, high = next((low, high) for low, high in limits if low < 0 and high != -low)
    assert round(low / (high - low) * 255, 3) == round(low / (high - low) * 255)


def test_maps_are_computed_in_32_bits_and_a_whole_scan_of_them_is_told(predict):
    with_map = PredictionOptions(attention=("gate",))
    found, exact = predict(with_map), predict(with_map, precision="float32")
    assert "int8" not in found.device
    [notice] = found.notices
    assert notice.startswith("8 bits are for labels; with attention, everything was computed in 32 bits.")
    assert "--attention none" in notice
    np.testing.assert_array_equal(found.label_map, exact.label_map)
    np.testing.assert_array_equal(found.attention["gate"], exact.attention["gate"])
    one = predict(with_map, scan=a_scan(1, 24, 32))
    assert one.notices == ()


def test_one_predictor_does_both(network, eight):
    traits = Traits(origin=Origin(lambda: folded(network), 1, eight_bits=eight))
    predictor = SlicePredictor(network, SCALE, Compute("cpu", None, "int8"), traits)
    wanted = [PredictionOptions(), PredictionOptions(attention=("gate",)), PredictionOptions()]
    assert ["int8" in predictor.predict(SCAN, one).device for one in wanted] == [True, False, True]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"graph": "0" * 64}, "for another graph"),
        ({"ranges": (None,)}, "for another graph"),
        ({"ranges": (None, (0.0, 1e-6), (0.0, 1e-6), (0.0, 1e-6), None)}, "their results differ by"),
    ],
)
def test_ranges_that_do_not_fit_are_left_and_the_user_is_told(predict, eight, change, reason):
    found, exact = predict(how=replace(eight, **change)), predict(precision="float32")
    assert "int8" not in found.device
    [notice] = found.notices
    assert "can't be computed in 8 bits here; 32 were taken instead" in notice
    assert reason in notice
    np.testing.assert_array_equal(found.label_map, exact.label_map)


def test_refuses_where_nothing_can_compute_in_8_bits(network, eight, predict, monkeypatch):
    with pytest.raises(InputError, match="card of this model does not say how"):
        predict(how=None)
    traits = Traits(origin=Origin(lambda: folded(network), 1, eight_bits=eight))
    with pytest.raises(InputError, match="Only OpenVINO computes in 8 bits"):
        SlicePredictor(network, SCALE, Compute("cpu", None, "int8", "torch"), traits)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"pip install attnseg\[openvino\]"):
        predict()
