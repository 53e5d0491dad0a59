"""Teach a model from one's own segmentations: attnseg teach FOLDER --time 30m, or python -m training.teach ..."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from AttnSegLib.collections.begun import BegunRun, begun_with, keep_begun
from AttnSegLib.collections.collection import Collection, open_collection
from AttnSegLib.collections.elsewhere import unzip_collection
from AttnSegLib.collections.models_of import latest_model
from AttnSegLib.collections.teaching_run import (
    CHECKPOINT,
    DONE,
    FAILED,
    LEARNING,
    LEFT_OUT,
    METRICS,
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
from AttnSegLib.unfinished import whole_file
from training.export import Form, export
from training.learning.command_line import add_run_options, exit_code_of
from training.learning.recipe import Recipe, from_dict, read_checkpoint, read_recipe
from training.teaching.made_recipe import (
    NETWORKS,
    begun_by,
    in_plain_words,
    model_id_for,
    recipe_of_collection,
    recipe_table,
)
from training.teaching.suggestion import Doubted, suggest
from training.teaching.survey import survey
from training.teaching.toml_file import write_toml_file
from training.train import RunOptions, train

_EPILOG = """
FOLDER is a collection ('attnseg collect' makes one), or a zip file of one. The recipe is made from what is in it,
told in plain words, and written to recipe.toml in the folder of the run. Learning ends when the time is
over; scoring the cases that were left out, and writing the model, come after that.

