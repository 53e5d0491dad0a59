"""The predictor with networks simple enough to know the answer."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import Canvas, PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.inference.probabilities import expected_error
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionMap, ChannelCoefficients, SelfAttention
from AttnSegLib.networks.output import SegmentationOutput

CPU = Compute("cpu", batch_size=2)


@pytest.fixture(autouse=True)
def _one_thread():
    """So one lane: of several, Testing/inference/test_lanes.py tells."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Threshold(nn.Module):
    """Foreground where the intensity exceeds 0.5; its attention is the intensity at half resolution."""

    def __init__(self):
        super().__init__()
        self.map = AttentionMap("brightness")

    def forward(self, x):
        self.map(nn.functional.avg_pool2d(x, 2))
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
    prediction = SlicePredictor(Threshold(), preprocessing, CPU).predict(
        a_volume, PredictionOptions(attention=("brightness",))
    )
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
        predictor.predict(a_volume, PredictionOptions(attention=("channel weights",)))


def test_refuses_preprocessing_that_pads_too_little():
    class Deep(Threshold):
        size_multiple = 32

    with pytest.raises(InputError, match="multiple of 32 pixels, and the preprocessing pads to 16"):
        SlicePredictor(Deep(), Preprocessing("axial", window=(0, 1)), CPU)


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
    voxels[3, 6:8, 6:8] = 100
    volume = Volume(voxels, np.eye(4))
    traits = Traits(largest_component=True, names={1: "Ball"})
    prediction = SlicePredictor(Threshold(), preprocessing, CPU, traits).predict(volume)
    assert prediction.label_map.sum() == 18
    assert prediction.notices[0].startswith("'Ball' was found in several pieces. This model keeps the largest")


def test_a_slice_that_is_segmented_again_keeps_all_its_parts(preprocessing):
    """Within one slice, the parts of one organ may be apart: which belongs to the largest, only the volume tells."""
    voxels = np.zeros((4, 8, 8), np.int16)
    voxels[2, 1:4, 1:4] = voxels[2, 6:8, 6:8] = 100
    predictor = SlicePredictor(Threshold(), preprocessing, CPU, Traits(largest_component=True))
    again = PredictionOptions(region=Region((2, 0, 0), (3, 8, 8)))
    np.testing.assert_array_equal(predictor.predict(Volume(voxels, np.eye(4)), again).label_map, voxels > 50)


def test_the_largest_component_comes_with_the_model(a_model_folder):
    spec = dataclasses.replace(load_card(a_model_folder / CARD), largest_component=True)
    traits = SlicePredictor.from_model(spec, CPU).traits
    assert traits.largest_component
    assert traits.names == {label.value: label.name for label in spec.labels}
    assert not SlicePredictor.from_model(
        dataclasses.replace(spec, largest_component=False), CPU
    ).traits.largest_component


class Notebook:
    """Writes down what a prediction says, and cancels after some batches."""

    def __init__(self, cancel_after=None):
        self.steps = []
        self.order = []
        self._cancel_after = cancel_after

    def finished(self, stored_indices, done, total):
        self.steps.append((done, total))
        self.order += stored_indices

    def cancelled(self):
        return len(self.steps) == self._cancel_after


def test_reports_progress_to_the_end(a_volume, preprocessing):
    watch = Notebook()
    SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, watch=watch)
    assert watch.steps == [(2, 6), (4, 6), (6, 6)]
    assert sorted(watch.order) == list(range(6))


def test_stops_at_the_next_batch_when_cancelled(a_volume, preprocessing):
    watch = Notebook(cancel_after=1)
    with pytest.raises(Cancelled):
        SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, watch=watch)
    assert watch.steps == [(2, 6)]


def test_begins_at_a_slice_and_goes_outwards(a_volume, preprocessing):
    watch = Notebook()
    prediction = SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, PredictionOptions(start=4), watch)
    distances = [abs(index - 4) for index in watch.order]
    assert distances == sorted(distances)
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)


def test_outside_of_the_region_nothing_is_predicted(a_volume, preprocessing):
    region = Region((1, 2, 0), (4, 5, 3))
    options = PredictionOptions(attention=("brightness",), region=region)
    watch = Notebook()
    prediction = SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, options, watch)
    inside = np.zeros(a_volume.voxels.shape, bool)
    inside[region.slices] = True
    np.testing.assert_array_equal(prediction.label_map, (a_volume.voxels > 50) & inside)
    assert (prediction.attention["brightness"][~inside] == 0).all()
    assert (prediction.attention["brightness"][inside] > 0).any()
    axis = SliceStack.of(a_volume, preprocessing).axes[0]
    assert sorted(watch.order) == list(range(region.start[axis], region.stop[axis]))


