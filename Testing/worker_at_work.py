"""What tests ask of the worker, a real process, and that it leaves nothing behind."""

import time
from pathlib import Path

import pytest

from AttnSegLib.models.catalog import CARD, load_card
from AttnSegLib.worker import events

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path("/dev/shm")
PATIENCE = 60  # s, for a loaded machine


@pytest.fixture
def spec(a_model_folder):
    return load_card(a_model_folder / CARD)


@pytest.fixture(autouse=True)
def nothing_is_left_in_shared_memory():
    before = set(SHARED.glob("psm_*")) if SHARED.is_dir() else set()
    yield
    assert not SHARED.is_dir() or set(SHARED.glob("psm_*")) <= before


def follow(worker, until=None, seconds=PATIENCE):
    """All events until the job has ended or `until` says so."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        new = worker.poll()
        found += new
        if until is not None and any(until(event) for event in new):
            return found
        if until is None and not worker.is_busy:
            return found
        time.sleep(0.002)
    raise AssertionError(f"the worker did not end; it said {found}")


def is_slices(event):
    return isinstance(event, events.SlicesDone)


def finished(worker, volume, request):
    """Run a job and return its result; its arrays are copied and let go."""
    job = worker.segment(volume, request)
    result = follow(worker)[-1]
    assert isinstance(result, events.Result), result
    label_map, attention = job.label_map.copy(), {title: a.copy() for title, a in job.attention.items()}
    job.release()
    return result, label_map, attention


def failure(worker, volume, request):
    """Run a job that fails."""
    worker.segment(volume, request)
    failed = follow(worker)[-1]
    worker.poll()
    assert isinstance(failed, events.JobFailed), failed
    return failed
