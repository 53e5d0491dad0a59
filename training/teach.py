"""Teach a model from one's own segmentations: attnseg teach FOLDER --time 30m, or python -m training.teach ..."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from AttnSegLib.collections.begun import BegunRun, keep_begun
from AttnSegLib.collections.collection import Collection, open_collection
from AttnSegLib.collections.elsewhere import unzip_collection
from AttnSegLib.collections.models_of import latest_model
from AttnSegLib.collections.teaching_run import (
    CHECKPOINT,
    DONE,
    FAILED,
    FOLDS,
    LEARNING,
    LEFT_OUT,
    PAUSED,
    PREPARING,
    RECIPE,
    SCORING,
    SUGGESTION,
    TeachingDiary,
    TeachingOrder,
    alone,
    read_state,
    run_folder,
)
from AttnSegLib.collections.voxel_file import write_voxels_file
from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import user_folder
from AttnSegLib.unfinished import scratch_folder, whole_file
from training.export import Form, export, written_before
from training.learning.command_line import exit_code_of
from training.learning.recipe import Recipe, read_checkpoint
from training.teaching.beginning import begun_or_going_on
from training.teaching.folded import FoldedRun
from training.teaching.made_recipe import in_plain_words, model_id_for
from training.teaching.options import teach_parser
from training.teaching.suggestion import Doubted, suggest
from training.train import RunOptions, train

_FINISHED = "finished.ckpt"
_BATCHES = 25  # between two checkpoints: what a killed run loses
_SHOWN = 5
_FEW_STEPS = 100  # from random weights; ten hippocampi gave a Dice of 0.2 in 27 steps, and of 0.8 in some 150


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = teach_parser().parse_args(arguments)
    return exit_code_of(lambda: _work(options), "the same command with --resume")


def _work(options: argparse.Namespace) -> None:
    is_zip = options.folder.suffix.lower() == ".zip" and options.folder.is_file()
    collection = open_collection(unzip_collection(options.folder) if is_zip else options.folder)
    if options.suggest is not None:
        _suggest(collection, options)
    else:
        _teach(collection, options)


@dataclass(frozen=True)
class _Teaching:
    """What is taught, where, and from what on."""

    collection: Collection
    recipe: Recipe
    run: Path
    models: Path
    begun: BegunRun
    diary: TeachingDiary
    how: RunOptions


def _teach(collection: Collection, options: argparse.Namespace) -> None:
    run = options.run or run_folder(collection.folder)
    how = RunOptions(
        accelerator=options.accelerator,
        workers=options.workers,
        cache=run / "slices",
        resume=options.resume,
        max_batches=_BATCHES,
    )
    how.compute.resolve_device()  # or it is refused, before the scans are read
    with alone(run):
        before = read_state(run)
        if before is not None and before.stage == DONE:
            _put_away(run)  # it was killed when nothing else was to be done
        recipe, begun = begun_or_going_on(collection, run, options)
        models = _models_folder(begun)
        words = tuple(in_plain_words(recipe, len(collection.cases), begun.fold_minutes))
        for line in words:
            print(line)
        print(f"The whole recipe is in '{run / RECIPE}'.", flush=True)
        diary = TeachingDiary(run, _order(recipe, begun, options))
        goes_on = before is not None and (run / CHECKPOINT).is_file()
        spent, limit = (before.spent, before.limit) if before is not None and goes_on else (0.0, 0.0)
        with _noted(diary):
            model = Path(begun.model).name
            diary.note(PREPARING, words=words, left_out=_watched(recipe), spent=spent, limit=limit, model=model)
            _learn(_Teaching(collection, recipe, run, models, begun, diary, how))
        _put_away(run)


def _learn(one: _Teaching) -> None:
    goes_on = (one.run / CHECKPOINT).is_file()  # which has its first weights
    how = replace(
        one.how,
        start=None if goes_on else one.begun.start or None,
        told=lambda spent, limit: one.diary.note(LEARNING, spent=spent, limit=limit),
        shown=partial(_write_left_out, one.run, one.recipe),
    )
    checkpoint = train(one.recipe, one.collection.folder, one.run, how)
    folder = _written(one, checkpoint)
    if one.begun.fold_minutes:
        _score_in_folds(one, checkpoint, folder, replace(how, start=one.begun.start or None, shown=None))
    sentences = list(_told_of(folder))
    if not one.begun.start and (steps := read_checkpoint(checkpoint)["global_step"]) < _FEW_STEPS:
        sentences.append(f"It learnt for {steps} steps only: give it more time, and the whole computer.")
    print("\n".join(sentences))
    one.diary.note(DONE, sentence=" ".join(sentences[1:]), model=folder.name)


def _put_away(run: Path) -> None:
    """What a run that is done does not go on with."""
    if (run / CHECKPOINT).is_file():
        (run / CHECKPOINT).replace(run / _FINISHED)
    shutil.rmtree(run / FOLDS, ignore_errors=True)


def _written(one: _Teaching, checkpoint: Path) -> Path:
    """The folder of the model, which is written now, unless the interrupted run wrote it."""
    if one.begun.model:
        return Path(one.begun.model)
    print("The time is over; the model is scored and written.", flush=True)
    one.diary.note(SCORING)
    models, wanted = one.models.resolve(), model_id_for(one.collection, one.recipe.network)
    with _room_in(models):
        folder = written_before(checkpoint, models, wanted) if one.how.resume else None
    if folder is None:
        folder = models / _free_id(wanted, models)
        _export(one, checkpoint, folder, Form(may_find_nothing=True))  # the card says it
    if one.begun.fold_minutes:
        keep_begun(one.run, replace(one.begun, model=str(folder)))
        one.diary.note(SCORING, model=folder.name)  # it can be used, while its score is made
    return folder


def _score_in_folds(one: _Teaching, checkpoint: Path, folder: Path, how: RunOptions) -> None:
    limit = 60 * one.begun.fold_minutes

    def told(fold: int, folds: int, spent: float) -> None:
        one.diary.note(LEARNING, fold=fold, folds=folds, spent=spent, limit=limit)

    folded = FoldedRun(one.recipe, one.collection.folder, one.run, one.begun.fold_minutes).score(how, told)
    one.diary.note(SCORING)
    _export(one, checkpoint, folder, Form(may_find_nothing=True, overwrite=True, folded=folded))


def _export(one: _Teaching, checkpoint: Path, folder: Path, form: Form) -> None:
    with _room_in(folder.parent):
        export(checkpoint, one.collection.folder, folder.parent, form, model_id=folder.name)


@contextlib.contextmanager
def _room_in(models: Path) -> Iterator[None]:
    """A block that writes there. Raises `InputError` if the disk is full."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The model can't be written into '{models}' ({cause_of(error)}), and nothing is lost: free some space, "
            "then go on (--resume)."
        ) from error


