"""What the commands that train have in common: bad numbers, SIGTERM, and the command that comes next."""

import os
import shlex
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
from made_up.balls import RECIPE, write_task

from training import compare, cross_validate, reproduce, train
from training.learning import scored_run
from training.learning.command_line import exit_code_of, next_command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def given(a_recipe, tmp_path):
    """The arguments of each command, for a made-up data set."""
    a_recipe.write_text(RECIPE.replace('select = "best"', 'select = "last"'))
    root = write_task(tmp_path / "task", count=10)
    run = ["--root", str(root), "--out", str(tmp_path / "out"), "--accelerator", "cpu"]
    table = ["ec-cam-unet", "table4", "--dataset", "heart", "--budget", "tiny", "--row", "BCE"]
    return {train: [str(a_recipe), *run], compare: [str(a_recipe), *run], cross_validate: [str(a_recipe), *run],
            reproduce: [*table, *run]}  # fmt: skip


SAID = {
    "--workers": "There can't be -1 workers",
    "--seed": "seed is -1; it must be at least 0",
    "--epochs": "epochs is -1; it must be at least 1",
}


@pytest.mark.parametrize(
    ("command", "option"),
    [*product([train, compare, cross_validate], SAID), (reproduce, "--workers")],  # it takes the others from the paper
)
def test_numbers_that_make_no_sense_are_one_sentence(command, option, given, tmp_path, capsys):
    assert command.main([*given[command], option, "-1"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert SAID[option] in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [compare, cross_validate, reproduce])
def test_sigterm_ends_in_a_sentence(command, given, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(scored_run, "train", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert command.main(given[command]) == 130
    said = "Interrupted; the same command goes on: only an epoch or a score that was not finished is done again.\n"
    assert capsys.readouterr().err.endswith(said)
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_is_heard_once():
    """Clusters may send it again while files are closed."""
    closed = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            closed.append(True)

    assert exit_code_of(work) == 130
    assert closed


@pytest.mark.slow
def test_sigterm_while_a_comparison_trains(given, tmp_path):
    command = [sys.executable, "-m", "training.compare", *given[compare], "--row", "ANU-Net", "--epochs", "500"]
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("out/*/seed-0/last.ckpt")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 130
    assert "Interrupted; the same command goes on" in said
    assert "Traceback" not in said


def test_the_next_command_is_by_the_python_that_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    command = next_command("training.export", Path("run/last.ckpt"), "--root", "my scans")
    assert command == ".venv/bin/python -m training.export run/last.ckpt --root 'my scans'"
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert shlex.split(next_command("training.export"))[0] == "/usr/bin/python3"
