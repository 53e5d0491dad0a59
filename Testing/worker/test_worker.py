"""The worker: a real process, tiny models, and everything that can go wrong with it."""

import os
import signal
import threading
import time
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from worker_at_work import PATIENCE, failure, finished, follow, is_slices
from worker_at_work import nothing_is_left_in_shared_memory as nothing_is_left_in_shared_memory
from worker_at_work import spec as spec

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import ComputeOptions, PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from AttnSegLib.networks.replacement import Replacement
from AttnSegLib.results import metrics
from AttnSegLib.worker import blocking, messages
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.messages import Request

CPU = ComputeOptions("cpu")


@pytest.fixture(scope="module")
def warm():
    """One process for all tests that leave it alive."""
    worker = Worker()
    yield worker
    worker.close()


A_MASK = np.random.default_rng(0).integers(0, 2, (5, 4, 3), np.uint8)


@pytest.fixture
def large():
    """Many slices, so that a run lasts; 24 x 64 x 64 x 3 batches of the shipped model take about two seconds."""
    voxels = np.random.default_rng(0).integers(0, 900, (160, 128, 128)).astype(np.int16)
    return Volume(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))


@pytest.mark.parametrize(
    "options",
    [
        PredictionOptions(),
        PredictionOptions(attention=("gate 0,0", "gate 1,0"), flips=True),
        PredictionOptions(region=Region((1, 0, 1), (4, 3, 3)), start=3),
        PredictionOptions(probabilities=True, query=(2, 1, 1)),
        PredictionOptions(replaced=(Replacement("gate 0,0"),)),
        PredictionOptions(replaced=(Replacement("gate 1,0", "erased"),), painted={"gate 1,0": np.ones((5, 4, 3))}),
        *(
            PredictionOptions(
                region=region, replaced=(Replacement("gate 0,0", "erased"),), painted={"gate 0,0": A_MASK}
            )
            for region in (Region((1, 0, 0), (2, 4, 3)), Region((0, 2, 0), (5, 3, 3)), Region((0, 0, 1), (5, 4, 2)))
        ),
    ],
)
def test_says_the_same_as_the_predictor_itself(warm, spec, a_volume, options):
    expected = SlicePredictor.from_model(spec, Compute("cpu")).predict(a_volume, options)
    result, label_map, attention = finished(warm, a_volume, Request(spec, options, compute=CPU))
    np.testing.assert_array_equal(label_map, expected.label_map)
    assert set(attention) == set(options.attention)
    for title, coefficients in attention.items():
        np.testing.assert_array_equal(coefficients, expected.attention[title])
    assert result.measures[0].volume_ml == pytest.approx(expected.label_map.sum() * a_volume.voxel_volume, abs=1e-3)
    assert result.device.startswith("cpu")
    assert result.notices == expected.notices
    assert result.expected_error == pytest.approx(expected.expected_error)


@pytest.mark.slow
def test_a_program_that_waits_gets_the_predictors_own_answer(spec, a_volume):
    options = PredictionOptions(attention=("gate 0,0",), probabilities=True)
    expected = SlicePredictor.from_model(spec, Compute("cpu")).predict(a_volume, options)
    found = blocking.predict(a_volume, Request(spec, options, CPU))
    assert found.stack.volume is a_volume
    assert found.stack.preprocessing == expected.stack.preprocessing
    np.testing.assert_array_equal(found.label_map, expected.label_map)
    for name in ("attention", "probabilities"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert list(ours) == list(theirs) != []
        for key, values in theirs.items():
            np.testing.assert_array_equal(ours[key], values)
    assert found.expected_error == pytest.approx(expected.expected_error)
    assert (found.device, found.notices) == (expected.device, expected.notices)
    assert found.numbers == expected.numbers
    compared = {"stack", "label_map", "attention", "probabilities", "expected_error", "device", "notices", "numbers"}
    assert {one.name for one in fields(found)} == compared | {"seconds"}  # so that no field gets lost on the way


def test_a_card_that_changed_under_the_same_weights_counts(warm, spec):
    """A warm worker must not go on with the old preprocessing, nor with anything else of the old card."""
    voxels = np.random.default_rng(0).integers(0, 50, (3, 32, 32)).astype(np.int16)
    voxels[:, 4:9, 4:9] = voxels[:, 20:28, 20:28] = 900  # two parts, of which one is the largest
    volume = Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]))
    before = finished(warm, volume, Request(spec, compute=CPU))[1].copy()
    darker = replace(spec.preprocessing, percentiles=(0.0, 20.0))
    for changed in (replace(spec, preprocessing=darker), replace(spec, largest_component=True)):
        expected = SlicePredictor.from_model(changed, Compute("cpu")).predict(volume).label_map
        assert (expected != before).any()
        np.testing.assert_array_equal(finished(warm, volume, Request(changed, compute=CPU))[1], expected)


