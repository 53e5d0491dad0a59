"""From a collection to a model: taught, stopped and gone on with, without a score, and what to label next."""

import csv
import itertools
import json

import numpy as np
import pytest
from made_up.balls import a_ball
from made_up.commands import run_here
from made_up.own_cases import AFFINE, a_collection

import training.teach
from AttnSegLib.collections.begun import BegunRun, keep_begun
from AttnSegLib.collections.cases import take_out
from AttnSegLib.collections.collection import open_collection
from AttnSegLib.collections.elsewhere import zip_collection
from AttnSegLib.collections.teaching_process import read_suggestion
from AttnSegLib.collections.teaching_run import CHECKPOINT, DONE, FAILED, LEFT_OUT, PAUSED, read_curve, read_state
from AttnSegLib.collections.voxel_file import write_voxels_file
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_label_map
from AttnSegLib.models.card_file import CARD, load_card
from training.learning.clock import Clock
from training.learning.epoch_log import ClockLines
from training.learning.recipe import read_checkpoint
from training.teach import main
from training.teaching.options import minutes_of
from training.teaching.suggestion import Doubted

MODEL = "my-ball-anunet"
pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning warns a lot


@pytest.fixture(scope="module", autouse=True)
def _every_look_takes_a_second():
    """Runs end after as many looks at the clock as there are seconds; and an epoch has two steps."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "training.learning.module.clock_of",
            lambda settings: Clock(60 * settings.minutes, itertools.count().__next__),
        )
        patched.setattr(training.teach, "_BATCHES", 2)
        yield


def teach(folder, *options):
    return run_here(main, folder, "--workers", "0", "--accelerator", "cpu", *options)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Five balls, and the folder of the models that one was put in."""
    place = tmp_path_factory.mktemp("taught")
    folder = a_collection(place / "balls", 5)
    ended = teach(folder, "--time", "40s", "--network", "anunet", "--out", place / "models")
    assert ended.code == 0, ended.said
    return place, ended.printed


@pytest.mark.slow
def test_a_model_is_taught_scored_by_whom_it_has_not_seen_and_written(taught):
    place, printed = taught
    spec = load_card(place / "models" / MODEL / CARD)
    assert len(spec.training.test_cases) == 1
    assert set(spec.training.training_cases) | set(spec.training.test_cases) == {f"case_00{n}" for n in range(1, 6)}
    assert spec.scores.summary.endswith("on 1 test patient")
    assert "so few patients (1)" in spec.scores.meaning
    assert spec.training.data == "a collection of one's own, 'Ball': 5 cases"
    assert spec.training.optimisation["minutes"] == pytest.approx(2 / 3)
    assert "owner of these data" in (place / "models" / MODEL / "ATTRIBUTION.md").read_text()
    for part in ("Slices: axial", " of 0:40: loss ", " of cases left out", f"{MODEL}': Dice ", " steps only: give"):
        assert part in printed


@pytest.mark.slow
def test_the_schedule_is_finished_when_the_time_is_over(taught):
    run = taught[0] / "balls-training"
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["learning_rate"]) < 1e-3 * max(float(row["learning_rate"]) for row in rows)
    assert 1 <= sum(bool(row["dice"]) for row in rows) < len(rows)
    assert (run / "finished.ckpt").is_file()
    assert not (run / "last.ckpt").exists()
    state = read_state(run)
    assert (state.stage, state.model, state.limit) == (DONE, MODEL, 40)
    assert "Network: ANU-Net, compact." in state.words
    assert len(read_curve(run).losses) == len(rows)
    [left_out] = load_card(taught[0] / "models" / MODEL / CARD).training.test_cases
    assert state.left_out == left_out
    collection = open_collection(taught[0] / "balls")
    volume, truth = collection.read(next(case for case in collection.cases if case.id == left_out))
    assert read_label_map(run / LEFT_OUT, volume).shape == truth.shape


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_its_clock_and_its_first_weights(taught, balls, tmp_path, monkeypatch):
    """Taught from few cases on the weights of an earlier model, which the card still knows after the interruption."""
    folder, models = balls(2), tmp_path / "models"
    spent = []

    def stop(_self, _trainer, module):
        spent.append(module.clock.spent)
        if len(spent) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ClockLines, "on_train_epoch_end", stop)
        ended = teach(folder, "--time", "40s", "--from", taught[0] / "models" / MODEL, "--out", models)
    assert ended.code == 130
    assert "the same command with --resume" in ended.said
    before = read_checkpoint(tmp_path / "balls-training" / "last.ckpt")["seconds_spent"]
    assert spent[0] <= before <= spent[1]
    state = read_state(tmp_path / "balls-training")
    assert state.stage == PAUSED
    assert state.order.start.endswith(MODEL)
    again = teach(folder, "--time", "40s", "--out", models)
    assert again.code == 2
    assert "add --resume" in again.said
    ended = teach(folder, "--resume", "--out", models)
    assert ended.code == 0, ended.said
    first = next(line for line in ended.printed.splitlines() if " of 0:40" in line)
    assert int(first.split(" ")[0].removeprefix("0:")) > before
    spec = load_card(models / MODEL / CARD)
    assert spec.scores.summary == "no score yet"
    assert spec.scores.mean_dice is None
    assert spec.training.start.data == "a collection of one's own, 'Ball': 5 cases"
    assert "before you trust it" in ended.printed
    assert "steps only" not in ended.printed  # a model that was begun with may need few


