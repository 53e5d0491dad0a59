"""A worker that hangs: told after a while, ended in the end, and never mistaken for one that only works long."""

import pytest
from worker_at_work import HELLO, follow, needs_a_script
from worker_at_work import a_worker_that_says as a_worker_that_says
from worker_at_work import nothing_is_left_in_shared_memory as nothing_is_left_in_shared_memory

from AttnSegLib.models.catalog import find_model
from AttnSegLib.worker import messages, silence
from AttnSegLib.worker.messages import Request
from AttnSegLib.worker.silence import LOST, STUCK, UNEASY, Silence

SPEC = find_model("anunet-left_atrium-mr")


def told(seconds, *, beats=False, steps=False, apart=0.5):
    """What is told when, looking so often; the time is made up."""
    quiet, found, now, signs = Silence(), {}, 0.0, 0
    while now <= seconds and not quiet.is_lost:
        signs += beats
        if sentence := quiet.look(now, signs, has_step=steps and beats):
            found[now] = sentence
        now += apart
    return found, now - apart if quiet.is_lost else None


def test_a_process_without_a_sign_of_life_is_told_once_and_then_lost():
    found, lost = told(2 * LOST)
    assert list(found) == [UNEASY]
    assert "no sign of life for 30 s" in found[UNEASY]
    assert lost == LOST


def test_one_that_beats_but_gets_no_further_is_told_once_and_never_lost():
    found, lost = told(3 * STUCK, beats=True)
    assert list(found) == [STUCK]
    assert "has not got any further for 5 minutes" in found[STUCK]
    assert lost is None


def test_one_that_gets_on_is_left_alone():
    assert told(3 * STUCK, beats=True, steps=True) == ({}, None)


def test_a_night_of_sleep_is_no_silence():
    """Nobody looked meanwhile, and the process had no chance to say anything either."""
    quiet = Silence()
    assert [quiet.look(now, 1, has_step=False) for now in (0.0, 30_000.0, 60_000.0)] == ["", "", ""]
    assert not quiet.is_lost


@needs_a_script
@pytest.mark.parametrize("says", [b"", HELLO], ids=["from the start", "later"])
def test_a_process_that_hangs_is_told_and_ended(a_worker_that_says, a_volume, monkeypatch, says):
    """As one that was stopped, or waits for a driver; with less patience."""
    monkeypatch.setattr(silence, "UNEASY", 1e-4)
    monkeypatch.setattr(silence, "LOST", 1e-2)
    worker = a_worker_that_says(says, b"")
    job = worker.segment(a_volume, Request(SPEC))
    process = worker._process
    *before, failed = follow(worker)
    assert [type(message) for message in before] == [messages.Notice]
    assert (failed.job, failed.sentence) == (job.number, silence.HUNG)
    assert process.has_ended
    worker.poll()
    assert not worker.is_busy
