"""Large volumes reach the worker in pieces, so that the application lives on between them."""

import os

import numpy as np
import pytest
from worker_at_work import a_worker_that_says as a_worker_that_says
from worker_at_work import all_pieces, finished, follow
from worker_at_work import nothing_is_left_in_shared_memory as nothing_is_left_in_shared_memory
from worker_at_work import spec as spec

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import ComputeOptions, PredictionOptions
from AttnSegLib.worker import client, messages, pieces, protocol
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.messages import Request

needs_fallocate = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves it unasked")


@pytest.fixture
def small_pieces(monkeypatch):
    """Of 1,000 bytes, one in a call: what is large otherwise takes many calls."""
    monkeypatch.setattr(client, "_AT_ONCE", 1)
    monkeypatch.setattr(pieces, "_PIECE", 1000)


@pytest.fixture
def scan():
    """24,000 bytes of voxels."""
    return Volume(np.random.default_rng(0).integers(0, 900, (12, 40, 25)).astype(np.int16), np.diag([1, 1, 4.0, 1]))


@pytest.fixture
def reserved(monkeypatch):
    """The bytes that were reserved in each call of the system."""
    sizes, reserve = [], os.posix_fallocate

    def noted(descriptor, start, size):
        reserve(descriptor, start, size)
        sizes.append(size)

    monkeypatch.setattr(os, "posix_fallocate", noted)
    return sizes


@pytest.fixture
def a_silent_worker(a_worker_that_says):
    return a_worker_that_says(*[b""] * 9)  # which hears nine orders, and answers none


def the_request(spec):
    return Request(spec, PredictionOptions(attention=("gate 0,0",)), ComputeOptions("cpu"))


@needs_fallocate
@pytest.mark.usefixtures("small_pieces")
def test_one_call_does_a_piece_and_not_the_rest(a_silent_worker, spec, scan, reserved):
    a_silent_worker.segment(scan, the_request(spec))
    assert reserved == [1000]
    a_silent_worker.poll()
    assert reserved == [1000, 1000]
    assert a_silent_worker.is_busy


@needs_fallocate
def test_what_is_small_is_on_its_way_at_once(a_silent_worker, spec, scan, reserved):
    a_silent_worker.segment(scan, the_request(spec))
    assert sum(reserved) == scan.voxels.nbytes * 5 // 2  # the voxels, a byte for each label, two for each coefficient
    assert a_silent_worker._order is None


@pytest.mark.slow
def test_in_pieces_the_worker_says_the_same(spec, scan, monkeypatch):
    painted = np.zeros(scan.voxels.shape, np.uint8)
    painted[:, :20] = 1
    options = PredictionOptions(attention=("gate 0,0",), painted={"gate 0,0": painted})
    worker = Worker()
    try:
        _, labels, maps = finished(worker, scan, Request(spec, options, ComputeOptions("cpu")))
        monkeypatch.setattr(client, "_AT_ONCE", 1)
        monkeypatch.setattr(pieces, "_PIECE", 1000)
        other = Volume(scan.voxels.copy(), scan.affine)
        _, labels_again, maps_again = finished(worker, other, Request(spec, options, ComputeOptions("cpu")))
        np.testing.assert_array_equal(labels_again, labels)
        np.testing.assert_array_equal(maps_again["gate 0,0"], maps["gate 0,0"])
    finally:
        worker.close()


@pytest.mark.parametrize("calls", [0, 10, 30, 40, 60])
@pytest.mark.usefixtures("small_pieces")
def test_cancel_between_two_pieces_leaves_nothing(a_silent_worker, spec, scan, calls):
    job = a_silent_worker.segment(scan, the_request(spec))
    for _ in range(calls):  # while the voxels are reserved, copied, and then memory for labels and map
        assert a_silent_worker.poll() == []
    assert a_silent_worker._order is not None
    a_silent_worker.cancel()
    assert a_silent_worker.poll() == [messages.JobCancelled(job.number)]
    assert not a_silent_worker.is_busy
    a_silent_worker.poll()
    a_silent_worker.segment(scan, the_request(spec))  # from the beginning


