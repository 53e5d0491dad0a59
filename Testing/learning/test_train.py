"""The training loop: a run from data to checkpoint, killed and resumed, on two processes, and what goes wrong."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from made_up.balls import RECIPE

from training.learning.recipe import read_checkpoint

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def command(recipe, root, out, *more):
    return [sys.executable, "-m", "training.train", str(recipe), "--root", str(root), "--out", str(out), *more]


def environment():
    return dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))


def run(*arguments):
    """In a process of its own: a run must be killed, and Lightning warns a lot."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)


def last_row(log, column):
    with log.open(newline="") as file:
        return float([row[column] for row in csv.DictReader(file) if row[column]][-1])


@pytest.fixture(scope="module")
def whole_run(a_decathlon_task, tmp_path_factory):
    """A run of two epochs that nothing interrupted, with two workers."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    result = run(recipe, a_decathlon_task, folder / "run", "--workers", "2")
    assert result.returncode == 0, result.stderr
    for idle in ("available", "Tip", "Warning", "stopped"):
        assert idle not in result.stderr
    return folder / "run"


def test_a_run_leaves_checkpoints_and_logs(whole_run):
    assert {"best.ckpt", "last.ckpt", "metrics.csv", "tensorboard"} <= {path.name for path in whole_run.iterdir()}
    assert list((whole_run / "tensorboard").glob("events*"))
    assert 0 <= last_row(whole_run / "metrics.csv", "dice") <= 1
    assert last_row(whole_run / "metrics.csv", "skipped_steps") == 0
    kept = read_checkpoint(whole_run / "last.ckpt")["hyper_parameters"]
    assert kept["cases"] == {"training": ["case_0", "case_1"], "validation": ["case_2"], "test": ["case_3"]}
    assert kept["recipe"]["optimisation"]["learning_rate"] == 1e-2


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(whole_run, a_decathlon_task, a_recipe, tmp_path):
    out = tmp_path / "run"
    with subprocess.Popen(
        command(a_recipe, a_decathlon_task, out, "--workers", "2"), cwd=ROOT, env=environment(), stderr=subprocess.PIPE
    ) as process:
        while not (out / "last.ckpt").is_file():  # the first epoch is over, the second begins
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    before = read_checkpoint(out / "last.ckpt")
    assert before["epoch"] == 0
    result = run(a_recipe, a_decathlon_task, out, "--workers", "2", "--resume")
    assert result.returncode == 0, result.stderr
    resumed, whole = (read_checkpoint(folder / "last.ckpt") for folder in (out, whole_run))
    assert resumed["epoch"] == whole["epoch"] == 1
    assert resumed["global_step"] == whole["global_step"]
    for part in ("state_dict", "current_model_state"):
        for name, tensor in whole[part].items():
            torch.testing.assert_close(resumed[part][name], tensor, rtol=0, atol=0)
    with (out / "metrics.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    moved = [
        name for name in whole["state_dict"] if not torch.equal(before["state_dict"][name], whole["state_dict"][name])
    ]
    assert moved  # there was something to go on with


def test_a_run_that_is_over_stays_as_it_is(whole_run, a_decathlon_task, a_recipe, tmp_path):
    out = shutil.copytree(whole_run, tmp_path / "run")
    again = run(a_recipe, a_decathlon_task, out, "--resume")
    assert again.returncode == 0, again.stderr
    for name in ("last.ckpt", "best.ckpt", "metrics.csv"):
        assert (out / name).read_bytes() == (whole_run / name).read_bytes()


def test_a_run_does_not_go_on_with_other_cases(whole_run, a_decathlon_task, a_recipe, tmp_path):
    out, root = tmp_path / "run", tmp_path / "task"
    shutil.copytree(whole_run, out)
    shutil.copytree(a_decathlon_task, root)
    for folder in ("imagesTr", "labelsTr"):
        (root / folder / "case_1.nii.gz").unlink()
    again = run(a_recipe, root, out, "--resume")
    assert again.returncode == 2
    assert "'case_1' came or went" in again.stderr


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(interrupt, a_decathlon_task, a_recipe, tmp_path):
    a_recipe.write_text(RECIPE.replace("epochs = 2", "epochs = 500"))
    arguments = command(a_recipe, a_decathlon_task, tmp_path / "run", "--workers", "1")
    with subprocess.Popen(
        arguments, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not (tmp_path / "run" / "last.ckpt").is_file():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        os.killpg(process.pid, interrupt)  # as Ctrl-C and clusters do: workers get it, too
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "with --resume goes on" in said
    assert "Traceback" not in said


def test_what_is_in_the_folder_of_a_run_is_never_overwritten(whole_run, a_decathlon_task, a_recipe):
    before = (whole_run / "last.ckpt").read_bytes()
    again = run(a_recipe, a_decathlon_task, whole_run)
    assert (again.returncode, "--resume" in again.stderr) == (2, True)
    a_recipe.write_text(RECIPE.replace("1e-2", "1e-3"))
    other = run(a_recipe, a_decathlon_task, whole_run, "--resume")
    assert other.returncode == 2
    assert "another recipe (optimisation.learning_rate: 0.01 there, 0.001 here)" in other.stderr
    assert (whole_run / "last.ckpt").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "precision"),
    [
        (["--accelerator", "abacus"], "32-true"),
        (["--accelerator", "cpu"], "33-true"),
        (["--accelerator", "cpu", "--devices", "many"], "32-true"),
    ],
)
def test_what_lightning_cannot_do_is_one_sentence(more, precision, a_decathlon_task, a_recipe, tmp_path):
    a_recipe.write_text(RECIPE.replace("epochs = 2", f'epochs = 2\nprecision = "{precision}"'))
    result = run(a_recipe, a_decathlon_task, tmp_path / "run", *more)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: The run can't be set up: ")
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def a_recipe_for_an_uneven_share(tmp_path_factory):
    """Trains on one case for long enough to find something, and validates on three, an odd number for two processes."""
    text = RECIPE.replace('["case_2"]', '["case_1", "case_2", "case_3"]').replace('test = ["case_3"]', "")
    path = tmp_path_factory.mktemp("uneven") / "recipe.toml"
    path.write_text(text.replace("epochs = 2", "epochs = 40").replace("validate_every = 1", "validate_every = 40"))
    return path


@pytest.fixture(scope="module")
def two_processes(a_recipe_for_an_uneven_share, a_decathlon_task):
    """The run of two processes that Lightning starts."""
    out = a_recipe_for_an_uneven_share.with_name("run")
    result = run(
        a_recipe_for_an_uneven_share, a_decathlon_task, out, "--workers", "0", "--accelerator", "cpu", "--devices", "2"
    )
    assert result.returncode == 0, result.stderr
    assert "MEMBER: 2/2" in result.stderr
    assert result.stdout.count("The trained network is in") == 1
    return out


def validated(checkpoint, root, processes):
    """The mean Dice that so many processes find, started as a cluster would."""
    script = [str(ROOT / "Testing/made_up/validate.py"), str(checkpoint), str(root), str(processes)]
    launcher = [
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={processes}",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0",
    ]
    result = subprocess.run(
        [sys.executable, *launcher, *script], capture_output=True, text=True, cwd=ROOT, env=environment(), check=False
    )
    assert result.returncode == 0, result.stderr
    return float(result.stdout.split("DICE")[-1])


def test_two_processes_find_the_same_scores_as_one(two_processes, a_decathlon_task):
    trained = last_row(two_processes / "metrics.csv", "dice")
    assert trained > 0.1
    one, two = (validated(two_processes / "last.ckpt", a_decathlon_task, number) for number in (1, 2))
    assert one == pytest.approx(two, abs=1e-6)
    assert one == pytest.approx(trained, abs=1e-6)  # and what was logged while training is the kept network's


def test_more_processes_than_validation_cases(whole_run, a_decathlon_task):
    one, two = (validated(whole_run / "last.ckpt", a_decathlon_task, number) for number in (1, 2))
    assert one == pytest.approx(two, abs=1e-6)
