"""Time instead of epochs: the clock, what follows it, and what becomes of it when a run is interrupted."""

import pytest
import torch

from AttnSegLib.errors import InputError
from training.learning.clock import Clock, in_words, one_cycle
from training.learning.optimisation import Optimisation


class Watch:
    """Shows the seconds that it is told."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def clock(watch):
    clock = Clock(60.0, watch)
    clock.begin()
    return clock


def test_no_time_goes_by_before_the_run_begins(watch):
    clock = Clock(60.0, watch)
    watch.seconds += 50
    assert clock.spent == 0
    clock.begin()
    watch.seconds += 15
    assert (clock.spent, clock.share, clock.is_over) == (15, 0.25, False)


def test_a_run_that_goes_on_has_the_rest_of_its_time(watch):
    clock = Clock(60.0, watch)
    clock.before = 45.0
    watch.seconds += 1000  # while nothing ran
    clock.begin()
    watch.seconds += 14
    assert not clock.is_over
    watch.seconds += 1
    assert clock.is_over
    assert clock.share == 1


def test_the_learning_rate_is_at_its_end_when_the_time_is_whatever_the_number_of_steps(watch):
    for steps in (3, 50):
        clock = Clock(60.0, watch)
        clock.begin()
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
        schedule = clock.schedule(optimizer, 0.25)
        rates = [optimizer.param_groups[0]["lr"]]
        for _ in range(steps):
            watch.seconds += 60 / steps
            optimizer.step()
            schedule.step()
            rates.append(optimizer.param_groups[0]["lr"])
        assert rates[0] == pytest.approx(2 / 25)
        assert max(rates) > 1.5
        assert rates[-1] < 1e-4


def test_the_cycle_is_that_of_torch():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=101, pct_start=0.2)
    top = 0.2 * 101 - 1  # torch counts the steps from 0, and so its top lies a step earlier
    for step in range(100):
        share = 0.2 * step / top if step < top else 0.2 + 0.8 * (step - top) / (100 - top)
        assert one_cycle(share, 0.2) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-6)
        optimizer.step()
        theirs.step()


def test_left_out_cases_are_scored_ten_times_and_for_a_tenth_of_the_time(clock, watch):
    for took, least in ((0.5, 6), (3.0, 27)):  # seconds
        since, scorings = watch.seconds, 0
        while clock.spent < 59 and scorings < 2:
            watch.seconds += 0.25
            if clock.is_time_to_score():
                assert watch.seconds - since >= least - took if scorings else True
                watch.seconds += took
                since, scorings = watch.seconds, scorings + 1
            clock.scored()
    watch.seconds += 60
    assert not clock.is_time_to_score()


@pytest.mark.parametrize(("seconds", "words"), [(0, "0:00"), (59.6, "1:00"), (185, "3:05"), (3785, "1:03:05")])
def test_a_time_is_told_in_minutes(seconds, words):
    assert in_words(seconds) == words


@pytest.mark.parametrize("changes", [{"minutes": 0}, {"schedule": "cosine"}, {"select": "best"}])
def test_a_run_by_minutes_needs_a_schedule_that_they_end(changes):
    with pytest.raises(InputError, match="A run by minutes needs"):
        Optimisation(**{"loss": "anu", "epochs": 1, "batch_size": 1, "learning_rate": 1.0, "minutes": 1} | changes)
