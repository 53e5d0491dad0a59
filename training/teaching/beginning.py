"""What a teaching begins with: a recipe, cases, and first weights."""

from __future__ import annotations

import argparse
import math
import shutil
from dataclasses import replace
from pathlib import Path

from AttnSegLib.collections.begun import BegunRun, begun_with, keep_begun
from AttnSegLib.collections.collection import Collection
from AttnSegLib.collections.teaching_run import CHECKPOINT, FOLDS, LEFT_OUT, METRICS, RECIPE
from AttnSegLib.errors import InputError, cause_of
from training.learning.recipe import Recipe, read_recipe
from training.slices.split import Split
from training.teaching.first_network import FirstNetwork, first_network
from training.teaching.folded import refuse_unscorable
from training.teaching.made_recipe import begun_by, left_out, recipe_of_collection, recipe_table
from training.teaching.options import NETWORK, check_times, fold_minutes_of, minutes_of
from training.teaching.survey import survey
from training.teaching.toml_file import write_toml_file


def begun_or_going_on(collection: Collection, run: Path, options: argparse.Namespace) -> tuple[Recipe, BegunRun]:
    """Recipe and beginning of the interrupted run, or of a new one; then they are written down.

    Raises `InputError` if the run is not to be gone on with, or not as the options say, or if no model can be taught
    so. What is wrong with the options alone is said first.
    """
    check_times(options)
    path, interrupted = run / RECIPE, (run / CHECKPOINT).is_file()
    if interrupted and options.resume:
        begun, recipe = begun_with(run, collection), read_recipe([str(path)])
        _refuse_changes(options, recipe, begun)
        if options.out is not None:
            begun = replace(begun, models=str(options.out.resolve()))
            keep_begun(run, begun)
        return recipe, begun
    first = None if options.start is None else first_network(options.start, collection, options.network)
    if interrupted:
        raise InputError(
            f"'{run}' holds a run that was interrupted; add --resume to go on with it, or give another --run."
        )
    if options.time is None:
        nothing = f"There is no interrupted run in '{run}'; say" if options.resume else "Say"
        raise InputError(f"{nothing} how long to learn, such as --time 30m.")
    if options.resume:
        print(f"There is no run in '{run}' that has learnt anything and is not done; a new one begins.", flush=True)
    recipe, begun = _new(collection, options, first)
    try:
        run.mkdir(parents=True, exist_ok=True)
        for name in (METRICS, LEFT_OUT):  # of the run before
            (run / name).unlink(missing_ok=True)
        shutil.rmtree(run / FOLDS, ignore_errors=True)
        write_toml_file(path, recipe_table(recipe), f"Made by training.teach from '{collection.name}'.")
        keep_begun(run, begun)
    except OSError as error:
        raise InputError(f"'{run}' can't be written to ({cause_of(error)}); give another --run.") from error
    return recipe, begun


def _refuse_changes(options: argparse.Namespace, recipe: Recipe, begun: BegunRun) -> None:
    """Raises `InputError` if options were given with which the interrupted run did not begin."""
    minutes, seed = recipe.optimisation.minutes or 0.0, recipe.optimisation.seed
    place = Path(begun.model).parent if begun.model else None
    is_kept = {
        f"--time {options.time}": _is_time(options.time, minutes),
        f"--network {options.network}": options.network in (None, recipe.network),
        f"--from {options.start}": options.start is None or _is_start(options.start, begun.start),
        f"--seed {options.seed}": options.seed in (None, seed),
        "--score-every-case": not options.score_every_case or begun.fold_minutes > 0,
        f"--fold-time {options.fold_time}": _is_time(options.fold_time, begun.fold_minutes),
        f"--out {options.out}": None in (options.out, place) or options.out.resolve() == place,
    }
    if changed := [option for option, kept in is_kept.items() if not kept]:
        raise InputError(
            f"The run was begun without {' and '.join(changed)}, and goes on as it began; leave that out, or give "
            "another --run to teach anew."
        )


def _is_time(text: str | None, minutes: float) -> bool:
    """Whether a time that may be given is this one, as far as the panel writes it."""
    return text is None or math.isclose(minutes_of(text), minutes, rel_tol=1e-4)


def _is_start(text: str, start: str) -> bool:
    """Whether a model's id or a path is what a run began with, even if nothing is there any more."""
    return start in (text, str(Path(text).resolve()))


def _start_of(options: argparse.Namespace) -> str:
    """What the first weights are of: the run may go on from another folder."""
    given = options.start or ""
    return str(Path(given).resolve()) if given and Path(given).exists() else given


def _new(collection: Collection, options: argparse.Namespace, first: FirstNetwork | None) -> tuple[Recipe, BegunRun]:
    minutes, fold_minutes, seed = minutes_of(options.time), fold_minutes_of(options), options.seed or 0
    seen: frozenset[str] = frozenset() if first is None else first.seen
    if fold_minutes:
        refuse_unscorable(collection, seen)
    network = (options.network or NETWORK) if first is None else first.name
    recipe = recipe_of_collection(collection, survey(collection), network, minutes, seed)
    if first is not None:
        recipe = begun_by(recipe, first.sizes, first.preprocessing)
    kept = () if fold_minutes else left_out(collection, seed, seen)
    models = "" if options.out is None else str(options.out.resolve())
    return replace(recipe, split=Split(test=kept)), BegunRun(collection.cases, _start_of(options), fold_minutes, models)
