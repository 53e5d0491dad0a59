"""The score of every case: each by a model taught without it, also after kill -9, and told as what it is."""

import itertools
import math
from dataclasses import fields, replace

import pytest
from made_up.balls import a_ball
from made_up.commands import run_here
from made_up.own_cases import AFFINE

import training.teach
from AttnSegLib.collections.cases import NewCase, add_case
from AttnSegLib.collections.collection import open_collection
from AttnSegLib.collections.teaching_run import DONE, FAILED, FOLDS, PAUSED, read_state
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card_file import CARD, load_card
from training.learning.clock import Clock
from training.learning.scored_run import ScoredRun
from training.model_folder.card_scores import NO_SCORE, FoldedScores, facts_of_folds
from training.scoring.scores import Score
from training.teach import main
from training.teaching import folded
from training.teaching.folded import refuse_unscorable

MODEL = "my-ball-anunet"
pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning warns a lot


@pytest.fixture(autouse=True)
def _every_look_takes_a_second(monkeypatch):
    monkeypatch.setattr(
        "training.learning.module.clock_of",
        lambda settings: Clock(60 * settings.minutes, itertools.count().__next__),
    )
    monkeypatch.setattr(training.teach, "_BATCHES", 2)


@pytest.fixture
def teach(tmp_path):
    """Score every case of a collection; more options may be given."""

    def run(folder, *options):
        where = ("--workers", "0", "--accelerator", "cpu", "--out", tmp_path / "models")
        return run_here(main, folder, "--score-every-case", "--network", "anunet", *where, *options)

    return run


def card(tmp_path):
    return load_card(tmp_path / "models" / MODEL / CARD)


@pytest.mark.slow
def test_each_case_is_scored_by_a_model_that_never_saw_it_though_all_is_killed_again_and_again(
    balls, teach, tmp_path, monkeypatch
):
    folder, run = balls(2), tmp_path / "balls-training"
    looked_at = []

    def die(*_arguments, **_options):
        raise KeyboardInterrupt

    def killed_at(owner, name):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, die)
            assert teach(folder, *(("--resume",) if looked_at else ("--time", "8s", "--fold-time", "4s"))).code == 130
        looked_at.append(name)
        assert read_state(run).stage == PAUSED

    killed_at(training.teach, "_written")  # the model is taught
    killed_at(training.teach, "keep_begun")  # and written, but nothing says so
    killed_at(folded, "folds")  # now it is said
    assert card(tmp_path).scores.summary == NO_SCORE
    killed_at(folded, "_scores_of")  # the first fold is taught
    assert read_state(run).fold == 1
    with monkeypatch.context() as patched:
        patched.setattr(ScoredRun, "read", die)  # it is scored, too
        assert teach(folder, "--resume").code == 130
    ended = teach(folder, "--resume")
    assert ended.code == 0, ended.said
    scores, facts = card(tmp_path).scores, card(tmp_path).training
    assert [one.case for one in scores.cases] == ["case_001", "case_002"]
    assert scores.summary.endswith("on 2 cases, each by a model taught without it")
    assert "(sd " in scores.summary
    assert "without it in 0.06667 instead of 0.1333 minutes, and this model" in scores.meaning
    assert facts.training_cases == ("case_001", "case_002")
    assert facts.test_cases == ()
    assert [path.name for path in (tmp_path / "models").iterdir()] == [MODEL]
    assert not (run / FOLDS).exists()
    state = read_state(run)
    assert (state.stage, state.model, state.order.every_case) == (DONE, MODEL, True)
    assert "model 2 of 2" in ended.printed


