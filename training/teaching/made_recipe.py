"""Makes the recipe for a collection from what is in it, and describes it in plain words."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from AttnSegLib.collections.collection import Collection
from AttnSegLib.collections.teaching_run import number_of_folds
from AttnSegLib.errors import InputError
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.typed_json import to_json
from training.learning.recipe import Recipe, from_dict, merged, read_tables
from training.teaching.survey import Survey

NETWORKS = ("afnet", "anunet", "eccamunet", "msdualguided", "omeganet")
FEWEST_TO_SCORE = 5  # cases; with fewer, all are needed for training
_LEFT_OUT = 0.2  # share of the cases that are kept for the score
_ORGAN_PIXELS = 96  # wanted along the longer side of what is segmented
_LARGEST_SIDE = 192  # pixels of a slice; with more, there would be too few steps in the time
_SMALLEST_SIDE = 64  # pixels of a slice
_BATCH_PIXELS = 16 * 128 * 128  # pixels in a batch
_FILLED = 0.8  # at least this share of the slices in an epoch has a label
_HU = 5  # windows are rounded to multiples of this
_MOST_EPOCHS = 1_000_000  # never reached, since time ends the run


def recipe_of_collection(collection: Collection, found: Survey, network: str, minutes: float, seed: int = 0) -> Recipe:
    """The recipe for training the compact form of a network on a collection.

    Args:
        collection: with the cases.
        found: what `survey` found in it.
        network: one of `NETWORKS`.
        minutes: time for the training.
        seed: of the training, and of the choice of test cases.

    Raises:
        InputError: if there is no such network.
    """
    if network not in NETWORKS:
        raise InputError(f"There is no network '{network}' to teach; choose one of: {', '.join(NETWORKS)}.")
    base = read_tables([f"modern/{network}"])
    multiple = base.get("preprocessing", {}).get("multiple", Preprocessing.multiple)
    return from_dict(merged(base, _own(collection, found, minutes, seed, multiple)))


def begun_by(recipe: Recipe, sizes: dict[str, Any], preprocessing: Preprocessing) -> Recipe:
    """The recipe with a network that fits first weights.

    Args:
        recipe: as `recipe_of_collection` makes it.
        sizes: options of the network that the first weights come from.
        preprocessing: of this network.
    """
    multiple = math.lcm(recipe.preprocessing.multiple, preprocessing.multiple)
    height, width = (-(-side // multiple) * multiple for side in recipe.augmentation.size or (0, 0))
    channels, neighbours = preprocessing.channels, preprocessing.neighbours
    return replace(
        recipe,
        options=dict(sizes) | {"num_classes": recipe.options["num_classes"]},
        preprocessing=replace(recipe.preprocessing, channels=channels, neighbours=neighbours, multiple=multiple),
        augmentation=replace(recipe.augmentation, size=(height, width)),
    )


def _own(collection: Collection, found: Survey, minutes: float, seed: int, multiple: int) -> dict[str, Any]:
    spacing = _spacing(found)
    size = [_side(mm / spacing, multiple) for mm in found.slice_mm]
    batch = max(2, min(16, _BATCH_PIXELS // (size[0] * size[1])))
    intensities: dict[str, Any] = {"percentiles": [0.5, 99.5]}
    if collection.modality == "CT":
        intensities = {"window": _window(found)}
    return {
        "dataset": {"name": "collection"},
        "split": {"test": list(left_out(collection, seed))},
        "preprocessing": {"plane": found.plane, "pixel_spacing": spacing, **intensities},
        "augmentation": {"size": size},
        "options": {"in_channels": 1, "num_classes": len(collection.segments) + 1},
        "optimisation": {
            "loss": "dice_cross_entropy",
            "epochs": _MOST_EPOCHS,
            "minutes": minutes,
            "batch_size": batch,
            "validate_every": 1,
            "seed": seed,
            **({"foreground": _FILLED} if found.filled < _FILLED else {}),
        },
        "card": _card(collection, found),
    }


def _card(collection: Collection, found: Survey) -> dict[str, Any]:
    count = len(collection.cases)
    return {
        "title": f"{collection.name} in {collection.modality}",
        "organ": collection.name.lower(),
        "modality": collection.modality,
        "largest_component": found.one_piece,
        "licence": "LicenseRef-own-data",
        "data_source": f"{data_source_of(collection)}: {count} case{'s' * (count != 1)}",
        "labels": [_without_none(to_json(label)) for label in collection.segments],
    }


def data_source_of(collection: Collection) -> str:
    """What cards call a collection. The number of its cases follows there."""
    return f"a collection of one's own, '{collection.name}'"


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """A table without the entries that are None, since TOML has no None."""
    return {name: value for name, value in table.items() if value is not None}


def left_out(collection: Collection, seed: int, seen: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The ids of the cases kept for the score: about a fifth; none of fewer than five.

    They are drawn by the seed. No case is kept that first weights have `seen`, or that the training can't do without,
    since no other has one of its segments. Of the cases that were not seen, the earliest are kept: so a model that is
    taught on is scored by the same cases as the one before it, and learns from the new ones.
    """
    names = [case.id for case in collection.cases]
    if len(names) < FEWEST_TO_SCORE:
        return ()
    wanted = round(_LEFT_OUT * len(names))
    able = [name for name in names if name not in seen] if seen else random.Random(seed).sample(names, len(names))
    kept: list[str] = []
    for name in able:
        if len(kept) < wanted and _can_do_without(collection, {*kept, name}):
            kept.append(name)
    return tuple(sorted(kept))


