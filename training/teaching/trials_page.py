"""The page of trials of teaching: a table with means over the draws, and a plot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev

from training.scoring.rows import read_rows, write_rows
from training.teaching.trials_figure import draw_trials

RANDOM = "random weights"
TABLE, PAGE, _PICTURE = "trials.csv", "trials.md", "trials.png"


@dataclass(frozen=True)
class TrialScore:
    """A line of the table: mean Dice of a label over the patients that score. steps: of the training."""

    cases: int
    minutes: float
    start: str
    draw: int
    steps: int
    label: str
    dice: float


def write_page(out: Path) -> None:
    """Collect what is done in a table, and write the page of means over draws."""
    tables = [read_rows(table, TrialScore, "training.teaching.trials") for table in out.glob(f"*/{TABLE}")]
    lines = sorted(
        (line for table in tables for line in table),
        key=lambda one: (one.start != RANDOM, one.start, one.cases, one.minutes, one.draw),
    )
    write_rows(out / TABLE, TrialScore, lines)
    (out / PAGE).write_text("\n".join(page(lines)) + "\n", encoding="utf-8")
    draw_trials(out / _PICTURE, dice_of_draws(lines))


def dice_of_draws(lines: Sequence[TrialScore]) -> dict[str, dict[int, list[float]]]:
    """By start and minutes in words, then by the number of cases, the mean over the labels for each draw."""
    found: dict[str, dict[int, list[float]]] = {}
    by_draw = [(f"{one.minutes:g} minutes, {Path(one.start).name}", one.cases, one.draw) for one in lines]
    for name, cases, draw in dict.fromkeys(by_draw):
        values = [line.dice for line, key in zip(lines, by_draw, strict=True) if key == (name, cases, draw)]
        found.setdefault(name, {}).setdefault(cases, []).append(fmean(values))
    return found


def page(lines: Sequence[TrialScore]) -> Iterator[str]:
    """The lines of a table of means over draws."""
    labels = sorted({one.label for one in lines})
    yield "| cases | minutes | begun with | draws | steps | Dice | " + " | ".join(labels) + " |"
    yield "|--:|--:|:--|--:|--:|--:|" + "--:|" * len(labels)
    for (start, cases, minutes), group in groupby(lines, key=lambda one: (one.start, one.cases, one.minutes)):
        rows = list(group)
        draws = sorted({one.draw for one in rows})
        means = [fmean(one.dice for one in rows if one.draw == draw) for draw in draws]
        each = [_spread([one.dice for one in rows if one.label == label]) for label in labels]
        steps = f"{fmean(one.steps for one in rows):.0f}"
        yield f"| {' | '.join([str(cases), f'{minutes:g}', start, str(len(draws)), steps, _spread(means), *each])} |"


def _spread(values: Iterable[float]) -> str:
    """Mean ± standard deviation over draws."""
    several = list(values)
    if not several:
        return "n/a"
    return f"{fmean(several):.3f}" + (f" ± {stdev(several):.3f}" if len(several) > 1 else "")