A run that was stopped, or killed, goes on with the same command and --resume, and so does its clock.
"""
_NETWORK = "eccamunet"
_FINISHED = "finished.ckpt"
_BATCHES = 25  # between two checkpoints: what a killed run loses
_UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0}
_SHOWN = 5


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(lambda: _work(options), "the same command with --resume")


def _work(options: argparse.Namespace) -> None:
    is_zip = options.folder.suffix.lower() == ".zip" and options.folder.is_file()
    collection = open_collection(unzip_collection(options.folder) if is_zip else options.folder)
    if options.suggest is not None:
        _suggest(collection, options)
    else:
        _teach(collection, options)


def _teach(collection: Collection, options: argparse.Namespace) -> None:
    run = options.run or run_folder(collection.folder)
    with alone(run):
        recipe = _recipe(collection, run, options)
        words = tuple(in_plain_words(recipe, len(collection.cases)))
        for line in words:
            print(line)
        print(f"The whole recipe is in '{run / RECIPE}'.", flush=True)
        diary = TeachingDiary(run, _order(recipe, run, options))
        before = read_state(run) if (run / CHECKPOINT).is_file() else None
        spent, limit = (before.spent, before.limit) if before is not None else (0.0, 0.0)
        with _noted(diary):
            diary.note(PREPARING, words=words, left_out=_left_out(recipe), spent=spent, limit=limit)
            _learn(collection, recipe, run, (options, diary))


def _learn(collection: Collection, recipe: Recipe, run: Path, asked: tuple[argparse.Namespace, TeachingDiary]) -> None:
    options, diary = asked
    how = RunOptions(
        accelerator=options.accelerator,
        workers=options.workers,
        resume=options.resume,
        start=options.start,
        max_batches=_BATCHES,
        told=lambda spent, limit: diary.note(LEARNING, spent=spent, limit=limit),
        shown=partial(_write_left_out, run, recipe),
    )
    checkpoint = train(recipe, collection.folder, run, how)
    models = options.out or user_folder()
    print("The time is over; the model is scored and written.", flush=True)
    diary.note(SCORING)
    form = Form(may_find_nothing=True)  # the card says it
    folder = export(checkpoint, collection.folder, models, form, model_id=_free_id(collection, recipe, models))
    checkpoint.replace(run / _FINISHED)
    sentences = list(_told_of(folder))
    print("\n".join(sentences))
    diary.note(DONE, sentence=" ".join(sentences[1:]), model=folder.name)


def _left_out(recipe: Recipe) -> str:
    """The case on which the panel shows how the model improves, "" if none is left out."""
    return next(iter(recipe.split.test), "")


def _write_left_out(run: Path, recipe: Recipe, case_id: str, volume: Volume, label_map: np.ndarray) -> None:
    if case_id == _left_out(recipe):
        try:
            write_voxels_file(run / LEFT_OUT, label_map, volume.affine)
        except OSError as error:
            raise InputError(
                f"'{run}' can't be written to ({cause_of(error)}); free some space, then resume."
            ) from error


def _order(recipe: Recipe, run: Path, options: argparse.Namespace) -> TeachingOrder:
    """What was asked for, by now or when the interrupted run began."""
    before = read_state(run)
    start = options.start or (before.order.start if options.resume and before is not None else "")
    return TeachingOrder(recipe.optimisation.minutes or 0, recipe.network, str(start), options.accelerator)


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


def _recipe(collection: Collection, run: Path, options: argparse.Namespace) -> Recipe:
    """That of the interrupted run, or a new one, which is written down."""
    path = run / RECIPE
    if (run / CHECKPOINT).is_file():
        if not options.resume:
            raise InputError(
                f"'{run}' holds a run that was interrupted; add --resume to go on with it, or give another --run."
            )
        begun_with(run, collection)
        return read_recipe([str(path)])
    if options.time is None:
        raise InputError("Say how long to learn, such as --time 30m.")
    recipe = _made(collection, options)
    try:
        run.mkdir(parents=True, exist_ok=True)
        for name in (METRICS, LEFT_OUT):  # of the run before
            (run / name).unlink(missing_ok=True)
        write_toml_file(path, recipe_table(recipe), f"Made by training.teach from '{collection.name}'.")
        keep_begun(run, BegunRun(collection.cases))
    except OSError as error:
        raise InputError(f"'{run}' can't be written to ({cause_of(error)}); give another --run.") from error
    return recipe


def _made(collection: Collection, options: argparse.Namespace) -> Recipe:
    network, found = options.network, survey(collection)
    minutes = minutes_of(options.time)
    if options.start is None:
        return recipe_of_collection(collection, found, network or _NETWORK, minutes, options.seed)
    if Path(options.start).is_file():
        before = from_dict(read_checkpoint(Path(options.start))["hyper_parameters"]["recipe"])
        name, sizes, preprocessing = before.network, before.options, before.preprocessing
    else:
        spec = find_model(options.start)
        name, sizes, preprocessing = spec.network, spec.options, spec.preprocessing
    if network not in (None, name):
        raise InputError(f"'{options.start}' has the network '{name}', not '{network}'; leave --network out.")
    return begun_by(recipe_of_collection(collection, found, name, minutes, options.seed), sizes, preprocessing)


def _free_id(collection: Collection, recipe: Recipe, models: Path) -> str:
    """An id that no model has: an earlier one may be the better one, and stays."""
    wanted = model_id_for(collection, recipe.network)
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


def minutes_of(text: str) -> float:
    """Minutes of a duration such as "90s", "30m", "2h" or "1h30m". Raises `InputError` for other texts, and for 0."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text.lower().replace(" ", ""))
    minutes = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != text.lower().replace(" ", "") or minutes <= 0:
        raise InputError(f"'{text}' is not a time; write it as 90s, 30m, 2h or 1h30m.")
    return minutes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="attnseg teach",
        description="Teach a model from your own segmentations, in a time that you choose.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of a collection, or a zip file of one")
    parser.add_argument("--time", help="how long to learn: 90s, 30m, 2h, 1h30m")
    parser.add_argument("--network", choices=NETWORKS, help=f"(default: {_NETWORK}, or that of --from)")
    parser.add_argument("--from", dest="start", metavar="MODEL", help="begin with the weights of a model, or of a run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the model goes (default: your models)")
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of the run (default: beside FOLDER)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was interrupted")
    parser.add_argument("--seed", type=int, default=0, help="of chance, also of which cases are left out (default: 0)")
    parser.add_argument(
        "--suggest", type=Path, metavar="SCANS", help="say which scan of a folder to label next, instead of learning"
    )
    parser.add_argument(
        "--no-names", action="store_true", help=f"with --suggest: print no scan's name, and answer in {SUGGESTION}"
    )
    add_run_options(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