def _can_do_without(collection: Collection, names: set[str]) -> bool:
    """Whether each segment is in a case that has none of these names."""
    others = [case for case in collection.cases if case.id not in names]
    return all(any(segment.id not in case.absent for case in others) for segment in collection.segments)


def _spacing(found: Survey) -> float:
    """The side of a pixel in mm, so that the organ has about 96 pixels. It is larger if slices would become too large,
    or if pixels would be finer than half of those of the scans."""
    wanted = max(found.organ_mm / _ORGAN_PIXELS, found.pixel_mm / 2, max(found.slice_mm) / _LARGEST_SIDE)
    return float(f"{wanted:.2g}")


def _side(pixels: float, multiple: int) -> int:
    """The side of a slice in pixels: that of the largest slice, within limits, rounded up to what the network takes."""
    wanted = min(max(math.ceil(pixels), _SMALLEST_SIDE), _LARGEST_SIDE)
    return -(-wanted // multiple) * multiple


def _window(found: Survey) -> list[float]:
    """The window in HU: the intensities of what is labelled, and on each side half of their range more, at least 50."""
    lower, upper = found.intensities
    margin = max((upper - lower) / 2, 50.0)
    return [float(_HU * round((lower - margin) / _HU)), float(_HU * round((upper + margin) / _HU))]


def model_id_for(collection: Collection, network: str) -> str:
    """The id of a model that is taught from a collection, such as "my-prostate-anunet"."""
    name = re.sub(r"[^a-z0-9]+", "_", collection.name.lower()).strip("_") or "collection"
    return f"my-{name[:60]}-{network}"


def in_plain_words(recipe: Recipe, count: int, fold_minutes: float = 0.0) -> Iterator[str]:
    """Sentences that tell the user what a training by such a recipe does.

    Args:
        recipe: of the training.
        count: cases in the collection.
        fold_minutes: for each of the models that score every case; 0 without them.
    """
    pre, run = recipe.preprocessing, recipe.optimisation
    height, width = recipe.augmentation.size or (0, 0)
    yield f"Network: {recipe.card['variant']}."
    yield f"Slices: {pre.plane}, of {height} x {width} pixels of {pre.pixel_spacing:g} mm, {run.batch_size} at a time."
    if pre.window:
        yield f"Intensities: {pre.window[0]:g} to {pre.window[1]:g} HU, which the segments need."
    else:
        yield "Intensities: from the darkest to the brightest voxels of each scan, but for 1 %."
    if run.foreground:
        yield f"{run.foreground:.0%} of the slices that are learnt from have a label."
    if recipe.card["largest_component"]:
        yield "Of each segment only the largest piece is kept: in the cases that were looked at, each is one piece."
    minutes = run.minutes or 0.0
    if fold_minutes:
        folds = number_of_folds(count)
        yield (
            f"Time: {_minutes(minutes)} for the model, then {folds} x {_minutes(fold_minutes)} for its score: "
            f"{_minutes(minutes + folds * fold_minutes)} of learning in all."
        )
        shorter = ", each for a shorter time than the model" if fold_minutes < minutes else ""
        yield f"Score: by all {count} cases, of {folds} more models that are taught without them{shorter}."
        return
    yield f"Time: {_minutes(minutes)} of learning; what is ready then is the model."
    if recipe.split.test:
        names = ", ".join(recipe.split.test)
        yield f"Score: by {names}, which the training never sees; {count - len(recipe.split.test)} cases train."
    elif count < FEWEST_TO_SCORE:
        yield f"No score: with fewer than {FEWEST_TO_SCORE} cases all are needed for the training."
    else:
        yield (
            "No score: no case can be left out; the first weights have learnt from it, or no other case has one of its "
            "segments."
        )


def _minutes(number: float) -> str:
    if number < 1:
        return f"{60 * number:.3g} seconds"
    return f"{number:.4g} minute{'s' * (number != 1)}"


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """A whole recipe as plain values, for a TOML file."""
    return asdict(recipe)