@pytest.mark.parametrize("calls", [0, 10, 30, 60])
@pytest.mark.usefixtures("small_pieces")
def test_close_between_two_pieces_leaves_nothing(a_silent_worker, spec, scan, calls):
    a_silent_worker.segment(scan, the_request(spec))
    for _ in range(calls):
        a_silent_worker.poll()
    a_silent_worker.close()
    assert not a_silent_worker.is_busy


@needs_fallocate
@pytest.mark.parametrize("fails_at", [2, 20, 30, 50])
@pytest.mark.usefixtures("small_pieces")
def test_memory_that_runs_out_later_is_a_failure(a_silent_worker, spec, scan, reserved, fails_at, monkeypatch):
    """In the middle of the voxels, of the label map, and of the map; neither shared memory nor a file has room."""
    reserve = os.posix_fallocate

    def failing(descriptor, start, size):
        if len(reserved) >= fails_at:
            raise OSError(28, "No space left on device")
        reserve(descriptor, start, size)

    monkeypatch.setattr(os, "posix_fallocate", failing)
    job = a_silent_worker.segment(scan, the_request(spec))
    (failed,) = follow(a_silent_worker)
    assert failed.job == job.number
    assert failed.sentence.startswith("There is not enough shared memory: 0 MB are needed at once")
    monkeypatch.setattr(os, "posix_fallocate", reserve)
    again = a_silent_worker.segment(scan, the_request(spec))
    while a_silent_worker._order is not None:
        assert a_silent_worker.poll() == []
    assert again.label_map.shape == scan.voxels.shape


@needs_fallocate
@pytest.mark.usefixtures("small_pieces")
def test_a_file_takes_the_place_when_shared_memory_runs_out_in_the_middle(reserved, monkeypatch):
    reserve = os.posix_fallocate

    def failing_once(descriptor, start, size):
        if len(reserved) == 3:
            reserved.append(0)
            raise OSError(28, "No space left on device")
        reserve(descriptor, start, size)

    monkeypatch.setattr(os, "posix_fallocate", failing_once)
    memory, array = all_pieces(protocol.create_block((4500,), np.uint8))
    assert protocol.is_in_file(protocol.describe_block(memory, array))
    assert reserved == [1000, 1000, 1000, 0, 1000, 1000, 1000, 1000, 500]
    del array
    memory.close()
    memory.unlink()


@pytest.mark.usefixtures("small_pieces")
def test_a_process_that_ends_between_two_pieces_is_told_of(a_silent_worker, spec, scan):
    a_silent_worker.segment(scan, the_request(spec))
    a_silent_worker._process._process.kill()
    assert "stopped by the system" in follow(a_silent_worker)[-1].sentence
    assert not a_silent_worker.is_busy


@pytest.mark.parametrize("calls", [0, 10])
@pytest.mark.usefixtures("small_pieces")
def test_what_nobody_expects_is_raised_and_leaves_no_job(a_silent_worker, spec, scan, calls, monkeypatch):
    if calls:
        a_silent_worker.segment(scan, the_request(spec))
        for _ in range(calls):
            a_silent_worker.poll()
    monkeypatch.setattr(client, "_AT_ONCE", 10**9)
    monkeypatch.setattr(protocol, "describe_block", None)
    with pytest.raises(TypeError):
        a_silent_worker.poll() if calls else a_silent_worker.segment(scan, the_request(spec))
    assert not a_silent_worker.is_busy
    assert a_silent_worker.poll() == []


def test_too_little_memory_at_the_start_refuses_the_job(a_silent_worker, spec, scan, monkeypatch):
    def no_memory(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(protocol, "_create", no_memory)
    with pytest.raises(InputError, match="not enough shared memory"):
        a_silent_worker.segment(scan, the_request(spec))
    assert not a_silent_worker.is_busy
