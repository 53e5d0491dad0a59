"""What a run of teaching began with, kept in its folder, so that it is never gone on with on other cases. No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from AttnSegLib.collections.collection import CollectedCase, Collection
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.typed_json import Between, from_json, to_json
from AttnSegLib.unfinished import whole_file

BEGUN = "begun.json"
_SHOWN = 3  # changes that are named


@dataclass(frozen=True)
class BegunRun:
    """cases: those of the collection when the run began; each is known by its voxels, and by how often it was replaced.
    start: what the first weights are of, as `training.teach` takes it, "" for random ones. fold_minutes: for each of
    the models that score the cases, 0 if there are none. models: path of the folder in which the model is written, ""
    for the user's. model: path of the model's own folder, from when it is written."""

    cases: tuple[CollectedCase, ...]
    start: str = ""
    fold_minutes: Annotated[float, Between(0, 1e6)] = 0.0
    models: str = ""
    model: str = ""


def keep_begun(run: Path, begun: BegunRun) -> None:
    """Write it into the folder of the run, whole or not at all. Raises `InputError` if that can't be done."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        with whole_file(run / BEGUN) as file:
            file.write(json.dumps(to_json(begun), indent=2).encode())
    except OSError as error:
        raise InputError(f"'{run}' can't be written to ({cause_of(error)}); give another --run.") from error


def begun_with(run: Path, collection: Collection) -> BegunRun:
    """What the run in a folder began with. Raises `InputError` if the collection has other cases now, or if that can't
    be told."""
    try:
        begun = from_json(BegunRun, json.loads((run / BEGUN).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"'{run / BEGUN}' is missing or damaged, so nobody knows with which cases this run began; teach anew: in "
            "Slicer press Cancel, then Teach, and elsewhere give another --run."
        ) from error
    if changes := _changes(begun.cases, collection.cases):
        more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        said = ", ".join(changes[:_SHOWN]) + more
        raise InputError(
            f"The collection '{collection.name}' has changed since this run began ({said}), "
            "and a run goes on with its own cases only; teach anew: in Slicer press Cancel, then Teach, and elsewhere "
            "give another --run."
        )
    return begun


def _changes(before: tuple[CollectedCase, ...], now: tuple[CollectedCase, ...]) -> list[str]:
    """In words, such as "case_003 was replaced"."""
    old, new = ({case.id: case for case in cases} for cases in (before, now))
    said = [f"{name} was {'replaced' if name in new else 'removed'}" for name in old if old[name] != new.get(name)]
    return said + [f"{name} was added" for name in new if name not in old]