def test_cases_that_come_meanwhile_end_the_score_and_the_model_stays(balls, teach, tmp_path, monkeypatch):
    folder, run = balls(2), tmp_path / "balls-training"

    def make(_self, _options, _score):
        voxels, label_map = a_ball(7)
        add_case(folder, NewCase(Volume(voxels, AFFINE), label_map))
        return []

    def written(one, _checkpoint):
        one.diary.note(training.teach.SCORING, model=MODEL)
        return tmp_path / MODEL

    monkeypatch.setattr(training.teach, "train", lambda *_: None)
    monkeypatch.setattr(training.teach, "_written", written)
    monkeypatch.setattr(ScoredRun, "make", make)
    ended = teach(folder, "--time", "1m")
    assert ended.code == 2
    assert "(case_003 was added)" in ended.said
    state = read_state(run)
    assert (state.stage, state.model, state.fold, state.folds) == (FAILED, MODEL, 1, 2)


@pytest.mark.parametrize(
    ("count", "options", "said"),
    [
        (1, ("--time", "1m"), "A single case can't be scored by a model taught without it; add another case first."),
        (2, ("--time", "1m", "--fold-time", "2m"), "--fold-time is longer than --time"),
        (2, ("--time", "1m", "--fold-time", "soon"), "'soon' is not a time"),
    ],
)
def test_what_can_not_be_scored_so_is_one_sentence_before_it_begins(balls, teach, count, options, said):
    ended = teach(balls(count), *options)
    assert (ended.code, ended.printed) == (2, "")
    assert said in ended.said
    assert len(ended.said.splitlines()) == 1


def test_a_fold_time_without_folds_is_refused(balls):
    assert "add --score-every-case" in run_here(main, balls(2), "--time", "1m", "--fold-time", "1m").said


def test_who_has_seen_a_case_does_not_score_it(balls):
    collection = open_collection(balls(2))
    refuse_unscorable(collection, frozenset({"case_007"}))
    with pytest.raises(InputError, match="has learnt from case_002 already"):
        refuse_unscorable(collection, frozenset({"case_002"}))


def test_a_segment_that_only_one_case_has_is_told(balls):
    collection = open_collection(balls(2))
    lacking = replace(collection.cases[1], absent=("ball",))
    with pytest.raises(
        InputError, match="Only case_001 has 'Ball', so the model taught without it could not find that"
    ):
        refuse_unscorable(replace(collection, cases=(collection.cases[0], lacking)), frozenset())


def test_a_segment_that_only_the_cases_of_one_fold_have_is_told(balls):
    """Of ten cases, each model is taught without two that follow each other."""
    collection = open_collection(balls(2))

    def ten(*having):
        numbers = range(1, 11)
        absent = {number: () if number in having else ("ball",) for number in numbers}
        cases = tuple(replace(collection.cases[0], number=number, absent=absent[number]) for number in numbers)
        return replace(collection, cases=cases)

    refuse_unscorable(ten(2, 3), frozenset())
    with pytest.raises(InputError, match="Only case_003 and case_004 have 'Ball', so the model taught without them"):
        refuse_unscorable(ten(3, 4), frozenset())


def a_score(case, label, dice):
    """Of a label in a case; None: it is not there, and not found."""
    counts = {"tp": 0, "fp": 0, "fn": 0} if dice is None else {"tp": 9, "fp": 1, "fn": 1}
    others = dict.fromkeys(("volume_ml", "reference_ml", "seconds", "auc"), 1.0)
    known = {one.name: math.nan for one in fields(Score)} | counts | others
    return Score(**known | {"case": case, "label": label, "dice": 1.0 if dice is None else dice})


def test_mean_and_sd_are_over_cases():
    """A label that is neither in a case nor found there does not count in it."""
    dice = {"case_001": (0.8, 0.6), "case_002": (0.9, 0.9), "case_003": (0.5, None)}
    scores = [a_score(case, label, one) for case, both in dice.items() for label, one in zip("ab", both, strict=True)]
    facts = facts_of_folds(FoldedScores(scores, 3, 10.0, 10.0))
    assert facts.summary == "Dice 0.700 (sd 0.200) on 3 cases, each by a model taught without it"
    assert facts.mean_dice == 0.7
    assert "instead of" not in facts.meaning
    assert "so few cases (3) say little of others" in facts.meaning
    assert len(facts.cases) == 6
