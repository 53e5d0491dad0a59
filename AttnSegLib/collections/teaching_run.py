"""A collection being taught, as the folder of the run tells it: whoever looks there knows how far it is.

The training writes `state.json` and `metrics.csv`, and holds a lock while it lives. So a panel that was closed, or
another one, finds it again. No torch.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from AttnSegLib.collections.begun import BEGUN
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.locks import take_lock_anywhere
from AttnSegLib.typed_json import Between, from_json, to_json
from AttnSegLib.unfinished import whole_file

PREPARING, LEARNING, SCORING, PAUSED, DONE, FAILED = STAGES = (
    "preparing",
    "learning",
    "scoring",
    "paused",
    "done",
    "failed",
)
CHECKPOINT, METRICS, RECIPE = "last.ckpt", "metrics.csv", "recipe.toml"
LOG, SUGGESTION, LEFT_OUT, FOLDS = "log.txt", "suggestion.json", "left_out.nrrd", "folds"
_MOST_FOLDS = 5  # models that score every case; with fewer cases, one for each
_STATE, _LOCK, _PID = "state.json", ".teaching", ".pid"
_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows, SIGTERM does that
_TRIES, _BETWEEN = 10, 0.1  # s: whoever looks whether a run lives holds its lock for a moment

Seconds = Annotated[float, Between(0, 1e9)]


@dataclass(frozen=True)
class TeachingOrder:
    """What is asked for. network: its name; start: id of the model whose weights are the first ones, "" for random
    ones; device: as in `Compute`; every_case: whether each case is to be scored, by a model taught without it."""

    minutes: Annotated[float, Between(1e-3, 1e6)]
    network: str
    start: str = ""
    device: str = "auto"
    every_case: bool = False


@dataclass(frozen=True)
class TeachingState:
    """How far a run is. pid: of its process; words: the recipe, in plain words; spent, limit: of the learning;
    sentence: of the end, good or bad; model: id of what it made; left_out: id of a case that does not train, of which
    `left_out.nrrd` holds what is found; fold, folds: which of the models that score every case is taught,
    from 1, and how many there are."""

    stage: str
    pid: Annotated[int, Between(0, 2**32)]
    order: TeachingOrder
    words: tuple[str, ...] = ()
    spent: Seconds = 0.0
    limit: Seconds = 0.0
    sentence: str = ""
    model: str = ""
    left_out: str = ""
    fold: Annotated[int, Between(0, 1000)] = 0
    folds: Annotated[int, Between(0, 1000)] = 0


@dataclass(frozen=True)
class LearningCurve:
    """minutes, losses: of each epoch; scored, dice: minutes and mean Dice of left-out cases where these were scored."""

    minutes: tuple[float, ...]
    losses: tuple[float, ...]
    scored: tuple[float, ...]
    dice: tuple[float, ...]


def run_folder(folder: Path) -> Path:
    """Where the collection in a folder is taught: beside it."""
    here = folder.resolve()
    return here.with_name(f"{here.name}-training")


def number_of_folds(cases: int) -> int:
    """How many models score so many cases: one for each case that is left out, or five from five cases on. Raises
    `InputError` for a single case."""
    if cases < 2:
        raise InputError("A single case can't be scored by a model taught without it; add another case first.")
    return min(cases, _MOST_FOLDS)


def read_state(run: Path) -> TeachingState | None:
    """How far the run in a folder is; None if there is none, or nobody has said so."""
    try:
        state = from_json(TeachingState, json.loads((run / _STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return None
    return state if state.stage in STAGES else None


def write_state(run: Path, state: TeachingState) -> None:
    """Tell how far a run is. Raises `InputError` if the disk is full; then the earlier state stays."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        with whole_file(run / _STATE) as file:
            file.write(json.dumps(to_json(state), indent=2).encode())
    except OSError as error:
        raise InputError(f"'{run}' can't be written to ({cause_of(error)}); free some space, then resume.") from error