def test_finished_slices_come_nearest_first_and_can_be_read_at_once(warm, large):
    spec = find_model("anunet-left_atrium-mr")
    job = warm.segment(large, Request(spec, PredictionOptions(start=100), compute=CPU, level=1))
    order, seen = [], {}
    while warm.is_busy:
        for event in filter(is_slices, warm.poll()):
            order += event.indices
            seen.update({index: job.label_map[..., index].copy() for index in event.indices})
        time.sleep(0.002)
    distances = [abs(index - 100) for index in order]
    assert distances == sorted(distances)
    assert sorted(order) == sorted(seen) == list(range(128))
    for index, labels in seen.items():
        assert labels.shape == (160, 128)
        assert job.label_map[..., index].any() <= labels.any()  # afterwards it may only have lost small parts
    job.release()


def test_the_same_volume_is_copied_once_and_the_model_stays_loaded(warm, spec, a_volume):
    finished(warm, a_volume, Request(spec, compute=CPU))
    block = warm._voxels.block.name
    spec.weights_path.unlink()  # nobody reads them again
    _, label_map, _ = finished(warm, a_volume, Request(spec, compute=CPU))
    assert warm._voxels.block.name == block
    other = Volume(a_volume.voxels[::-1].copy(), a_volume.affine)
    _, reversed_map, _ = finished(warm, other, Request(spec, compute=CPU))
    assert warm._voxels.block.name != block
    assert reversed_map.shape == label_map.shape


def test_cancel_is_soon_and_the_worker_goes_on(warm, large, spec, a_volume):
    job = warm.segment(large, Request(find_model("anunet-left_atrium-mr"), compute=CPU))
    found = follow(warm, is_slices)
    warm.cancel()
    found += follow(warm)
    done = [event.done for event in found if is_slices(event)]
    assert done[-1] < len(large.voxels)
    assert isinstance(found[-1], messages.JobCancelled)
    assert found[-1].job == job.number
    finished(warm, a_volume, Request(spec, compute=CPU))


@pytest.mark.slow
def test_a_process_that_does_not_stop_is_ended(spec, a_volume, large):
    worker = Worker()
    try:
        finished(worker, a_volume, Request(spec, compute=CPU))
        worker.segment(large, Request(find_model("anunet-left_atrium-mr"), compute=CPU))
        follow(worker, is_slices)
        os.kill(worker._process._process.pid, signal.SIGSTOP)  # it can't even listen
        worker.cancel()
        assert worker._cancel_until - time.monotonic() < 1
        assert isinstance(follow(worker)[-1], messages.JobCancelled)
        finished(worker, a_volume, Request(spec, compute=CPU))
    finally:
        worker.close()


@pytest.mark.slow
def test_a_killed_process_is_told_of_and_replaced(spec, a_volume, large):
    worker = Worker()
    try:
        worker.segment(large, Request(find_model("anunet-left_atrium-mr"), compute=CPU))
        follow(worker, is_slices)
        os.kill(worker._process._process.pid, signal.SIGKILL)
        failed = follow(worker)[-1]
        assert "stopped by the system, most likely because memory ran out" in failed.sentence
        finished(worker, a_volume, Request(spec, compute=CPU))
        worker._process._process.kill()  # and between two jobs
        worker._process._process.wait()
        finished(worker, a_volume, Request(spec, compute=CPU))
    finally:
        worker.close()


