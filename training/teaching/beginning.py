"""What a teaching begins with: a recipe, cases, and first weights."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from AttnSegLib.collections.begun import BegunRun, begun_with, keep_begun
from AttnSegLib.collections.collection import Collection
from AttnSegLib.collections.teaching_run import CHECKPOINT, FOLDS, LEFT_OUT, METRICS, RECIPE
from AttnSegLib.errors import InputError, cause_of
from training.learning.recipe import Recipe, read_recipe
from training.slices.split import Split
from training.teaching.first_network import first_network
from training.teaching.folded import refuse_unscorable
from training.teaching.made_recipe import begun_by, left_out, recipe_of_collection, recipe_table
from training.teaching.options import NETWORK, fold_minutes_of, minutes_of
from training.teaching.survey import survey
from training.teaching.toml_file import write_toml_file


def begun_or_going_on(collection: Collection, run: Path, options: argparse.Namespace) -> tuple[Recipe, BegunRun]:
    """Recipe and beginning of the interrupted run, or of a new one; then they are written down.

    Raises `InputError` if the run is not to be gone on with, or if no model can be taught as the options say.
    """
    path = run / RECIPE
    if (run / CHECKPOINT).is_file():
        if not options.resume:
            raise InputError(
                f"'{run}' holds a run that was interrupted; add --resume to go on with it, or give another --run."
            )
        begun = begun_with(run, collection)
        return read_recipe([str(path)]), begun
    if options.time is None:
        nothing = f"There is no interrupted run in '{run}'; say" if options.resume else "Say"
        raise InputError(f"{nothing} how long to learn, such as --time 30m.")
    recipe, begun = _new(collection, options)
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


def _new(collection: Collection, options: argparse.Namespace) -> tuple[Recipe, BegunRun]:
    minutes, fold_minutes = minutes_of(options.time), fold_minutes_of(options)
    first = None if options.start is None else first_network(options.start, collection, options.network)
    seen: frozenset[str] = frozenset() if first is None else first.seen
    if fold_minutes:
        refuse_unscorable(collection, seen)
    network = (options.network or NETWORK) if first is None else first.name
    recipe = recipe_of_collection(collection, survey(collection), network, minutes, options.seed)
    if first is not None:
        recipe = begun_by(recipe, first.sizes, first.preprocessing)
    kept = () if fold_minutes else left_out(collection, options.seed, seen)
    start = "" if options.start is None else options.start
    if start and Path(start).exists():
        start = str(Path(start).resolve())  # the run may go on from another folder
    return replace(recipe, split=Split(test=kept)), BegunRun(collection.cases, start, fold_minutes)