@contextlib.contextmanager
def alone(run: Path) -> Iterator[None]:
    """A block in which this process alone teaches in a folder. Raises `InputError` if another one does, or if its drive
    can't lock files."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        with (run / _LOCK).open("a+b") as lock:
            if not any(_taken(lock, wait) for wait in (0, *[_BETWEEN] * _TRIES)):
                raise InputError(
                    f"Another process teaches in '{run}' already; wait until it is done, or stop it: by Ctrl-C in the "
                    "terminal where it was started, or in Slicer by Pause, in the section Teach."
                )
            (run / _PID).write_text(str(os.getpid()))  # the state tells of the run before until this one begins
            try:
                yield
            finally:
                with contextlib.suppress(OSError):  # who holds the lock next writes it again
                    (run / _PID).unlink()
    except OSError as error:
        raise InputError(
            f"'{run}' can't be used ({cause_of(error)}); keep the collection, or by --run the run, on a disk of this "
            "computer, in a folder that can be written to."
        ) from error


def is_alive(run: Path) -> bool:
    """Whether a process teaches in a folder right now."""
    if not (run / _LOCK).is_file():
        return False
    try:
        with (run / _LOCK).open("a+b") as lock:
            return not take_lock_anywhere(lock)
    except OSError:
        return False


def pause(run: Path) -> None:
    """End the process that teaches in a folder; the run can be gone on with. Nothing happens if there is none.

    One that learns ends after its step, and keeps its last checkpoint. One that only prepares has nothing to keep, and
    is ended at once: it may read a large scan just now, and would hear of nothing else."""
    if is_alive(run):  # so that the number is still that of the process
        with contextlib.suppress(OSError, ValueError):
            pid, state = int((run / _PID).read_text()), read_state(run)
            learns = state is not None and state.pid == pid and state.stage != PREPARING
            os.kill(pid, signal.SIGTERM if learns else _AT_ONCE)


def discard(run: Path) -> None:
    """Forget an interrupted run. Raises `InputError` if a process is at it, or its files can't be removed."""
    if is_alive(run):
        raise InputError("The collection is being taught; pause that first.")
    try:
        for name in (CHECKPOINT, METRICS, LEFT_OUT, BEGUN, _STATE):
            (run / name).unlink(missing_ok=True)
        if (run / FOLDS).exists():
            shutil.rmtree(run / FOLDS)
    except OSError as error:
        raise InputError(f"The run in '{run}' can't be removed ({cause_of(error)}); remove it yourself.") from error


def read_curve(run: Path) -> LearningCurve:
    """What the run has learnt so far; empty before the first epoch. An epoch that was done twice counts once."""
    try:
        with (run / METRICS).open(newline="", encoding="utf-8") as file:
            rows = {row["epoch"]: row for row in csv.DictReader(file) if row.get("seconds")}  # of whole lines
    except (OSError, KeyError, ValueError):
        rows = {}
    minutes, elapsed = [], 0.0
    for row in rows.values():
        elapsed += float(row["seconds"]) / 60
        minutes.append(elapsed)
    scored = [(at, float(row["dice"])) for at, row in zip(minutes, rows.values(), strict=True) if row["dice"]]
    return LearningCurve(
        tuple(minutes),
        tuple(float(row["loss"]) for row in rows.values()),
        tuple(at for at, _ in scored),
        tuple(dice for _, dice in scored),
    )


class TeachingDiary:
    """Writes how far a run is, for whoever looks. run: its folder; order: what was asked for."""

    def __init__(self, run: Path, order: TeachingOrder):
        self._run = run
        self._state = TeachingState(PREPARING, os.getpid(), order)

    def note(self, stage: str, **changes: object) -> None:
        """The run is in a stage now. changes: other fields of `TeachingState`."""
        self._state = replace(self._state, stage=stage, **changes)  # type: ignore[arg-type]  # checked when read
        write_state(self._run, self._state)


def _taken(lock: object, wait: float) -> bool:
    time.sleep(wait)
    return take_lock_anywhere(lock)  # type: ignore[arg-type]