@pytest.mark.slow
def test_a_run_that_was_killed_while_its_model_was_written_only_writes_it(balls, tmp_path, monkeypatch):
    folder, options = balls(1), ("--network", "anunet", "--out", tmp_path / "models")

    def kill(*_, **__):
        raise KeyboardInterrupt

    for place, how in (("export", ("--time", "4s")), ("_told_of", ("--resume",))):  # before it is written, and after
        with monkeypatch.context() as patched:
            patched.setattr(training.teach, place, kill)
            assert teach(folder, *how, *options).code == 130
    ended = teach(folder, "--resume", *options)
    assert ended.code == 0, ended.said
    assert "loss" not in ended.printed
    assert [path.name for path in (tmp_path / "models").iterdir()] == [MODEL]
    assert (tmp_path / "models" / MODEL / CARD).is_file()


@pytest.mark.slow
def test_the_scan_that_the_model_is_least_sure_of_is_suggested(taught, tmp_path):
    place, _ = taught
    scans = tmp_path / "scans"
    scans.mkdir()
    known, new = a_ball(0)[0], a_ball(7)[0]
    noise = np.random.default_rng(0).normal(100, 10, new.shape).astype(np.int16)
    for name, voxels in {"known": known, "new": new, "noise": noise}.items():
        write_voxels_file(scans / f"{name}.nrrd", voxels, AFFINE)
    (scans / "broken.nrrd").write_text("none")
    ended = teach(place / "balls", "--suggest", scans, "--from", place / "models" / MODEL)
    assert ended.code == 0, ended.said
    assert "of 2 scans" in ended.printed
    assert "known.nrrd" not in ended.printed
    assert "Left out: 'broken.nrrd'" in ended.said
    doubts = [float(line.split()[0]) for line in ended.printed.splitlines()[1:]]
    assert doubts == sorted(doubts, reverse=True)
    assert read_suggestion(place / "balls") is None  # nobody asked for a file


def test_the_panel_gets_the_scan_in_a_file_that_goes_and_no_name_in_the_log(balls, tmp_path, monkeypatch):
    def found(_collection, scans, _predictor, say):
        say("Left out: 'Doe.nrrd' is damaged.")
        return [Doubted(scans / "Roe.nrrd", 0.5)]

    monkeypatch.setattr(training.teach, "suggest", found)
    monkeypatch.setattr(training.teach.SlicePredictor, "from_model", lambda *_: None)
    ended = teach(balls(1), "--suggest", tmp_path, "--from", "eccamunet-hippocampus-mr", "--no-names")
    assert ended.code == 0, ended.said
    assert "oe" not in ended.printed + ended.said
    assert "Left out" in ended.said
    assert read_suggestion(tmp_path / "balls").name == "Roe.nrrd"
    assert read_suggestion(tmp_path / "balls") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--time", "soon"), "'soon' is not a time"),
        ((), "Say how long to learn"),
        (("--resume",), "There is no interrupted run in"),
        (("--time", "1m", "--from", "no-such-model"), "no model 'no-such-model'"),
        (("--time", "1m", "--from", "eccamunet-hippocampus-mr", "--network", "afnet"), "leave --network out"),
        (("--suggest", "nowhere", "--from", "eccamunet-hippocampus-mr"), "no folder 'nowhere'"),
        (("--suggest", "nowhere"), "No model has been taught from 'Ball' yet"),
    ],
)
def test_what_can_not_be_taught_is_one_sentence(balls, tmp_path, monkeypatch, options, said):
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "models"))
    ended = teach(balls(1), *options)
    assert ended.code == 2
    [error] = [line for line in ended.said.splitlines() if line]
    assert said in error


def test_a_model_that_can_not_be_put_there_is_known_before_it_is_taught(balls, tmp_path):
    (tmp_path / "file").touch()
    ended = teach(balls(1), "--time", "1m", "--out", tmp_path / "file" / "models")
    assert (ended.code, ended.printed) == (2, "")
    assert "models' can't be written to (Not a directory); give another --out." in ended.said


def test_a_disk_that_is_full_when_the_model_is_written_loses_nothing(balls, tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.teach, "train", lambda *_: None)
    monkeypatch.setattr(training.teach, "export", full)
    ended = teach(balls(1), "--time", "1m", "--out", tmp_path / "models")
    assert ended.code == 2
    assert "(No space left on device), and nothing is lost: free some space, then go on (--resume)." in ended.said
    assert read_state(tmp_path / "balls-training").stage == FAILED


def test_a_collection_that_is_empty_or_gone_is_one_sentence(balls, tmp_path):
    folder = balls(1)
    take_out(folder, 1)
    assert "has no case yet" in teach(folder, "--time", "1m").said
    assert "There is no collection" in teach(tmp_path / "gone", "--time", "1m").said


def test_a_run_is_not_gone_on_with_when_its_cases_changed(balls, tmp_path):
    folder, run = balls(2), tmp_path / "balls-training"
    keep_begun(run, BegunRun(open_collection(folder).cases))
    (run / CHECKPOINT).touch()
    take_out(folder, 2)
    ended = teach(folder, "--resume")
    assert (ended.code, ended.printed) == (2, "")
    assert "(case_002 was removed)" in ended.said
    assert "give another --run" in ended.said
    assert (run / CHECKPOINT).is_file()


def test_a_zip_file_is_taken_as_it_is(balls, tmp_path):
    zip_collection(balls(1), tmp_path / "away.zip")
    assert "Say how long" in teach(tmp_path / "away.zip").said
    assert json.loads((tmp_path / "away" / "collection.json").read_text())["name"] == "Ball"


@pytest.mark.parametrize(("text", "minutes"), [("90s", 1.5), ("30m", 30), ("2h", 120), ("1h30m", 90), ("0.5 h", 30)])
def test_a_time_is_read(text, minutes):
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "30", "m", "1x", "-3m", "0s", "5m later"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError, match="is not a time"):
        minutes_of(text)
