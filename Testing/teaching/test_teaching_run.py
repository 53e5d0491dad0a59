"""How far a teaching is, for whoever looks: its state, whether it lives, its curves, and the process itself."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made_up.balls import a_ball
from made_up.own_cases import AFFINE

from AttnSegLib.collections import teaching_process, teaching_run
from AttnSegLib.collections.begun import BEGUN, BegunRun, begun_with, keep_begun
from AttnSegLib.collections.cases import NewCase, add_case, replace_case, take_out
from AttnSegLib.collections.collection import open_collection
from AttnSegLib.collections.teaching_process import begin_suggesting, begin_teaching, last_words, read_suggestion
from AttnSegLib.collections.teaching_run import (
    CHECKPOINT,
    DONE,
    FAILED,
    LEARNING,
    METRICS,
    PAUSED,
    SUGGESTION,
    TeachingDiary,
    TeachingOrder,
    alone,
    discard,
    is_alive,
    pause,
    read_curve,
    read_state,
    run_folder,
)
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume

ORDER = TeachingOrder(10, "anunet", "eccamunet-hippocampus-mr", "cuda:1")


@pytest.fixture
def run(tmp_path):
    return tmp_path / "balls-training"


def test_what_is_noted_is_read_elsewhere(run):
    diary = TeachingDiary(run, ORDER)
    diary.note(LEARNING, spent=12.5, limit=600.0, words=("Network: ANU-Net.",))
    state = read_state(run)
    assert (state.stage, state.pid, state.order, state.spent) == (LEARNING, os.getpid(), ORDER, 12.5)
    diary.note(FAILED, sentence="It failed.")
    assert read_state(run).sentence == "It failed."
    assert read_state(run).words == ("Network: ANU-Net.",)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stage": "asleep"}', "[" * 10_000])
def test_a_damaged_state_is_none(run, text):
    TeachingDiary(run, ORDER).note(LEARNING)
    (run / "state.json").write_text(text)
    assert read_state(run) is None


def test_one_process_teaches_at_a_time(run, monkeypatch):
    monkeypatch.setattr(teaching_run, "_TRIES", 1)
    assert not is_alive(run)
    with alone(run):
        assert is_alive(run)
        with pytest.raises(InputError, match="Another process teaches.* Ctrl-C in the terminal.* Pause"), alone(run):
            pass
        with pytest.raises(InputError, match="pause that first"):
            discard(run)
    assert not is_alive(run)


def test_where_no_lock_can_be_had_is_one_sentence(run, monkeypatch):
    def no_lock(_file):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(teaching_run, "take_lock_anywhere", no_lock)
    with pytest.raises(InputError, match=r"can't be used \(Operation not supported\)"), alone(run):
        pass


def test_only_a_living_run_is_paused(run, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "kill", lambda *what: asked.append(what))
    TeachingDiary(run, ORDER).note(LEARNING)
    pause(run)
    assert asked == []  # its process is gone, and another one may have its number
    with alone(run):
        pause(run)
    assert asked == [(os.getpid(), signal.SIGTERM)]


def test_who_surveys_is_paused_and_not_who_has_the_number_of_the_run_before(run, monkeypatch):
    asked = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: 4711)
        TeachingDiary(run, ORDER).note(PAUSED)
    monkeypatch.setattr(os, "kill", lambda *what: asked.append(what))
    with alone(run):
        assert read_state(run).pid == 4711
        pause(run)
    assert asked == [(os.getpid(), signal.SIGKILL)]  # it has nothing to keep
    assert not (run / ".pid").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there, all signals end a process at once")
def test_who_surveys_and_hears_nothing_is_paused_at_once(run):
    code = (
        "import signal, sys, time; from pathlib import Path; from AttnSegLib.collections.teaching_run import alone\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"  # as while a large scan is read
        "with alone(Path(sys.argv[1])): time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(run)])
    while not is_alive(run):
        time.sleep(0.01)
    while not (run / ".pid").is_file():
        time.sleep(0.01)
    pause(run)
    assert process.wait(10) == -signal.SIGKILL
    assert not is_alive(run)


def test_a_full_disk_is_one_sentence_and_the_earlier_state_stays(run, monkeypatch):
    diary = TeachingDiary(run, ORDER)
    diary.note(LEARNING, spent=1.0)

    def full(_path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(teaching_run, "whole_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        diary.note(LEARNING, spent=2.0)
    assert read_state(run).spent == 1.0


def test_a_run_goes_on_with_its_own_cases_only(run, balls):
    folder = balls(3)
    before = open_collection(folder)
    keep_begun(run, BegunRun(before.cases, "m"))
    assert begun_with(run, before) == BegunRun(before.cases, "m")
    voxels, label_map = a_ball(7)
    new = NewCase(Volume(voxels, AFFINE), label_map)
    replace_case(folder, 2, new)
    take_out(folder, 3)
    add_case(folder, replace(new, volume=Volume(voxels + 1, AFFINE)))
    with pytest.raises(InputError, match=r"\(case_002 was replaced, case_003 was removed, case_004 was added\)"):
        begun_with(run, open_collection(folder))


def test_a_case_with_better_labels_is_another_one(run, balls):
    folder = balls(1)
    before = open_collection(folder)
    keep_begun(run, BegunRun(before.cases))
    volume, label_map = before.read(before.cases[0])
    label_map[label_map.nonzero()[0][:1]] = 0
    replace_case(folder, 1, NewCase(volume, label_map))
    with pytest.raises(InputError, match=r"\(case_001 was replaced\), .* press Cancel, then Teach, .* another --run"):
        begun_with(run, open_collection(folder))


@pytest.mark.parametrize("text", [None, "", "{}", "[" * 10_000])
def test_of_a_run_whose_cases_nobody_knows_is_one_sentence(run, balls, text):
    run.mkdir()
    if text is not None:
        (run / BEGUN).write_text(text)
    with pytest.raises(InputError, match="missing or damaged"):
        begun_with(run, open_collection(balls(1)))


def test_a_run_is_forgotten_with_its_curve(run):
    TeachingDiary(run, ORDER).note(LEARNING)
    (run / CHECKPOINT).touch()
    (run / METRICS).touch()
    discard(run)
    assert read_state(run) is None
    assert not (run / CHECKPOINT).exists()


def test_the_curve_counts_an_epoch_that_was_done_twice_once(run):
    assert read_curve(run).losses == ()
    run.mkdir()
    lines = [
        "epoch,step,loss,dice,skipped_steps,learning_rate,seconds",
        "0,25,2.0,,0,0.1,30.0",
        "1,50,1.5,0.2,0,0.1,30",
    ]
    (run / METRICS).write_text("\n".join([*lines, "1,50,1.4,0.3,0,0.1,60.0", "2,7"]))
    curve = read_curve(run)
    assert curve.minutes == (0.5, 1.5)
    assert curve.losses == (2.0, 1.4)
    assert (curve.scored, curve.dice) == ((1.5,), (0.3,))


def started(monkeypatch, begin, *arguments, **options):
    """The arguments that the process gets."""
    commands = []
    monkeypatch.setattr(teaching_process.subprocess, "Popen", lambda command, **_: commands.append(command))
    begin(sys.executable, *arguments, **options)
    return commands[0][3:]


def test_a_run_is_begun_and_gone_on_with_as_it_was_ordered(tmp_path, monkeypatch):
    folder, run = tmp_path / "balls", run_folder(tmp_path / "balls")
    new = started(monkeypatch, begin_teaching, folder, ORDER)
    assert new[:5] == [str(folder), "--run", str(run), "--time", "10m"]
    assert new[5:] == ["--accelerator", "cuda", "--workers", "0", "--from", "eccamunet-hippocampus-mr"]
    (run / CHECKPOINT).touch()
    assert started(monkeypatch, begin_teaching, folder, ORDER, resume=True)[-1] == "--resume"
    assert "--from" not in started(monkeypatch, begin_teaching, folder, ORDER, resume=True)  # the checkpoint has them
    every = started(monkeypatch, begin_teaching, folder, replace(ORDER, every_case=True), resume=True)
    assert every[-2:] == ["--score-every-case", "--resume"]
    plain = started(monkeypatch, begin_teaching, folder, TeachingOrder(0.5, "afnet"))
    assert plain[4:] == ["0.5m", "--accelerator", "auto", "--workers", "0", "--network", "afnet"]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script starts Python")
def test_who_starts_python_and_python_itself_are_ended(tmp_path):
    """Slicer's Python is a child of a program that only starts it."""
    starter = tmp_path / "PythonSlicer"
    child = tmp_path / "child"
    starter.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {child}\nwait\n")
    starter.chmod(0o755)
    process = begin_teaching(str(starter), tmp_path / "balls", ORDER)
    while not (child.is_file() and child.read_text().strip()):
        time.sleep(0.01)
    teaching_process.end_teaching(process)
    for _ in range(500):  # whoever adopts it buries it
        status = Path(f"/proc/{child.read_text().strip()}/status")
        if not status.is_file() or "State:\tZ" in status.read_text():
            break
        time.sleep(0.01)
    else:
        raise AssertionError("the child lives")
    assert process.returncode == -signal.SIGKILL
    teaching_process.end_teaching(process)  # which has ended


