"""Make a model folder of a checkpoint: python -m training.export RUN/last.ckpt --root DATA --models FOLDER

The folder holds the card, the weights, the attribution and a metadata file as MONAI bundles have. The card's scores are
those of the stored weights on the split's test cases, see `card_scores`. Put into the folder that `attnseg models`
names, the model appears there and in Slicer.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.inference.checks.contrast import lacks_contrast
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import ModelSpec, ScoreFacts, TrainingFacts
from AttnSegLib.models.card_file import CARD, load_card, write_card
from AttnSegLib.models.catalog import sha256_of
from AttnSegLib.models.places import user_folder
from AttnSegLib.networks.cost import network_facts
from AttnSegLib.networks.references import reference_of
from AttnSegLib.unfinished import replace_folder, scratch_folder
from training import datasets
from training.learning.recipe import Recipe, from_dict, read_checkpoint
from training.learning.start import first_weights_of, licence_of_both
from training.model_folder.bundle import bundle_metadata
from training.model_folder.card_scores import NO_SCORE, CardScoring, FoldedScores, card_scores
from training.model_folder.eight_bits import eight_bits, what_was_lost
from training.model_folder.onnx_file import write_onnx
from training.model_folder.stored_weights import BITS, Bits, write_weights
from training.scoring.candidates import network_of, predictor_of
from training.slices.case import Case

_WEIGHTS = "weights.safetensors"
_LOOKED_AT = 20  # training cases, for their extent
_TRIED = 3  # training cases, if there are no test cases


@dataclass(frozen=True)
class Form:
    """How a model is written. bits: of a weight, see `write_weights`; onnx: also as an ONNX file for slices of this
    height and width in pixels, checked against torch; overwrite: replace a model of the same id; may_find_nothing: also
    write a model that misses a label in all cases it is tried on; int8: with what computing in 8 bits needs; folded:
    what other models score, if no case was left out."""

    bits: Bits = 16
    onnx: tuple[int, int] | None = None
    overwrite: bool = False
    may_find_nothing: bool = False
    int8: bool = False
    folded: FoldedScores | None = None


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    onnx = tuple(options.onnx) if options.onnx else None
    form = Form(options.weights_in, onnx, options.overwrite, options.even_if_it_finds_nothing, options.int8)
    try:
        folder = export(options.checkpoint, options.root, options.models, form, model_id=options.id)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    spec = load_card(folder / CARD)
    print(f"{folder}: {spec.scores.summary}" + (f"; {what_was_lost(spec.eight_bits)}" if spec.eight_bits else ""))
    return 0


def export(checkpoint: Path, root: Path, models: Path, form: Form, *, model_id: str | None = None) -> Path:
    """Write the model folder, whole or not at all, and return its path.

    Raises `InputError` if the checkpoint or a test case can't be read, if there is a model of that id already, and, see
    `card_scores`, if the model should not be written so.
    """
    content = read_checkpoint(checkpoint)
    recipe = from_dict(content["hyper_parameters"]["recipe"])
    folder = models / _checked_id(model_id or _model_id(recipe))
    if folder.exists() and not form.overwrite:
        raise InputError(f"There is a model '{folder}' already; give another --id, or --overwrite.")
    models.mkdir(parents=True, exist_ok=True)
    with scratch_folder(models) as scratch:
        made = scratch / folder.name
        made.mkdir()
        _fill(made, content, root, form)
        replace_folder(made, folder)
    return folder


def written_before(checkpoint: Path, models: Path, model_id: str) -> Path | None:
    """The folder in `models` whose weights are those of a checkpoint, in 16 bits, and whose name begins with this id;
    None if there is none. Raises `InputError` and `OSError` as `export`."""
    there = [path for path in sorted(models.glob(f"{model_id}*/{_WEIGHTS}")) if path.is_file()]
    if not there:
        return None
    with scratch_folder(models) as scratch:
        write_weights(network_of(read_checkpoint(checkpoint)), 16, scratch / _WEIGHTS)
        own = sha256_of(scratch / _WEIGHTS)
    return next((path.parent for path in there if sha256_of(path) == own), None)


def _fill(folder: Path, content: dict[str, Any], root: Path, form: Form) -> None:
    recipe, ids = from_dict(content["hyper_parameters"]["recipe"]), content["hyper_parameters"]["cases"]
    write_weights(network_of(content), form.bits, folder / _WEIGHTS)
    found = datasets.cases_of(recipe.dataset.name, root, **recipe.dataset.options)
    facts = _with_extent(_training_facts(content), recipe, [case for case in found if case.id in ids["training"]])
    spec = _written(_spec(recipe, folder, facts), folder)
    precise = predictor_of(content, Compute(), largest_component=spec.largest_component) if form.bits == 8 else None
    cases, are_test = _cases_to_score(found, ids, root), bool(ids["test"])
    scoring = CardScoring(cases, are_test, precise, form.may_find_nothing, form.folded)
    spec = _written(replace(spec, scores=card_scores(spec, recipe, scoring)), folder)
    if form.int8:
        spec = _written(replace(spec, eight_bits=eight_bits(spec, root)), folder)
    (folder / "metadata.json").write_text(
        json.dumps(bundle_metadata(spec), indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    (folder / "ATTRIBUTION.md").write_text(_attribution(spec, recipe), encoding="utf-8")
    if form.onnx:
        network = SlicePredictor.from_model(spec, Compute("cpu", precision="float32")).network
        write_onnx(network, recipe.preprocessing.in_channels, form.onnx, folder / "model.onnx")


def _cases_to_score(found: list[Case], ids: dict[str, list[str]], root: Path) -> list[Case]:
    """All test cases, or, if there are none, some that were trained on: there, too, a model must find something."""
    part = "test" if ids["test"] else "training"
    cases = [case for case in found if case.id in ids[part]]
    if len(cases) != len(ids[part]):
        raise InputError(
            f"'{root}' lacks some of the {len(ids[part])} {part} cases of the run; give the same data set."
        )
    return cases if ids["test"] else cases[:_TRIED]


def _written(spec: ModelSpec, folder: Path) -> ModelSpec:
    """The model as users will read it from the card that is written here."""
    write_card(spec, folder)
    return load_card(folder / CARD)


def _training_facts(content: dict[str, Any]) -> TrainingFacts:
    known = content["hyper_parameters"]
    recipe, ids = from_dict(known["recipe"]), known["cases"]
    return TrainingFacts(
        data=recipe.card["data_source"],
        training_cases=tuple(ids["training"]),
        validation_cases=tuple(ids["validation"]),
        test_cases=tuple(ids["test"]),
        dataset=recipe.dataset,
        augmentation=asdict(recipe.augmentation),
        optimisation=asdict(replace(recipe.optimisation, precision=known["precision"])),  # instead of "auto"
        start=first_weights_of(content),  # whose patients the weights have seen, too
        epochs_done=content["epoch"] + 1,
    )


def _with_extent(facts: TrainingFacts, recipe: Recipe, training: list[Case]) -> TrainingFacts:
    """With the coarsest pixel, and the smallest and the largest side of a slice, that were trained on, and in CT the
    share of scans with a contrast agent, and whether the cases were pictures; of some of the cases, since reading all
    may take long."""
    pixels: list[float] = []
    sides: list[float] = []
    depths: list[int] = []
    enhanced: list[bool] = []  # of CT, where alone it can be told
    for case in training[:_LOOKED_AT]:
        volume = case.read().volume
        stack = SliceStack.of(volume, recipe.preprocessing)
        spacing = [volume.spacing[2 - axis] for axis in stack.axes[1:]]
        pixels.append(max(spacing))
        depths.append(len(stack))
        sides += [n * mm for n, mm in zip(stack.native_size, spacing, strict=True)]
        if recipe.card["modality"] == "CT":
            enhanced.append(not lacks_contrast(volume))
    if not training:
        return facts
    return replace(
        facts,
        largest_pixel_mm=round(max(pixels), 3),
        smallest_slice_mm=round(min(sides), 1),
        largest_slice_mm=round(max(sides), 1),
        share_with_contrast=round(sum(enhanced) / len(enhanced), 3) if enhanced else None,
        pictures=max(depths) == 1,
    )


def _model_id(recipe: Recipe) -> str:
    return f"{recipe.network}-{recipe.card['organ'].replace(' ', '_')}-{recipe.card['modality'].lower()}"


def _checked_id(model_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}[A-Za-z0-9_-]", model_id):  # as cards need it
        raise InputError(f"'{model_id}' can't be a model's id; give an --id of letters, digits, '-', '_' and '.'.")
    return model_id


def _spec(recipe: Recipe, folder: Path, facts: TrainingFacts) -> ModelSpec:
    """All but the scores."""
    own = recipe.card
    return ModelSpec(
        id=folder.name,
        title=f"{own['title']} ({own['variant']})",
        network=recipe.network,
        options=recipe.options,
        organ=own["organ"],
        modality=own["modality"],
        labels=recipe.labels,
        preprocessing=recipe.preprocessing,
        attention=tuple(own["attention"]),
        facts=network_facts(recipe.network, **recipe.options),
        largest_component=own["largest_component"],
        weights=_WEIGHTS,
        sha256=sha256_of(folder / _WEIGHTS),
        licence=licence_of_both(own["licence"], facts.start.licence if facts.start else ""),
        reference=reference_of(recipe.network).text,
        training=facts,
        scores=ScoreFacts(NO_SCORE),
        mirrored=recipe.test_flips or {"vertical", "horizontal"} <= set(recipe.augmentation.flips),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.export", description="Make a model folder.")
    parser.add_argument("checkpoint", type=Path, help="last.ckpt or best.ckpt of a run")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, for the card's scores")
    parser.add_argument("--models", type=Path, default=user_folder(), help="where to put it (default: %(default)s)")
    parser.add_argument("--id", help="the model's id (default: network, organ and modality)")
    parser.add_argument(
        "--weights-in",
        type=int,
        choices=BITS,
        default=16,
        metavar="BITS",
        help="8, 16 or 32 bits a weight (default: 16); 8 is refused if the Dice falls by it",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="let labels be computed in 8 bits, by OpenVINO on a CPU; refused if the Dice falls by it",
    )
    parser.add_argument(
        "--onnx", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="also write model.onnx for slices of this size"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a model of the same id")
    parser.add_argument(
        "--even-if-it-finds-nothing", action="store_true", help="also if it misses a label in all test cases"
    )
    return parser


def _attribution(spec: ModelSpec, recipe: Recipe) -> str:
    start = spec.training.start
    under = f" (those weights: {start.licence})" if start and start.licence else ""
    before = f"Before that, on: {start.data}{under}.\n" if start else ""
    asked = "as these data ask" if start else "as that data set asks"
    shared = f"They are shared under {spec.licence} (https://spdx.org/licenses/{spec.licence}.html), {asked}."
    if spec.licence.startswith("LicenseRef-"):  # no licence that others know
        shared = "Whether they may be shared is for the owner of these data to say."
    return (
        f"# {spec.title}\n\n"
        f"The weights in this folder were trained on: {recipe.card['data_source']}.\n"
        f"{before}"
        f"{shared}\n\n"
        f"Network: {spec.reference}.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
