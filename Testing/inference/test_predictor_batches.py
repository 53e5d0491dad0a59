"""The predictor's batches, devices and number formats: they change nothing, or say so."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from test_predictor import CPU, Threshold
from test_predictor import _one_thread as _one_thread
from test_predictor import a_volume as a_volume
from test_predictor import preprocessing as preprocessing
from torch import nn

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume, read_label_map, read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.replacement import Replacement
from AttnSegLib.results import metrics


class OutOfMemoryAbove(nn.Module):
    """Has memory for batches up to a size."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit
        self.batches = []

    def forward(self, x):
        self.batches.append(len(x))
        if len(x) > self.limit:
            raise torch.OutOfMemoryError("too much")
        return SegmentationOutput(x - 0.5)


def test_batch_size_changes_nothing(a_volume, preprocessing):
    maps = [
        SlicePredictor(Threshold(), preprocessing, Compute("cpu", batch_size=size)).predict(a_volume).label_map
        for size in (1, 4, 50)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_halves_the_batch_when_memory_runs_out_and_says_so(a_volume, preprocessing):
    network = OutOfMemoryAbove(1)
    predictor = SlicePredictor(network, preprocessing, Compute("cpu", batch_size=4))
    prediction = predictor.predict(a_volume)
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)
    assert predictor.network.batches == [4, 2, 1, 1, 1, 1, 1, 1]
    assert [notice for notice in prediction.notices if "with 1 slice(s) at once" in notice]


def test_whoever_follows_is_told_of_a_fall_back_when_it_happens(a_volume, preprocessing):
    told = []

    class Watch:
        def finished(self, _stored_indices, done, _total):
            told.append(done)

        def noticed(self, sentence):
            told.append(sentence)

        def cancelled(self):
            return False

    predictor = SlicePredictor(OutOfMemoryAbove(1), preprocessing, Compute("cpu", batch_size=2))
    prediction = predictor.predict(a_volume, watch=Watch())
    assert told == [*prediction.notices, 1, 2, 3, 4, 5, 6]


def test_memory_errors_of_the_cpu_are_understood_too(a_volume, preprocessing):
    class Greedy(nn.Module):
        def forward(self, x):
            if len(x) > 1:
                torch.empty(2**60)
            return SegmentationOutput(x - 0.5)

    predictor = SlicePredictor(Greedy(), preprocessing, Compute("cpu", batch_size=2))
    with ThreadPoolExecutor(1) as pool:  # glibc serves a thread that was refused memory elsewhere from then on
        prediction = pool.submit(predictor.predict, a_volume).result()
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)
    assert prediction.notices


def test_gives_up_when_a_single_slice_does_not_fit(a_volume, preprocessing):
    with pytest.raises(InputError, match="not enough memory"):
        SlicePredictor(OutOfMemoryAbove(0), preprocessing, CPU).predict(a_volume)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (Compute("cuda:99"), "'cuda:99' is not usable"),
        (Compute("gpu"), "'gpu' is not usable"),
        (Compute("meta"), "'meta' is not usable"),
        (Compute("cpu", precision="float8"), "precision 'float8'"),
        (Compute("cpu", batch_size=0), "batch size must be 1"),
    ],
)
def test_refuses_what_the_machine_does_not_have(a_volume, preprocessing, compute, message):
    with pytest.raises(InputError, match=message):
        SlicePredictor(Threshold(), preprocessing, compute).predict(a_volume)


def test_bfloat16_gives_nearly_the_same_labels(a_volume, preprocessing):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return SegmentationOutput(self.network(x))

    exact = SlicePredictor(Wrapped(), preprocessing, Compute("cpu", precision="float32")).predict(a_volume).label_map
    rounded = SlicePredictor(Wrapped(), preprocessing, Compute("cpu", precision="bfloat16")).predict(a_volume).label_map
    assert (exact == rounded).mean() > 0.95


def test_what_float16_can_not_hold_is_computed_in_float32(a_volume, preprocessing):
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 1)
            nn.init.constant_(self.layer.weight, 6e4)
            nn.init.constant_(self.layer.bias, -3e4)

        def forward(self, x):
            return SegmentationOutput(self.layer(4 * x))

    predictor = SlicePredictor(Large(), preprocessing, Compute("cpu", 2, "float16"))
    prediction = predictor.predict(a_volume)
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 12)
    assert "too large for float16" in prediction.notices[0]
    assert "float32" in prediction.device
    assert predictor.predict(a_volume).notices == ()


