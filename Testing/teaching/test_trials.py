"""Trials of teaching: taught from some of the cases, scored on others, and a page of means over draws."""

import itertools
from dataclasses import fields

import pytest
from made_up.balls import write_task
from made_up.commands import run_here

from training import datasets
from training.learning.clock import Clock, clock_of
from training.learning.optimisation import Optimisation
from training.scoring.rows import read_rows, write_rows
from training.scoring.scores import Score
from training.teaching import trials
from training.teaching.trials_figure import draw_trials
from training.teaching.trials_page import TrialScore, dice_of_draws, page

ASKED = ("--dataset", "msd", "--segment", "Ball", "--score", 2, "--minutes", 0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trials_are_scored_on_cases_that_teach_nothing_and_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("training.learning.module.clock_of", lambda _settings: Clock(6, itertools.count().__next__))
    monkeypatch.setattr(trials, "_BATCHES", 2)
    root = write_task(tmp_path / "balls", 5)
    asked = (*ASKED, "--root", root, "--out", tmp_path / "out", "--cases", 2, "--network", "anunet")
    assert run_here(trials.main, *asked, "--draws", 1).code == 0
    first = tmp_path / "out" / "2-cases-0.1-min-random-weights-draw-1" / "scores.csv"
    scores, before = first.read_text(), first.stat().st_mtime_ns
    taught = {path.name for path in first.parent.glob("collection/images/*")}
    assert len(taught) == 2
    assert len(scores.splitlines()) == 1 + 2
    ended = run_here(trials.main, *asked, "--draws", 2)
    assert ended.code == 0, ended.said
    assert first.stat().st_mtime_ns == before
    lines = read_rows(tmp_path / "out" / "trials.csv", TrialScore, "")
    assert [(one.draw, one.cases, one.start, one.label) for one in lines] == [
        (draw, 2, "random weights", "ball") for draw in (1, 2)
    ]
    assert all(one.steps > 0 for one in lines)
    ended = run_here(trials.main, *asked, "--draws", 1, "--choose")
    assert ended.code == 2
    assert "has trials by other options" in ended.said


def test_a_change_of_the_recipe_is_tried_on_patients_that_score_nothing_else(tmp_path):
    cases = datasets.cases_of("msd", write_task(tmp_path / "balls", 9))
    (tmp_path / "changes.toml").write_text("[options]\nwidth = 2\n[augmentation]\ntones = 0.4\n")
    asked = [*ASKED, "--root", tmp_path, "--out", tmp_path / "out", "--cases", 3, "--network", "anunet", "--choose"]
    options = trials._parser().parse_args([*map(str, asked), "--changes", str(tmp_path / "changes.toml")])
    study, trial = trials.study_of(cases, options), trials.Trial(3, 0.1, 1, "random weights")
    collection = trials._collection(trial, study, tmp_path / "collection")
    recipe = trials._recipe(trial, study, collection)
    assert (recipe.options["width"], recipe.augmentation.tones) == (2, 0.4)
    assert recipe.optimisation.minutes_of == "processor"
    assert recipe.card["largest_component"]
    choosing = [case.id for case in study.scoring(trial)]
    taught = [case.id for case in study.drawn(trial)[:3]]
    assert len({*choosing, *taught, *(case.id for case in study.scored)}) == len(choosing) + 3 + 2 == 9


def test_too_few_cases_for_the_trials_are_refused(tmp_path):
    root = write_task(tmp_path / "balls", 3)
    ended = run_here(trials.main, *ASKED, "--root", root, "--out", tmp_path / "out", "--cases", 2)
    assert ended.code == 2
    assert "too few to teach from 2 and score others" in ended.said


def test_the_page_has_means_over_draws_of_means_over_labels(tmp_path):
    rows = [
        TrialScore(3, 5.0, "random weights", draw, 100 * draw, label, dice)
        for draw, a, b in ((1, 0.8, 0.6), (2, 0.9, 0.9))
        for label, dice in (("a", a), ("b", b))
    ]
    write_rows(tmp_path / "trials.csv", TrialScore, rows)
    text = "\n".join(page(read_rows(tmp_path / "trials.csv", TrialScore, "")))
    assert "| 3 | 5 | random weights | 2 | 150 | 0.800 ± 0.141 | 0.850 ± 0.071 | 0.750 ± 0.212 |" in text


def test_a_label_that_no_patient_has_is_left_out():
    zero = {field.name: {"int": 0, "float": 0.0, "str": ""}[field.type] for field in fields(Score)}
    found = [("a", 1.0), ("a", float("nan")), ("b", float("nan"))]
    scores = [Score(**zero | {"label": label, "dice": dice}) for label, dice in found]
    [line] = trials._summed(trials.Trial(3, 5.0, 1, "random weights"), 100, scores)
    assert (line.label, line.dice) == ("a", 1.0)
    other = TrialScore(5, 5.0, "random weights", 1, 100, "b", 0.7)
    assert "| 3 | 5 | random weights | 1 | 100 | 1.000 | 1.000 | n/a |" in page([line, other])


def test_the_picture_has_a_line_for_each_start_and_time_and_a_dot_for_each_draw(tmp_path):
    rows = [
        TrialScore(cases, minutes, start, draw, 100, label, dice)
        for minutes, start in ((5.0, "random weights"), (15.0, "a-model"))
        for cases in (3, 10)
        for draw, label, dice in ((1, "a", 0.8), (1, "b", 0.6), (2, "a", 0.9), (2, "b", 0.9))
    ]
    dice = dice_of_draws(rows)
    assert dice["5 minutes, random weights"] == {3: pytest.approx([0.7, 0.9]), 10: pytest.approx([0.7, 0.9])}
    assert list(dice) == ["5 minutes, random weights", "15 minutes, a-model"]
    draw_trials(tmp_path / "trials.png", dice)
    assert (tmp_path / "trials.png").stat().st_size > 5_000


def test_minutes_can_be_of_the_processor(monkeypatch):
    monkeypatch.setattr("training.learning.clock.time.process_time", itertools.count().__next__)
    asked = {"loss": "dice", "epochs": 1, "batch_size": 1, "learning_rate": 1e-3, "schedule": "one_cycle"}
    clock = clock_of(Optimisation(**asked, minutes=1.0, minutes_of="processor"))
    clock.begin()
    assert [clock.spent, clock.spent] == [1, 2]