@pytest.mark.slow
def test_closing_in_the_middle_lets_everything_go(large):
    worker = Worker()
    worker.segment(large, Request(find_model("anunet-left_atrium-mr"), compute=CPU))
    worker.close()
    worker.segment(large, Request(find_model("anunet-left_atrium-mr"), compute=CPU))
    follow(worker, is_slices)
    process = worker._process._process
    worker.close()
    assert process.poll() is not None
    assert not worker.is_busy


def test_no_helper_of_python_ever_starts_the_application_again(monkeypatch):
    chosen = []
    monkeypatch.setattr("multiprocessing.set_executable", chosen.append)
    Worker("/slicer/bin/PythonSlicer")
    assert chosen == ["/slicer/bin/PythonSlicer"]


def test_one_job_at_a_time(warm, spec, a_volume):
    job = warm.segment(a_volume, Request(spec, compute=CPU))
    with pytest.raises(InputError, match="running already"):
        warm.segment(a_volume, Request(spec, compute=CPU))
    follow(warm)
    job.release()


@pytest.mark.slow
def test_polling_never_waits(spec, a_volume):
    """Not for a process that says nothing: any wait in one of so many polls would take them all beyond patience."""
    worker = Worker()
    try:
        worker.segment(a_volume, Request(spec, compute=CPU))
        os.kill(worker._process._process.pid, signal.SIGSTOP)
        polls = threading.Thread(target=lambda: [worker.poll() for _ in range(10_000)], daemon=True)
        polls.start()
        polls.join(timeout=PATIENCE)
        assert not polls.is_alive()
        assert worker.is_busy
    finally:
        worker.close()


# what is wrong is told in a sentence, and the worker stays usable


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"compute": ComputeOptions("abacus")}, "The device 'abacus' is not usable here"),
        ({"level": 7}, "can't be pruned"),
        ({"options": PredictionOptions(attention=("gate 9,9",))}, "no attention map 'gate 9,9'"),
        ({"options": PredictionOptions(region=Region((0, 0, 0), (99, 1, 1)))}, "leaves the volume"),
    ],
)
def test_bad_requests_fail_with_their_sentence(warm, spec, a_volume, change, sentence):
    failed = failure(warm, a_volume, Request(**{"spec": spec, "compute": CPU} | change))
    assert sentence in failed.sentence or "level 1, 2, 3 or 4" in failed.sentence
    assert "\n" not in failed.sentence
    finished(warm, a_volume, Request(spec, compute=CPU))


def test_damaged_weights(warm, spec, a_volume):
    content = bytearray(spec.weights_path.read_bytes())
    content[-1] ^= 1
    spec.weights_path.write_bytes(content)
    assert "damaged" in failure(warm, a_volume, Request(spec, compute=CPU)).sentence


def test_an_interpreter_that_is_not_there(spec, a_volume, monkeypatch):
    monkeypatch.setattr("multiprocessing.set_executable", lambda _: None)
    with pytest.raises(InputError, match="can't be started"):
        Worker("/nowhere/python").segment(a_volume, Request(spec))


# the other things it does


def test_comparing_two_masks(warm):
    rng = np.random.default_rng(0)
    reference, prediction = rng.random((2, 6, 7, 8)) > 0.6
    warm.compare(reference, prediction, (1.0, 2.0, 3.0))
    (compared,) = [event for event in follow(warm) if isinstance(event, messages.Compared)]
    assert compared.scores == pytest.approx(metrics.compare_masks(reference, prediction, (1.0, 2.0, 3.0)).as_dict())
    warm.poll()


def test_checking_the_installation(warm):
    warm.check()
    checked = follow(warm)[-1]
    assert {"torch", "CPU", "models"} <= {finding.name for finding in checked.findings}


@pytest.mark.slow
def test_a_cuda_card_is_announced(warm, spec, a_volume):
    if not torch.cuda.is_available():
        worker = Worker()
        try:
            worker.segment(a_volume, Request(spec, compute=CPU))
            (ready,) = [event for event in follow(worker) if isinstance(event, messages.Ready)]
            assert all(name != "cpu" for name, _, _ in ready.devices)
        finally:
            worker.close()
        return
    result, _, _ = finished(warm, a_volume, Request(spec, compute=ComputeOptions("cuda:0")))
    assert result.device.startswith("cuda:0")