def test_neighbours_are_seen_beyond_batch_and_region(a_volume):
    """A network whose answer depends on the two neighbours only."""

    class Between(nn.Module):
        def forward(self, x):
            return SegmentationOutput((x[:, :1] + x[:, 2:]) / 2 - 0.5)

    predictor = SlicePredictor(Between(), Preprocessing("axial", window=(0, 100), multiple=2, neighbours=1), CPU)
    whole = predictor.predict(a_volume).label_map
    stack = SliceStack.of(a_volume, predictor.preprocessing)
    voxels = np.pad(stack.view(a_volume.voxels).astype(float), ((1, 1), (0, 0), (0, 0)), mode="edge")
    np.testing.assert_array_equal(stack.view(whole), voxels[:-2] + voxels[2:] > 100)
    region = Region((1, 2, 3), (2, 3, 4))
    part = predictor.predict(a_volume, PredictionOptions(region=region, start=2)).label_map
    assert part[1, 2, 3] == whole[1, 2, 3]


def test_writes_into_arrays_that_are_given(a_volume, preprocessing):
    canvas = Canvas.blank(a_volume.voxels.shape, [])
    prediction = SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, into=canvas)
    assert prediction.label_map is canvas.label_map
    np.testing.assert_array_equal(canvas.label_map, a_volume.voxels > 50)


@pytest.mark.parametrize("options", [{"region": Region((0, 0, 0), (9, 1, 1))}, {"query": (0, 0, 99)}])
def test_refuses_what_lies_outside_the_volume(a_volume, preprocessing, options):
    with pytest.raises(InputError, match="leaves the volume"):
        SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, PredictionOptions(**options))


def test_flips_average_the_probabilities(a_volume, preprocessing):
    class LeansRight(nn.Module):
        """Sure of the right half of whatever it sees, so that the flips contradict each other."""

        def forward(self, x):
            ramp = torch.linspace(-1, 1, x.shape[-1]).expand_as(x)
            return SegmentationOutput(x - 0.5 + 10 * ramp)

    plain = SlicePredictor(LeansRight(), preprocessing, CPU).predict(a_volume)
    flipped = SlicePredictor(LeansRight(), preprocessing, CPU).predict(a_volume, PredictionOptions(flips=True))
    assert not np.array_equal(plain.label_map, a_volume.voxels > 50)
    same = SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume, PredictionOptions(flips=True))
    np.testing.assert_array_equal(same.label_map, a_volume.voxels > 50)
    axis = SliceStack.of(a_volume, preprocessing).axes[0]
    assert set(flipped.expected_error) == set(plain.expected_error) == set(range(a_volume.voxels.shape[axis]))
    assert np.mean(list(flipped.expected_error.values())) > np.mean(list(plain.expected_error.values())) + 0.1


def test_errors_are_expected_slice_by_slice(a_volume, preprocessing):
    found = SlicePredictor(Threshold(), preprocessing, CPU).predict(a_volume).expected_error
    stack = SliceStack.of(a_volume, preprocessing)
    assert len(set(found.values())) > 1
    for stored, value in found.items():
        number = stack.orientation.stored_index(stored, a_volume.voxels.shape)
        assert value == pytest.approx(expected_error(stack.slices([number]) - 0.5).item(), abs=1e-6)


def test_a_query_shows_where_its_voxel_looks(a_volume, preprocessing):
    class LooksAtItself(nn.Module):
        def __init__(self):
            super().__init__()
            self.attend = SelfAttention("self", scale=1e4)

        def forward(self, x):
            n, _, h, w = x.shape
            place = torch.eye(h * w).expand(n, -1, -1)
            self.attend(place, place, place, (h, w))
            return SegmentationOutput(x - 0.5)

    options = PredictionOptions(attention=("self",), query=(3, 4, 1))
    seen = SlicePredictor(LooksAtItself(), preprocessing, CPU).predict(a_volume, options).attention["self"]
    assert np.unravel_index(seen.argmax(), seen.shape) == (3, 4, 1)
    axis = SliceStack.of(a_volume, preprocessing).axes[0]
    assert set(np.nonzero(seen)[axis]) == {(3, 4, 1)[axis]}
