"""Batches side by side on a CPU say what they say one after the other, in the same order, and leave nothing behind."""

import itertools
import os
import threading

import numpy as np
import pytest
import torch
from torch import nn

from AttnSegLib import networks
from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.cpu_lanes import lanes
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.output import SegmentationOutput

THREADS, SLICES = 3, 24
SCALE = Preprocessing("axial", window=(0, 100), multiple=16)


@pytest.fixture(autouse=True)
def _three_threads(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def a_volume():
    voxels = np.random.default_rng(0).integers(0, 100, (SLICES, 32, 32)).astype(np.int16)
    return Volume(voxels, np.eye(4))


class Threshold(nn.Module):
    """Foreground where the intensity exceeds 0.5; its attention is the slice itself. Notes in which threads it runs,
    and how many of torch's each of them has."""

    def __init__(self):
        super().__init__()
        self.map = AttentionMap("slice")
        self.shares = {}
        self.begun = []

    def forward(self, x):
        name = threading.current_thread().name
        self.shares[name] = torch.get_num_threads()
        self.begun.append(name)
        self.at_work(name)
        self.map(x.clone())
        return SegmentationOutput(x - 0.5)

    def at_work(self, name):
        pass


def predictor(network, batch_size=THREADS):
    return SlicePredictor(network, SCALE, Compute("cpu", batch_size))


class Follower:
    """Writes down which slices are done, in their order."""

    def __init__(self):
        self.order, self.done = [], []

    def finished(self, stored_indices, done, _total):
        self.order += stored_indices
        self.done.append(done)

    def cancelled(self):
        return False


def threads_of_a_new_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def assert_nothing_is_left():
    assert torch.get_num_threads() == threads_of_a_new_thread() == THREADS
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane")]


def test_a_network_says_the_same_side_by_side(a_volume):
    torch.manual_seed(0)
    network = networks.create("anunet", width=4).eval()
    with torch.no_grad():
        network.heads["4"].bias -= network(torch.rand(1, 1, 32, 32)).logits.median()
    title = "gate 0,0"
    alone, beside = (
        SlicePredictor(network, SCALE, Compute("cpu", size, "float32")).predict(
            a_volume, PredictionOptions(attention=(title,), probabilities=True)
        )
        for size in (1, THREADS)
    )
    np.testing.assert_array_equal(beside.label_map, alone.label_map)
    assert 0.1 < alone.label_map.mean() < 0.9
    assert alone.attention[title].std() > 0.001
    np.testing.assert_allclose(beside.attention[title], alone.attention[title], atol=2e-3)
    np.testing.assert_allclose(beside.probabilities[1], alone.probabilities[1], atol=2e-3)
    assert beside.expected_error == pytest.approx(alone.expected_error, abs=1e-4)


def test_each_lane_has_its_share_of_the_threads(a_volume):
    def in_both(barrier):
        barrier.wait(timeout=60)
        return torch.get_num_threads()

    with lanes(2) as pool:
        assert sorted(pool.map(in_both, [threading.Barrier(2)] * 2)) == [1, 2]
    found = predictor(Threshold())
    found.predict(a_volume)
    assert all(name.startswith("lane") and share == 1 for name, share in found.network.shares.items())
    assert_nothing_is_left()


def test_slices_come_in_the_order_of_the_plan_each_with_its_own_map(a_volume):
    class LatecomersFirst(Threshold):
        """The first lane is slower than the others."""

        def at_work(self, name):
            if name.endswith("0"):
                threading.Event().wait(0.02)

    watch = Follower()
    options = PredictionOptions(attention=("slice",), start=9)
    prediction = predictor(LatecomersFirst()).predict(a_volume, options, watch)
    distances = [abs(index - 9) for index in watch.order]
    assert distances == sorted(distances)
    assert watch.done == list(range(1, SLICES + 1))
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)
    np.testing.assert_allclose(prediction.attention["slice"], a_volume.voxels / 100, atol=1e-3)


def test_a_single_slice_gets_all_threads(a_volume):
    found = predictor(Threshold())
    found.predict(a_volume, PredictionOptions(query=(3, 4, 5)))
    assert found.network.shares == {threading.current_thread().name: THREADS}


def test_a_cancel_comes_through_while_all_lanes_are_busy(a_volume):
    class Waiting(Threshold):
        go_on = threading.Event()

        def at_work(self, _name):
            assert self.go_on.wait(timeout=60)

    class Impatient(Follower):
        """Cancels as soon as every lane has begun."""

        def cancelled(self):
            wanted = len(found.network.begun) == THREADS
            if wanted:
                threading.Timer(0.5, Waiting.go_on.set).start()
            return wanted

    watch, found = Impatient(), predictor(Waiting())
    with pytest.raises(Cancelled):
        found.predict(a_volume, watch=watch)
    assert watch.done == []
    assert len(found.network.begun) == THREADS  # what waited for a lane was not begun
    assert_nothing_is_left()


def test_an_error_in_a_lane_is_told_as_it_is(a_volume):
    class Stumbles(Threshold):
        def at_work(self, _name):
            raise ZeroDivisionError("in a lane")

    with pytest.raises(ZeroDivisionError, match="in a lane"):
        predictor(Stumbles()).predict(a_volume)
    assert_nothing_is_left()


def test_an_error_of_whoever_follows_ends_the_lanes(a_volume):
    class Falls(Follower):
        def finished(self, _stored_indices, _done, _total):
            raise ZeroDivisionError("not in a lane")

    with pytest.raises(ZeroDivisionError) as caught:
        predictor(Threshold()).predict(a_volume, watch=Falls())
    assert_nothing_is_left()
    assert "not in a lane" in str(caught.value)


class NoRoomBeside(Threshold):
    """Has memory for one slice only, and for none once `room` is False."""

    room = True

    def at_work(self, name):
        if name.startswith("lane") or not self.room:
            raise torch.OutOfMemoryError("too much")


def test_lanes_give_way_when_memory_runs_out(a_volume):
    found, watch = predictor(NoRoomBeside(), batch_size=6), Follower()
    prediction = found.predict(a_volume, watch=watch)
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)
    assert [notice.split("went on with ")[1] for notice in prediction.notices] == [
        "3 slice(s) at once.",
        "1 slice(s) at once.",
    ]
    assert sorted(watch.order) == list(range(SLICES))
    assert found.predict(a_volume).notices == ()  # it has learnt
    found.network.room = False
    with pytest.raises(InputError, match="not enough memory for a single slice"):
        found.predict(a_volume)
    assert_nothing_is_left()


def test_memory_that_runs_out_midway_costs_no_slice(a_volume):
    numbers = itertools.count()

    class Later(Threshold):
        def at_work(self, _name):
            if next(numbers) == 10:
                raise torch.OutOfMemoryError("too much")

    watch = Follower()
    prediction = predictor(Later()).predict(a_volume, watch=watch)
    np.testing.assert_array_equal(prediction.label_map, a_volume.voxels > 50)
    assert watch.order == list(range(SLICES))
    assert len(prediction.notices) == 1


def test_flips_are_averaged_in_lanes_too(a_volume):
    found = SlicePredictor(Threshold(), SCALE, Compute("cpu"), Traits(bytes_per_pixel=1.0))
    flipped = found.predict(a_volume, PredictionOptions(flips=True)).label_map
    assert all(name.startswith("lane") for name in found.network.begun)
    np.testing.assert_array_equal(flipped, a_volume.voxels > 50)
