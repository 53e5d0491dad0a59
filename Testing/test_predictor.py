"""The predictor with networks simple enough to know the answer."""

import numpy as np
import pytest
import torch
from torch import nn

from AttnSegLib.attention import AttentionMap, ChannelCoefficients
from AttnSegLib.device import Compute
from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.networks._output import SegmentationOutput
from AttnSegLib.predictor import SlicePredictor
from AttnSegLib.preprocess import Preprocessing
from AttnSegLib.volume import Volume

CPU = Compute("cpu", batch_size=2)


class Threshold(nn.Module):
    """Foreground where the intensity exceeds 0.5; its attention is the intensity at half resolution."""

    def __init__(self):
        super().__init__()
        self.map = AttentionMap("brightness")

    def forward(self, x):
        self.map(nn.functional.avg_pool2d(x, 2))
        return SegmentationOutput(x - 0.5)


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


@pytest.fixture
def a_volume():
    """5 x 6 x 7 voxels on a grid that is flipped and permuted against the patient."""
    rng = np.random.default_rng(0)
    affine = np.array([[0, 0, -2.0, 3], [1.5, 0, 0, -7], [0, -1, 0, 50], [0, 0, 0, 1]])
    return Volume(rng.integers(0, 100, (5, 6, 7)).astype(np.int16), affine)


@pytest.fixture
def preprocessing():
    return Preprocessing("axial", window=(0, 100), multiple=2)


def test_label_map_lies_on_the_volumes_own_grid(a_volume, preprocessing):
    prediction = SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume)
    assert prediction.label_map.dtype == np.uint8
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)


def test_attention_lies_on_the_volumes_own_grid(a_volume, preprocessing):
    a_volume.voxels[:] = 0
    a_volume.voxels[2:, :, :] = 100  # the far half along k, which is left-right: columns of axial slices
    prediction = SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, attention=["brightness"])
    coefficients = prediction.attention["brightness"]
    assert coefficients.dtype == np.float16
    assert coefficients.shape == a_volume.voxels.shape
    assert coefficients[0].max() < 0.3
    assert coefficients[4].min() > 0.6  # not 1 everywhere: the last row is mixed with padding


def test_refuses_maps_that_are_none_for_the_image(a_volume, preprocessing):
    class Weighted(Threshold):
        def __init__(self):
            super().__init__()
            self.weights = ChannelCoefficients("channel weights")

    predictor = SlicePredictor(Weighted(), preprocessing, CPU)
    with pytest.raises(InputError, match="no attention map 'channel weights'.*brightness"):
        predictor.predict(a_volume, attention=["channel weights"])


def test_records_no_attention_unless_asked(a_volume, preprocessing):
    assert SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume).attention == {}


def test_several_channels_mean_the_most_probable_class(a_volume, preprocessing):
    class Classes(nn.Module):
        def forward(self, x):
            return SegmentationOutput(torch.cat([0.5 - x, x - 0.5, 3 * (x - 0.705)], dim=1))

    label_map = SlicePredictor(Classes(), preprocessing, CPU).predict(a_volume).label_map
    expected = np.where(a_volume.voxels > 80.5, 2, np.where(a_volume.voxels > 50, 1, 0))
    np.testing.assert_array_equal(label_map, expected)


def test_largest_component_only(preprocessing):
    voxels = np.zeros((4, 8, 8), np.int16)
    voxels[1:3, 1:4, 1:4] = 100
    voxels[3, 7, 7] = 100
    volume = Volume(voxels, np.eye(4))
    predictor = SlicePredictor(Threshold(), preprocessing, CPU, largest_component=True)
    assert predictor.predict(volume).label_map.sum() == 18


def test_reports_progress_to_the_end(a_volume, preprocessing):
    steps = []
    SlicePredictor(Threshold(), preprocessing, CPU).predict(
        a_volume, progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(2, 6), (4, 6), (6, 6)]


def test_stops_at_the_next_batch_when_cancelled(a_volume, preprocessing):
    done = []
    with pytest.raises(Cancelled):
        SlicePredictor(Threshold(), preprocessing, CPU).predict(
            a_volume, progress=lambda n, _total: done.append(n), cancelled=lambda: len(done) == 1
        )
    assert done == [2]


def test_batch_size_changes_nothing(a_volume, preprocessing):
    maps = [
        SlicePredictor(Threshold(), preprocessing, Compute("cpu", batch_size=size)).predict(a_volume).label_map
        for size in (1, 4, 50)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_halves_the_batch_when_memory_runs_out_and_says_so(a_volume, preprocessing):
    network = OutOfMemoryAbove(1)
    prediction = SlicePredictor(network, preprocessing, Compute("cpu", batch_size=4)).predict(a_volume)
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)
    assert network.batches == [4, 2, 1, 1, 1, 1, 1, 1]
    assert [notice for notice in prediction.notices if "batches of 1" in notice]


def test_memory_errors_of_the_cpu_are_understood_too(a_volume, preprocessing):
    class Greedy(nn.Module):
        def forward(self, x):
            if len(x) > 1:
                torch.empty(2**60)
            return SegmentationOutput(x - 0.5)

    prediction = SlicePredictor(Greedy(), preprocessing, Compute("cpu", batch_size=2)).predict(a_volume)
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

    exact = SlicePredictor(Wrapped(), preprocessing, Compute("cpu")).predict(a_volume).label_map
    rounded = SlicePredictor(Wrapped(), preprocessing, Compute("cpu", precision="bfloat16")).predict(a_volume).label_map
    assert (exact == rounded).mean() > 0.95
