"""The training loop: a run from data to checkpoint, killed and resumed, on two processes, and what goes wrong."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from made_up.balls import RECIPE
from made_up.commands import run_here
from made_up.validate import mean_dice

from AttnSegLib.errors import InputError
from training.learning.recipe import read_checkpoint
from training.slices.split import Parts
from training.train import main, refuse_other_cases

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def begin(*arguments, **options):
    """A process that runs Python with these arguments: few tests need one, since it takes seconds to begin."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    command = [sys.executable, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, **options)


def begin_run(recipe, root, out, *more, **options):
    """A process that trains."""
    return begin("-m", "training.train", recipe, "--root", root, "--out", out, *more, **options)


def end(process):
    """What a process has written to standard output and standard error; it must end well."""
    printed, said = process.communicate()
    assert process.returncode == 0, said
    return printed, said


def wait_for_an_epoch(process, out):
    """Until the first one is over, and the second begins."""
    while not (out / "last.ckpt").is_file():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def last_row(log, column):
    with log.open(newline="") as file:
        return float([row[column] for row in csv.DictReader(file) if row[column]][-1])


@pytest.fixture(scope="module")
def whole_run(a_decathlon_task, tmp_path_factory):
    """A run of two epochs that nothing interrupted, with two workers."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    _, said = end(begin_run(recipe, a_decathlon_task, folder / "run", "--workers", "2"))
    for idle in ("available", "Tip", "Warning", "stopped"):
        assert idle not in said
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
    with begin_run(a_recipe, a_decathlon_task, out, "--workers", "2") as process:
        wait_for_an_epoch(process, out)
        process.send_signal(signal.SIGKILL)
    before = read_checkpoint(out / "last.ckpt")
    assert before["epoch"] == 0
    ended = run_here(main, a_recipe, "--root", a_decathlon_task, "--out", out, "--workers", "2", "--resume")
    assert ended.code == 0, ended.said
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
    again = run_here(main, a_recipe, "--root", a_decathlon_task, "--out", out, "--resume")
    assert again.code == 0, again.said
    for name in ("last.ckpt", "best.ckpt", "metrics.csv"):
        assert (out / name).read_bytes() == (whole_run / name).read_bytes()


def test_a_run_does_not_go_on_with_other_cases(whole_run, a_decathlon_task, a_recipe, tmp_path):
    out, root = tmp_path / "run", tmp_path / "task"
    shutil.copytree(whole_run, out)
    shutil.copytree(a_decathlon_task, root)
    for folder in ("imagesTr", "labelsTr"):
        (root / folder / "case_1.nii.gz").unlink()
    again = run_here(main, a_recipe, "--root", root, "--out", out, "--resume")
    assert again.code == 2
    assert "'case_1' came or went" in again.said


def test_who_changes_cases_while_a_run_is_paused_is_told_which_buttons_help(monkeypatch):
    before = {"training": ["case_001"], "validation": [], "test": []}
    monkeypatch.setattr("training.train.read_checkpoint", lambda _: {"hyper_parameters": {"cases": before}})
    with pytest.raises(InputError, match="in Slicer, press Cancel, then Teach"):
        refuse_other_cases(Path("last.ckpt"), Parts([], [], []))


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(interrupt, a_decathlon_task, a_recipe, tmp_path):
    a_recipe.write_text(RECIPE.replace("epochs = 2", "epochs = 500"))
    out = tmp_path / "run"
    with begin_run(a_recipe, a_decathlon_task, out, "--workers", "1", start_new_session=True) as process:
        wait_for_an_epoch(process, out)
        os.killpg(process.pid, interrupt)  # as Ctrl-C and clusters do: workers get it, too
        _, said = process.communicate()
    assert process.returncode == 130
    assert "with --resume goes on" in said
    assert "Traceback" not in said


def test_what_is_in_the_folder_of_a_run_is_never_overwritten(whole_run, a_decathlon_task, a_recipe):
    before = (whole_run / "last.ckpt").read_bytes()
    given = [a_recipe, "--root", a_decathlon_task, "--out", whole_run]
    again = run_here(main, *given)
    assert (again.code, "--resume" in again.said) == (2, True)
    a_recipe.write_text(RECIPE.replace("1e-2", "1e-3"))
    other = run_here(main, *given, "--resume")
    assert other.code == 2
    assert "another recipe (optimisation.learning_rate: 0.01 there, 0.001 here)" in other.said
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
    ended = run_here(main, a_recipe, "--root", a_decathlon_task, "--out", tmp_path / "run", *more)
    assert ended.code == 2
    assert ended.said.startswith("Error: The run can't be set up: ")
    assert "Traceback" not in ended.said


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
    more = ["--workers", "0", "--accelerator", "cpu", "--devices", "2"]
    printed, said = end(begin_run(a_recipe_for_an_uneven_share, a_decathlon_task, out, *more))
    assert "MEMBER: 2/2" in said
    assert printed.count("The trained network is in") == 1
    return out


@pytest.fixture(scope="module")
def found_by_two(two_processes, whole_run, a_decathlon_task):
    """The mean Dice of the network of both runs that two processes find together, started as a cluster would."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    launcher += ["--rdzv-endpoint=localhost:0"]
    runs = [two_processes, whole_run]
    script = [ROOT / "Testing/made_up/validate.py", 2, a_decathlon_task, *(folder / "last.ckpt" for folder in runs)]
    printed, _ = end(begin(*launcher, *script))
    return dict(zip(runs, map(float, re.findall(r"DICE (\S+)", printed)), strict=True))


def found_by_one(folder, root):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning warns a lot
        return mean_dice(folder / "last.ckpt", root)


def test_two_processes_find_the_same_scores_as_one(found_by_two, two_processes, a_decathlon_task):
    trained = last_row(two_processes / "metrics.csv", "dice")
    assert trained > 0.1
    one = found_by_one(two_processes, a_decathlon_task)
    assert one == pytest.approx(found_by_two[two_processes], abs=1e-6)
    assert one == pytest.approx(trained, abs=1e-6)  # and what was logged while training is the kept network's


def test_more_processes_than_validation_cases(found_by_two, whole_run, a_decathlon_task):
    assert found_by_one(whole_run, a_decathlon_task) == pytest.approx(found_by_two[whole_run], abs=1e-6)
