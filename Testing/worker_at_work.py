"""What tests ask of the worker, a real process, and that it leaves nothing behind."""

import json
import sys
import time
from pathlib import Path

import pytest

from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.worker import messages, protocol
from AttnSegLib.worker.client import Worker

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path("/dev/shm")
PATIENCE = 60  # s, for a loaded machine
HELLO = json.dumps(messages.message_to_json(messages.Hello(messages.VERSION))).encode() + b"\n"
needs_a_script = pytest.mark.skipif(sys.platform == "win32", reason="a script that stands for Python")


@pytest.fixture
def spec(a_model_folder):
    return load_card(a_model_folder / CARD)


@pytest.fixture(autouse=True)
def nothing_is_left_in_shared_memory(monkeypatch):
    """Of what was made here: other tests, and Slicer itself, may have memory of their own."""
    made = []

    def create(*arguments, **options):
        memory = make(*arguments, **options)
        made.append(memory.name)
        return memory

    make = protocol.shared_memory.SharedMemory
    monkeypatch.setattr(protocol.shared_memory, "SharedMemory", create)
    yield
    assert not SHARED.is_dir() or [name for name in made if (SHARED / name).exists()] == []


@pytest.fixture
def a_worker_that_says(tmp_path, monkeypatch):
    """A worker whose process says these bytes, waits for an order, and says the others."""
    monkeypatch.setattr("multiprocessing.set_executable", lambda _: None)
    workers = []

    def made(*parts):
        program = tmp_path / "python"
        program.write_text(
            f"#!{sys.executable} -S\nimport sys\nfor part in {list(parts)!r}:\n"
            "    sys.stdout.buffer.write(part)\n    sys.stdout.buffer.flush()\n    sys.stdin.buffer.readline()\n"
        )
        program.chmod(0o755)
        workers.append(Worker(str(program)))
        return workers[-1]

    yield made
    for worker in workers:
        worker.close()


def all_pieces(pieces):
    """What a function gives that works in pieces."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def follow(worker, until=None, seconds=PATIENCE):
    """All messages until the job has ended or `until` says so."""
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
    return isinstance(event, messages.SlicesDone)


def finished(worker, volume, request):
    """Run a job and return its result; its arrays are copied and let go."""
    job = worker.segment(volume, request)
    result = follow(worker)[-1]
    assert isinstance(result, messages.Result), result
    label_map, attention = job.label_map.copy(), {title: a.copy() for title, a in job.attention.items()}
    job.release()
    return result, label_map, attention


def failure(worker, volume, request):
    """Run a job that fails."""
    worker.segment(volume, request)
    failed = follow(worker)[-1]
    worker.poll()
    assert isinstance(failed, messages.JobFailed), failed
    return failed
