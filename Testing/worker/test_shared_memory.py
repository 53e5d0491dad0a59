"""Shared memory that is not there: one sentence, and not the end of Slicer by a bus error."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from worker_at_work import all_pieces, finished, follow
from worker_at_work import nothing_is_left_in_shared_memory as nothing_is_left_in_shared_memory
from worker_at_work import spec as spec

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import ComputeOptions, PredictionOptions
from AttnSegLib.worker import protocol
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.messages import Request

needs_fallocate = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves it unasked")


@needs_fallocate
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="shared memory is no file")
def test_shared_memory_is_reserved_before_anybody_writes():
    memory, _ = all_pieces(protocol.create_block((3, 1000, 1000), np.int16))
    try:
        assert (Path("/dev/shm") / memory.name).stat().st_blocks * 512 >= 6_000_000
    finally:
        memory.close()
        memory.unlink()


@pytest.mark.slow
@needs_fallocate
@pytest.mark.parametrize(("fails_at", "needed"), [(1, 16), (3, 4), (4, 8)])
def test_too_little_shared_memory_is_a_sentence_and_the_next_run_works(spec, a_volume, monkeypatch, fails_at, needed):
    """For the voxels, which come in two pieces, the label map, or an attention map. Docker's default holds 64 MB."""
    reserve, calls = os.posix_fallocate, []

    def failing(descriptor, offset, size):
        calls.append(size)
        if len(calls) >= fails_at:  # neither in shared memory nor in a file
            raise OSError(28, "No space left on device")
        reserve(descriptor, offset, size)

    large = Volume(np.arange(4_000_000, dtype=np.int32).reshape(100, 200, 200), np.eye(4))
    request = Request(spec, PredictionOptions(attention=("gate 0,0",)), ComputeOptions("cpu"))
    worker = Worker()
    try:
        monkeypatch.setattr(os, "posix_fallocate", failing)
        with pytest.raises(InputError) as caught:
            worker.segment(large, request)
        assert str(caught.value) == (
            f"There is not enough shared memory: {needed} MB are needed at once; close other programs, or give the "
            "system more of it (Docker has 64 MB unless told otherwise: --shm-size=2g)."
        )
        assert not worker.is_busy
        monkeypatch.undo()
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        finished(worker, a_volume, Request(spec, compute=ComputeOptions("cpu")))
    finally:
        worker.close()


def no_shared_memory(**_options):
    raise OSError(24, "Too many open files")


@pytest.mark.slow
@needs_fallocate
def test_files_take_the_place_of_shared_memory_with_a_notice(spec, a_volume, monkeypatch, tmp_path):
    """In a container that was started without more of it."""
    request = Request(spec, PredictionOptions(attention=("gate 0,0",)), ComputeOptions("cpu"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    worker = Worker()
    try:
        _, expected, _ = finished(worker, a_volume, request)
        other = Volume(a_volume.voxels.copy(), a_volume.affine)
        monkeypatch.setattr(protocol.shared_memory, "SharedMemory", no_shared_memory)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "files"))
        (tmp_path / "files").mkdir()
        job = worker.segment(other, request)
        assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "files").iterdir())
        told = follow(worker)
        assert told[0].sentence == (
            "There is not enough shared memory (Docker has 64 MB unless told otherwise: --shm-size=2g); files in "
            f"'{tmp_path / 'files'}' take its place during this run."
        )
        np.testing.assert_array_equal(job.label_map, expected)
        assert list((tmp_path / "files").iterdir()) == []
        job.release()
    finally:
        worker.close()


def test_no_shared_memory_at_all_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(protocol.shared_memory, "SharedMemory", no_shared_memory)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    with pytest.raises(InputError, match="not enough shared memory: 1 MB"):
        all_pieces(protocol.create_block((1_000_000,), np.uint8))
