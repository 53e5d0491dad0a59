"""What a run that was interrupted says to options, and goes on with."""

from dataclasses import replace

import pytest
from made_up.commands import run_here

import training.teach
from AttnSegLib.collections.begun import begun_with, keep_begun
from AttnSegLib.collections.collection import open_collection
from AttnSegLib.collections.teaching_run import CHECKPOINT, DONE, read_state, write_state
from training.teach import main

MODEL = "eccamunet-hippocampus-mr"
BEGUN = ("--time", "40s", "--network", "anunet", "--score-every-case", "--fold-time", "20s", "--seed", "3")


@pytest.fixture
def teach(balls, tmp_path, monkeypatch):
    """Teach two balls; who trains is interrupted at once. Gives the function; the run was begun."""
    folder = balls(2)

    def interrupted(_recipe, _root, run, _how):
        (run / CHECKPOINT).touch()
        raise KeyboardInterrupt

    def run(*options):
        here = ("--workers", "0", "--accelerator", "cpu", "--out", tmp_path / "models")
        return run_here(main, folder, *here, *options)

    monkeypatch.setattr(training.teach, "train", interrupted)
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "own"))
    assert run(*BEGUN).code == 130
    return run


@pytest.mark.parametrize("options", [(), BEGUN, ("--time", "0.666667m"), ("--seed", "3"), ("--out", "elsewhere")])
def test_a_run_goes_on_with_what_it_began_with(teach, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    ended = teach("--resume", *options)
    assert ended.code == 130
    assert ended.said == (
        "Interrupted; the same command with --resume goes on: only an epoch or a score that was not finished is done "
        "again.\n"
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--time", "50s"), "--time 50s"),
        (("--network", "afnet", "--seed", "0"), "--network afnet and --seed 0"),
        (("--from", MODEL), f"--from {MODEL}"),
        (("--score-every-case", "--fold-time", "10s"), "--fold-time 10s"),
    ],
)
def test_what_it_did_not_begin_with_is_refused(teach, options, named):
    ended = teach("--resume", *options)
    assert (ended.code, ended.printed) == (2, "")
    assert ended.said == (
        f"Error: The run was begun without {named}, and goes on as it began; leave that out, or give another --run to "
        "teach anew.\n"
    )


def test_a_score_of_every_case_is_not_added_later(teach, tmp_path):
    run, collection = tmp_path / "balls-training", open_collection(tmp_path / "balls")
    keep_begun(run, replace(begun_with(run, collection), fold_minutes=0.0))
    assert "begun without --score-every-case, and" in teach("--resume", "--score-every-case").said
    assert teach("--resume").code == 130


def test_a_model_that_is_written_stays_where_it_is(teach, tmp_path):
    run, collection = tmp_path / "balls-training", open_collection(tmp_path / "balls")
    keep_begun(run, replace(begun_with(run, collection), model=str(tmp_path / "models" / "my-ball-anunet")))
    assert teach("--resume").code == 130
    assert f"begun without --out {tmp_path / 'else'}, and" in teach("--resume", "--out", tmp_path / "else").said


def test_where_the_model_goes_is_remembered_until_another_folder_is_given(teach, tmp_path):
    def goes_to():
        return begun_with(tmp_path / "balls-training", open_collection(tmp_path / "balls")).models

    assert goes_to() == str((tmp_path / "models").resolve())
    folder = str(tmp_path / "balls")
    assert run_here(main, folder, "--resume", "--workers", "0", "--accelerator", "cpu").code == 130
    assert goes_to() == str((tmp_path / "models").resolve())
    assert not (tmp_path / "own").exists()
    assert teach("--resume", "--out", tmp_path / "else").code == 130
    assert goes_to() == str((tmp_path / "else").resolve())


def test_first_weights_may_be_gone_when_a_run_that_has_learnt_goes_on(teach, tmp_path, monkeypatch):
    run, collection = tmp_path / "balls-training", open_collection(tmp_path / "balls")
    keep_begun(run, replace(begun_with(run, collection), start=str(tmp_path.resolve() / "gone")))
    monkeypatch.chdir(tmp_path)
    assert teach("--resume", "--from", "gone").code == 130
    assert "begun without --from else, and" in teach("--resume", "--from", "else").said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--time", "soon"), "'soon' is not a time"),
        (("--time", "1m", "--score-every-case", "--fold-time", ""), "'' is not a time"),
        (("--resume", "--time", "soon"), "'soon' is not a time"),
        (("--fold-time", "1m"), "add --score-every-case"),
        (("--from", "no-such-model"), "no model 'no-such-model'"),
        (("--from", MODEL, "--network", "afnet"), "leave --network out"),
        (("--workers", "-1"), "There can't be -1 workers"),
        (("--accelerator", "abacus"), "The device 'abacus' is not usable here"),
        ((), "add --resume to go on with it"),
    ],
)
def test_options_are_looked_at_before_the_run(teach, options, said):
    ended = teach(*options)
    assert (ended.code, ended.printed, ended.said.count("\n")) == (2, "", 1)
    assert said in ended.said


def test_a_run_that_was_killed_when_all_was_done_is_done(teach, tmp_path):
    run = tmp_path / "balls-training"
    write_state(run, replace(read_state(run), stage=DONE))
    assert "There is no interrupted run" in teach("--resume").said
    assert (run / "finished.ckpt").is_file()
    assert not (run / CHECKPOINT).exists()