def _models_folder(begun: BegunRun) -> Path:
    """Where the model goes. Raises `InputError` if it can't, while nothing has been learnt for nothing."""
    models = Path(begun.models) if begun.models else user_folder()
    try:
        models.mkdir(parents=True, exist_ok=True)
        with scratch_folder(models):
            return models
    except OSError as error:
        raise InputError(f"'{models}' can't be written to ({cause_of(error)}); give another --out.") from error


def _watched(recipe: Recipe) -> str:
    """The case on which the panel shows how the model improves, "" if none is left out."""
    return next(iter(recipe.split.test), "")


def _write_left_out(run: Path, recipe: Recipe, case_id: str, volume: Volume, label_map: np.ndarray) -> None:
    if case_id == _watched(recipe):
        try:
            write_voxels_file(run / LEFT_OUT, label_map, volume.affine)
        except OSError as error:
            raise InputError(
                f"'{run}' can't be written to ({cause_of(error)}); free some space, then resume."
            ) from error


def _order(recipe: Recipe, begun: BegunRun, options: argparse.Namespace) -> TeachingOrder:
    """What was asked for, by now or when the interrupted run began."""
    minutes, every_case = recipe.optimisation.minutes or 0, begun.fold_minutes > 0
    return TeachingOrder(minutes, recipe.network, begun.start, options.accelerator, every_case)


@contextlib.contextmanager
def _noted(diary: TeachingDiary) -> Iterator[None]:
    """A block whose untimely end is noted."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(InputError):  # a full disk, of which the first error tells
            if isinstance(error, InputError):
                diary.note(FAILED, sentence=str(error))
            elif isinstance(error, KeyboardInterrupt | SystemExit):  # Lightning makes the second of the first
                diary.note(PAUSED)
            else:
                diary.note(FAILED, sentence=f"The teaching came to an unexpected end ({type(error).__name__}).")
        raise


def _told_of(folder: Path) -> Iterator[str]:
    scores = load_card(folder / CARD).scores
    yield f"The model is in '{folder}': {scores.summary}."
    for name in scores.found_in_no_case:
        yield f"It finds nothing, or almost nothing, of '{name}': give it more time, or more cases."
    if scores.mean_dice is None:
        yield "Look at what it finds in scans that it does not know before you trust it."


def _free_id(wanted: str, models: Path) -> str:
    """An id that no model has: an earlier one may be the better one, and stays."""
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1000))]
    return next(name for name in names if not (models / name).exists())


def _suggest(collection: Collection, options: argparse.Namespace) -> None:
    spec = latest_model(collection) if options.start is None else find_model(options.start)
    accelerator = "cuda" if options.accelerator == "gpu" else options.accelerator
    predictor = SlicePredictor.from_model(spec, Compute(accelerator))
    unread = "Left out: a scan that can't be read." if options.no_names else ""
    found = suggest(collection, options.suggest, predictor, lambda told: print(unread or told, file=sys.stderr))
    scans = f"{len(found)} scan{'s' * (len(found) != 1)}"
    if options.no_names:
        print(f"The model looked at {scans}.")
        _write_suggestion(options.run or run_folder(collection.folder), spec.id, found)
        return
    print(f"Label '{found[0].path}' next: of {scans}, '{spec.id}' is least sure of it.")
    for one in found[:_SHOWN]:
        print(f"  {one.doubt:.3f}  {one.path.name}")


def _write_suggestion(run: Path, model: str, found: list[Doubted]) -> None:
    """For the panel, which asked, and removes it."""
    scans = [{"path": str(one.path.resolve()), "doubt": one.doubt} for one in found]
    try:
        run.mkdir(parents=True, exist_ok=True)
        with whole_file(run / SUGGESTION) as file:
            file.write(json.dumps({"model": model, "scans": scans}, indent=2).encode())
    except OSError as error:
        raise InputError(f"'{run}' can't be written to ({cause_of(error)}); give another --run.") from error


if __name__ == "__main__":
    raise SystemExit(main())
