"""One contract for both engines: whichever runs a network, the results are the same, or the user is told."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from AttnSegLib import networks
from AttnSegLib.errors import Cancelled
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.engines import openvino_engine
from AttnSegLib.inference.engines.conversion import Origin
from AttnSegLib.inference.engines.openvino_engine import OpenVinoEngine
from AttnSegLib.inference.folding import folded
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionMap, ChannelCoefficients, SelfAttention
from AttnSegLib.networks.output import SegmentationOutput

CompiledModel = pytest.importorskip("openvino", reason="OpenVINO, the other engine, is not installed").CompiledModel

SCALE = Preprocessing("axial", window=(0, 100), multiple=4)
MAPS = ("gate", "self")


class Attentive(nn.Module):
    """A kind of each: a convolution that is folded, weights of channels, a gate, self-attention at half the size, three
    classes."""

    size_multiple = 4

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.weights = ChannelCoefficients("weights")
        self.gate, self.attend = AttentionMap("gate"), SelfAttention("self")
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        y = self.first(x)
        y = self.weights(torch.sigmoid(y.mean((2, 3))))[:, :, None, None] * y
        y = self.gate(torch.sigmoid(y[:, :1])) * y
        small = nn.functional.avg_pool2d(y, 2)
        flat = small.flatten(2).transpose(1, 2)
        gathered = self.attend(flat, flat, flat, (small.shape[2], small.shape[3]))
        gathered = gathered.transpose(1, 2).reshape(small.shape)
        return SegmentationOutput(self.head(y + nn.functional.interpolate(gathered, scale_factor=2.0)))


@pytest.fixture(params=["torch", "openvino"])
def engine(request):
    return request.param


@pytest.fixture
def network():
    torch.manual_seed(1)
    return Attentive().eval()


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def predictor_of(network, engine, **traits):
    multiple = Preprocessing("axial", window=(0, 100), multiple=network.size_multiple)
    origin = Origin(lambda: folded(network), 1)
    return SlicePredictor(network, multiple, Compute("cpu", None, "float32", engine), Traits(origin=origin, **traits))


def a_scan(*shape):
    voxels = np.random.default_rng(0).integers(0, 100, shape, np.int16)
    return Volume(voxels, np.diag([-1.0, -1.0, 1.0, 1.0]))


def assert_same(found, expected):
    assert (found.label_map == expected.label_map).mean() > 0.999
    assert found.attention.keys() == expected.attention.keys()
    for title, values in expected.attention.items():
        np.testing.assert_allclose(found.attention[title].astype(float), values.astype(float), atol=2e-3)
    assert found.expected_error == pytest.approx(expected.expected_error, abs=1e-3)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("shape", [(1, 12, 8), (3, 21, 34), (7, 64, 50)])
def test_scans_of_any_size(network, engine, shape):
    options = PredictionOptions(attention=MAPS, probabilities=True)
    found = predictor_of(network, engine).predict(a_scan(*shape), options)
    expected = predictor_of(network, "torch").predict(a_scan(*shape), options)
    assert ("OpenVINO" in found.device) == (engine == "openvino")
    assert found.notices == ()
    assert_same(found, expected)
    for label, values in expected.probabilities.items():
        np.testing.assert_allclose(found.probabilities[label].astype(float), values.astype(float), atol=2e-3)


@pytest.mark.usefixtures("two_threads")
def test_lanes_share_requests_which_one_thread_made_for_all_of_openvinos_streams(network, monkeypatch):
    """Two lanes that make or run requests themselves often meet in one stream, and wait for each other."""
    made, ran = [], []

    class Seen(CompiledModel):
        def create_infer_request(self):
            made.append(threading.get_ident())
            return SeenRequest(super().create_infer_request())

    class SeenRequest:
        def __init__(self, request):
            self.request = request

        def __getattr__(self, name):
            ran.append(name)
            return getattr(self.request, name)

    compiled = openvino_engine._compiled
    monkeypatch.setattr(openvino_engine, "_compiled", lambda *given: Seen(compiled(*given)))
    predictor = predictor_of(network, "openvino")
    for _ in range(2):
        assert "OpenVINO" in predictor.predict(a_scan(7, 300, 300)).device
    assert made == [threading.get_ident()] * 2
    assert "start_async" in ran
    assert "infer" not in ran


@pytest.mark.parametrize(
    "options",
    [
        PredictionOptions(),
        PredictionOptions(attention=("self",)),
        PredictionOptions(attention=MAPS, region=Region((1, 2, 3), (4, 15, 20))),
        PredictionOptions(attention=("gate",), flips=True, start=2),
    ],
)
def test_chosen_maps_regions_and_flips(network, engine, options):
    scan = a_scan(5, 21, 34)
    expected = predictor_of(network, "torch").predict(scan, options)
    assert_same(predictor_of(network, engine).predict(scan, options), expected)


def test_channels_and_what_makes_maps_absolute(network, engine):
    scan, options = a_scan(5, 21, 34), PredictionOptions(attention=MAPS, channels=True)
    found, expected = (predictor_of(network, one).predict(scan, options).numbers for one in (engine, "torch"))
    assert found.peaks["self"].places == expected.peaks["self"].places == 12 * 18
    assert found.peaks["self"].largest == pytest.approx(expected.peaks["self"].largest, rel=1e-3)
    assert found.channels["weights"].means == pytest.approx(expected.channels["weights"].means, rel=1e-3)
    assert expected.peaks.keys() == found.peaks.keys() == {"self"}


def test_one_predictor_takes_scans_of_all_sizes(network, engine):
    found = predictor_of(network, engine)
    for shape in [(2, 21, 34), (3, 40, 12), (2, 21, 34)]:
        scan, options = a_scan(*shape), PredictionOptions(attention=("gate",))
        assert_same(found.predict(scan, options), predictor_of(network, "torch").predict(scan, options))


def test_a_cancel_ends_it(network, engine):
    class Impatient:
        def finished(self, *_):
            raise AssertionError

        def noticed(self, _sentence):
            raise AssertionError

        def cancelled(self):
            return True

    with pytest.raises(Cancelled):
        predictor_of(network, engine).predict(a_scan(3, 8, 8), watch=Impatient())


def test_when_memory_runs_out_fewer_slices_are_under_way(network, monkeypatch):
    run = OpenVinoEngine.run

    def greedy(self, slices, painted=None):
        if len(slices) > 1:
            raise RuntimeError("std::bad_alloc")
        return run(self, slices, painted)

    expected = predictor_of(network, "torch").predict(a_scan(3, 8, 8))
    monkeypatch.setattr(OpenVinoEngine, "run", greedy)
    found = predictor_of(network, "openvino").predict(a_scan(3, 8, 8))
    assert "OpenVINO" in found.device
    assert "ran out of memory" in found.notices[0]
    assert_same(found, expected)


@pytest.mark.slow  # MS-Dual-Guided takes four seconds
@pytest.mark.parametrize("name", sorted(set(networks.network_names()) - set(networks.baseline_names())))
def test_the_networks_of_the_papers(name, engine):
    torch.manual_seed(0)
    network = networks.create(name, width=4).eval()
    network.size_multiple = 32
    options = PredictionOptions(attention=tuple(predictor_of(network, "torch").attention_titles))
    found = predictor_of(network, engine).predict(a_scan(2, 40, 90), options)
    assert ("OpenVINO" in found.device) == (engine == "openvino")
    assert_same(found, predictor_of(network, "torch").predict(a_scan(2, 40, 90), options))
