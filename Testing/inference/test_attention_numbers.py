"""What the predictor tells of attention beside maps: absolute self-attention, and coefficients over channels."""

import numpy as np
import pytest
import torch
from test_predictor import _one_thread as _one_thread
from test_predictor import a_volume as a_volume
from test_predictor import preprocessing as preprocessing
from torch import nn

from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.networks.attention import AttentionMap, ChannelCoefficients, SelfAttention
from AttnSegLib.networks.output import SegmentationOutput

LOOKS = "position attention"


class Attending(nn.Module):
    """One of each kind of attention; all depend on the slice."""

    def __init__(self):
        super().__init__()
        self.looks = SelfAttention(LOOKS, 3.0)
        self.gate = AttentionMap("gate")
        self.weights, self.between = ChannelCoefficients("weights"), ChannelCoefficients("between channels")

    def forward(self, x):
        size = x.shape[2:]
        places = x.flatten(2).transpose(1, 2)
        self.looks(places, places, places, size)
        self.gate(x)
        mean = x.mean(dim=(2, 3))
        self.weights(torch.cat([mean, 1 - mean], dim=1))
        self.between(torch.tensor([[0.5, 0.5], [1.0, 0.0]]).expand(len(x), 2, 2))
        return SegmentationOutput(x - 0.5)


@pytest.fixture
def predict(a_volume, preprocessing):
    def run(batch_size=2, **options):
        predictor = SlicePredictor(Attending(), preprocessing, Compute("cpu", batch_size, "float32"))
        return predictor.predict(a_volume, PredictionOptions(**options))

    return run


def test_a_self_attention_map_is_absolute_times_its_peak(predict, a_volume):
    prediction = predict(attention=(LOOKS, "gate"))
    stack = prediction.stack
    assert set(prediction.numbers.peaks) == {LOOKS}  # a gate's coefficients are absolute
    peaks = prediction.numbers.peaks[LOOKS]
    assert set(peaks.largest) == set(range(a_volume.voxels.shape[stack.axes[0]]))
    for number in range(len(stack.view(a_volume.voxels))):
        pixels, ranges = stack.read([number])
        places = stack.prepare(pixels, ranges).flatten(1)[0]
        assert peaks.places == len(places)
        coefficients = torch.softmax(3.0 * places[:, None] * places[None], dim=1).mean(dim=0)
        assert float(coefficients.sum()) == pytest.approx(1, abs=1e-5)
        stored = stack.orientation.stored_index(number, a_volume.voxels.shape)
        assert peaks.largest[stored] == pytest.approx(float(coefficients.max()), rel=1e-4)
    assert peaks.even == pytest.approx(1 / peaks.places)


def test_channels_are_told_if_they_are_asked_for(predict):
    assert predict(attention=("gate",)).numbers.channels == {}
    channels = predict(channels=True).numbers.channels
    bright, dark = channels["weights"].means
    assert bright + dark == pytest.approx(1)
    assert channels["weights"].evenness is None
    between = channels["between channels"]
    assert between.means == pytest.approx((0.75, 0.25))  # how much each is looked at
    assert between.evenness == pytest.approx(0.5)  # of an even row and of one that looks at one channel


@pytest.mark.parametrize("batch_size", [1, 50])
def test_they_do_not_depend_on_batches(predict, batch_size):
    first, second = (predict(size, attention=(LOOKS,), channels=True).numbers for size in (2, batch_size))
    assert first.peaks[LOOKS].largest == pytest.approx(second.peaks[LOOKS].largest)
    for title, found in first.channels.items():
        assert found.means == pytest.approx(second.channels[title].means)


def test_flips_count_the_slice_as_it_is(predict):
    plain, flipped = (predict(channels=True, attention=(LOOKS,), flips=flips).numbers for flips in (False, True))
    assert plain.channels["weights"].means == pytest.approx(flipped.channels["weights"].means)
    assert list(plain.peaks[LOOKS].largest) == list(flipped.peaks[LOOKS].largest)
    assert np.allclose(list(plain.peaks[LOOKS].largest.values()), list(flipped.peaks[LOOKS].largest.values()))