def test_a_process_that_can_not_be_started_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="can't be started"):
        begin_teaching(str(tmp_path / "no python"), tmp_path / "balls", ORDER)


def test_an_earlier_suggestion_does_not_count(tmp_path, monkeypatch):
    folder = tmp_path / "balls"
    assert read_suggestion(folder) is None
    run_folder(folder).mkdir()
    (run_folder(folder) / SUGGESTION).write_text('{"model": "m", "scans": [{"path": "/a.nrrd", "doubt": 0.5}]}')
    assert started(monkeypatch, begin_suggesting, folder, tmp_path, "m")[-1] == "--no-names"  # in the log
    assert read_suggestion(folder) is None


def test_the_last_line_of_the_log_tells_why(run):
    assert last_words(run) == ""
    run.mkdir()
    (run / teaching_run.LOG).write_text("begun\nError: There is no model 'x'.\n\n")
    assert last_words(run) == "There is no model 'x'."


@pytest.mark.slow
def test_a_run_that_was_killed_or_paused_goes_on_with_its_clock(balls, monkeypatch, tmp_path):
    """The real process, killed with no time to say anything; what was lost is less than an epoch of 25 steps."""
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "models"))
    folder = balls(2)
    run, order = run_folder(folder), TeachingOrder(0.1, "anunet", device="cpu")
    process = begin_teaching(sys.executable, folder, order)
    killed = wait_for(run, process, lambda state: state.stage == LEARNING and (run / CHECKPOINT).is_file())
    assert is_alive(run)
    process.kill()
    process.wait()
    assert not is_alive(run)
    assert read_state(run).stage == LEARNING  # nobody could say otherwise
    before = read_curve(run)
    process = begin_teaching(sys.executable, folder, order, resume=True)
    first = wait_for(run, process, lambda state: state.pid == process.pid and state.stage == LEARNING)
    assert first.spent >= killed.spent
    pause(run)
    assert process.wait(60) == 130
    paused = read_state(run)
    assert paused.stage == PAUSED
    process = begin_teaching(sys.executable, folder, order, resume=True)
    assert process.wait(300) == 0, last_words(run)
    done = read_state(run)
    assert (done.stage, done.model) == (DONE, "my-ball-anunet")
    assert done.spent >= paused.spent
    assert read_curve(run).losses[: len(before.losses) - 1] == before.losses[:-1]


def wait_for(run, process, reached):
    """The state of a run when it is so far."""
    while process.poll() is None:
        state = read_state(run)
        if state is not None and reached(state):
            return state
        time.sleep(0.02)
    raise AssertionError(last_words(run))
