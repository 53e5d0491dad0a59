"""Numbers that float32 can't hold, and outputs that are none: a wrong segmentation would come without a word."""

import json

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import nn

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.intensities import percentiles_of
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Code, Label
from AttnSegLib.models.catalog import load_models
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.results.measures import measure_segments
from AttnSegLib.typed_json import to_json

SCAN = np.random.default_rng(0).integers(0, 1000, (4, 16, 16))
CPU = Compute("cpu", batch_size=2)
FAR = {
    "float64 of 1e200": SCAN * 1e200,
    "float64 of both signs, near its end": (SCAN - 500) * 3e305,
    "float64 from 0 to 1, far from 0": SCAN / 1000 + 1e9,
    "int64 far from 0": SCAN + 2**60,
    "int64 far below 0": SCAN - 2**60,
    "uint64 near its end": SCAN.astype(np.uint64) + np.uint64(2**64 - 2000),
    "int32 near its end": (SCAN + 2**31 - 2000).astype(np.int32),
    "float32 near its end": ((SCAN - 500) * 6e35).astype(np.float32),
}
WAYS = {
    "percentiles": Preprocessing("axial", percentiles=(0.5, 99.5)),
    "percentiles of each slice": Preprocessing("axial", percentiles=(0.5, 99.5), per_slice=True),
    "percentiles, with neighbours": Preprocessing("axial", percentiles=(0.5, 99.5), neighbours=1),
}


def seen(voxels, preprocessing):
    return SliceStack.of(Volume(voxels, np.eye(4)), preprocessing).slices([0, 1, 2, 3])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("far", FAR)
def test_far_intensities_are_seen_as_near_ones(far, way):
    torch.testing.assert_close(seen(FAR[far], WAYS[way]), seen(SCAN.astype(np.int16), WAYS[way]), rtol=0, atol=2e-5)


@given(
    arrays(st.sampled_from(["i1", "u1", "i2", "u2", "<i4", "f4"]), array_shapes(min_dims=1, max_dims=3)),
    st.floats(0, 100),
)
def test_percentiles_are_those_of_numpy(voxels, percentile):
    assume(np.isfinite(voxels).all())
    with np.errstate(all="ignore"):
        expected = np.percentile(voxels.astype(np.float64) if voxels.dtype.kind in "iu" else voxels, (percentile, 50))
        assert percentiles_of(voxels, (percentile, 50)) == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_percentiles_of_a_scan_of_many_parts(monkeypatch):
    monkeypatch.setattr("AttnSegLib.inference.intensities._PART", 100)
    voxels = np.random.default_rng(0).integers(-2000, 3000, (5, 30, 40), np.int16)[:, ::-1]
    assert percentiles_of(voxels, (0.5, 99.5)) == pytest.approx(np.percentile(voxels, (0.5, 99.5)), rel=1e-12)


@pytest.mark.parametrize(
    ("voxels", "window", "expected"),
    [
        (SCAN * 1e200, (-100.0, 300.0), np.where(SCAN > 0, 1.0, 0.25)),
        (SCAN + 2**60, (-100.0, 300.0), np.ones(SCAN.shape)),
        (SCAN - 2**60, (-100.0, 300.0), np.zeros(SCAN.shape)),
    ],
)
def test_a_window_maps_far_intensities(voxels, window, expected):
    np.testing.assert_allclose(seen(voxels, Preprocessing("axial", window=window))[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("value", [0, 1e9, -1e9, 1e30, 2.0**62])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("per_slice", [False, True])
def test_a_slice_of_one_value_is_0(value, dtype, per_slice):
    voxels = np.full((4, 16, 16), min(value, 2.0**62) if dtype is np.int64 else value).astype(dtype)
    assert not seen(voxels, Preprocessing("axial", percentiles=(0.5, 99.5), per_slice=per_slice)).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_ordinary_intensities_become_float32_first(dtype):
    """So that scans are seen to the bit as in training."""
    voxels = (SCAN % 200).astype(dtype)
    pixels = voxels[:, ::1].astype(np.float32)
    for window in [(-20.0, 150.0), (40.0, 199.5)]:
        lower, upper = np.float32(window)
        expected = np.clip((pixels - lower) / (upper - lower), 0, 1)
        got = seen(voxels, Preprocessing("axial", window=window))[:, 0]
        np.testing.assert_array_equal(got, expected)


def test_the_range_of_far_intensities_is_given_as_they_are():
    lower, upper = SliceStack.of(Volume(SCAN * 1e200, np.eye(4)), WAYS["percentiles"]).intensity_range
    assert (lower, upper) == pytest.approx(tuple(np.percentile(SCAN, (0.5, 99.5)) * 1e200))


def test_a_slice_is_shown_as_the_network_sees_it():
    preprocessing = Preprocessing("axial", window=(0, 500), neighbours=2, pixel_spacing=2.0)
    stack = SliceStack.of(Volume(SCAN, np.eye(4)), preprocessing)
    np.testing.assert_allclose(stack.at_native_size(3), np.clip(SCAN[3] / 500, 0, 1), atol=1e-6)


@pytest.mark.parametrize("far", FAR)
def test_what_is_measured_in_far_intensities_is_finite(far):
    stack = SliceStack.of(Volume(FAR[far], np.eye(4)), WAYS["percentiles"])
    code = Code("SCT", "1", "x")
    (measured,) = measure_segments(stack, np.ones(SCAN.shape, np.uint8), [Label(1, "x", (1, 2, 3), code, code)])
    json.dumps(to_json(measured), allow_nan=False)
    assert measured.mean_intensity == pytest.approx(FAR[far].astype(np.longdouble).mean())


@pytest.mark.parametrize("modality", ["MR", "CT"])
@pytest.mark.parametrize("far", FAR)
def test_far_intensities_are_looked_at_before_a_run(far, modality):
    spec = next(spec for spec in load_models() if spec.modality == modality)
    for known in (None, modality):
        preflight.warnings(Volume(FAR[far], np.diag([2.0, 2.0, 3.0, 1.0]), known), spec)  # warnings of numpy are errors


class Nonsense(nn.Module):
    """Says 0 but for one pixel of the slices that have one brighter than 0.9."""

    def __init__(self, value, channels=1):
        super().__init__()
        self.value, self.channels = value, channels

    def forward(self, x):
        logits = torch.zeros(x.shape[0], self.channels, *x.shape[2:])
        logits[x.amax(dim=(1, 2, 3)) > 0.9, 0, 3, 4] = self.value
        return SegmentationOutput(logits)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_is_an_error(value, channels, flips):
    voxels = np.zeros((4, 16, 16), np.int16)
    voxels[2, 5, 5] = 100
    preprocessing = Preprocessing("axial", window=(0, 100))
    predictor = SlicePredictor(Nonsense(value, channels), preprocessing, CPU)
    with pytest.raises(InputError, match="network's output for slice 2 is not finite"):
        predictor.predict(Volume(voxels, np.eye(4)), PredictionOptions(flips=flips))
    voxels[2] = 0
    assert not predictor.predict(Volume(voxels, np.eye(4)), PredictionOptions(flips=flips)).label_map.any()


def test_sure_outputs_are_finite():
    """The mean over flips may be so sure that its logarithm is infinite."""
    voxels = np.zeros((4, 16, 16), np.int16)
    voxels[2, 5, 5] = 100
    predictor = SlicePredictor(Nonsense(-1e30, 3), Preprocessing("axial", window=(0, 100)), CPU)
    predictor.predict(Volume(voxels, np.eye(4)), PredictionOptions(flips=True))