@pytest.mark.slow
def test_bfloat16_leaves_a_trained_model_what_it_is():
    """On a real scan: 99.9 % of the voxels, and the Dice within 0.001, as `make bench` asks of everybody."""
    spec = find_model("anunet-left_atrium-mr")
    sample = resource_folder("Samples") / "left_atrium_mr"
    volume = read_volume(sample / "image.nrrd")
    reference = read_label_map(sample / "labels.nrrd", volume)
    axis = SliceStack.of(volume, spec.preprocessing).axes[0]
    filled = np.flatnonzero(reference.any(axis=tuple({0, 1, 2} - {axis})))
    start, stop = [0, 0, 0], list(reference.shape)
    start[axis], stop[axis] = int(filled.mean()) - 3, int(filled.mean()) + 3
    region = Region(tuple(start), tuple(stop))
    found = [
        SlicePredictor.from_model(spec, Compute("cpu", precision=precision))
        .predict(volume, PredictionOptions(region=region))
        .label_map[region.slices]
        for precision in ("float32", "bfloat16")
    ]
    assert (found[0] == found[1]).mean() >= 0.999
    scores = [metrics.dice(reference[region.slices] == 1, labels == 1) for labels in found]
    assert scores[0] > 0.8
    assert abs(scores[0] - scores[1]) < 0.001


def test_flips_are_refused_to_a_model_that_never_saw_mirrored_slices(a_volume, preprocessing):
    predictor = SlicePredictor(Threshold(), preprocessing, CPU, Traits(mirrored=False))
    with pytest.raises(InputError, match="never trained on mirrored slices"):
        predictor.predict(a_volume, PredictionOptions(flips=True))


# Attention replaced


class Gate(nn.Module):
    """Foreground where the coefficient, which is the intensity, exceeds 0.5."""

    def __init__(self):
        super().__init__()
        self.map = AttentionMap("gate")

    def forward(self, x):
        return SegmentationOutput(self.map(x) - 0.5)


@pytest.fixture
def a_bright_half():
    """4 slices of 8 x 6 pixels; rows 4 to 7 are bright."""
    voxels = np.zeros((4, 8, 6), np.int16)
    voxels[:, 4:] = 90
    return Volume(voxels, np.diag([-1.0, -1.0, 1.0, 1.0]))


def replaced(volume, *replacements, flips=False, **painted):
    preprocessing = Preprocessing("axial", window=(0, 100), multiple=2)
    options = PredictionOptions(("gate",), flips=flips, replaced=replacements, painted=painted)
    return SlicePredictor(Gate(), preprocessing, Compute("cpu", 2)).predict(volume, options)


def test_what_was_replaced_is_told(a_bright_half):
    found = replaced(a_bright_half, Replacement("gate", "constant", 0.9))
    assert found.label_map.all()
    [notice] = found.notices
    assert "replaced by the constant 0.9: 'gate'" in notice
    assert found.attention["gate"].max() == pytest.approx(0.9, abs=1e-3)  # as the network computed it
    assert found.attention["gate"].min() == 0
    assert replaced(a_bright_half).notices == ()


@pytest.mark.parametrize("flips", [False, True])
def test_a_region_is_erased_in_its_own_slice_and_place(a_bright_half, flips):
    mask = np.zeros(a_bright_half.voxels.shape, np.float32)
    mask[2, 5, :3] = 1
    found = replaced(a_bright_half, Replacement("gate", "erased"), flips=flips, gate=mask)
    np.testing.assert_array_equal(found.label_map, (a_bright_half.voxels > 0) & (mask == 0))


@pytest.mark.parametrize("flips", [False, True])
def test_a_map_of_the_users_is_taken_slice_by_slice(a_bright_half, flips):
    own = np.random.default_rng(0).random(a_bright_half.voxels.shape).astype(np.float32)
    found = replaced(a_bright_half, Replacement("gate", "painted"), flips=flips, gate=own)
    np.testing.assert_array_equal(found.label_map, own > 0.5)


@pytest.mark.parametrize(
    ("painted", "sentence"),
    [
        ({}, "must be an array on the volume's grid"),
        ({"gate": np.zeros((1, 2, 3))}, "must be an array on the volume's grid"),
        ({"gate": np.full((4, 8, 6), 1.5)}, "numbers from 0 to 1"),
        ({"gate": np.full((4, 8, 6), np.nan)}, "numbers from 0 to 1"),
    ],
)
def test_refuses_what_was_not_painted_for_this_volume(a_bright_half, painted, sentence):
    with pytest.raises(InputError, match=sentence):
        replaced(a_bright_half, Replacement("gate", "erased"), **painted)
