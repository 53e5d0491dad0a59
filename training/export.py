"""Make a model folder of a checkpoint: python -m training.export RUN/last.ckpt --root DATA --models Resources/Models

The folder holds the card, the weights in half precision, and the attribution. The card's scores are those of the
exported weights on the recipe's validation cases, by the predictor that users run.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from AttnSegLib.catalog import CARD, load_card, sha256_of
from AttnSegLib.cost import network_facts
from AttnSegLib.errors import InputError
from AttnSegLib.predictor import SlicePredictor
from training import datasets
from training.case import Case, split
from training.evaluate import Score, evaluate
from training.recipe import Recipe, from_dict

_WEIGHTS = "weights.safetensors"
_ATTRIBUTION = "ATTRIBUTION.md"


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description="Make a model folder.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, for the card's scores")
    parser.add_argument("--models", type=Path, required=True, help="folder that the model folder is made in")
    options = parser.parse_args(arguments)
    try:
        folder = export(options.checkpoint, options.root, options.models)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: {load_card(folder / CARD).scores['summary']}")
    return 0


def export(checkpoint: Path, root: Path, models: Path) -> Path:
    """Write the model folder and return its path. Raises `InputError` if the checkpoint can't be read."""
    recipe, weights = _load(checkpoint)
    training, validation = split(list(datasets.cases(recipe.dataset, root)), recipe.validation)
    folder = models / _model_id(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: _halve(tensor) for name, tensor in weights.items()}, folder / _WEIGHTS)
    (folder / _WEIGHTS).chmod(0o644)  # safetensors makes it readable for its owner only
    card = _card(recipe, folder / _WEIGHTS, training)
    _write_card(folder, card)
    card["scores"] = _scores(folder, validation)
    _write_card(folder, card)
    (folder / _ATTRIBUTION).write_text(_attribution(recipe, card), encoding="utf-8")
    return folder


def _load(checkpoint: Path) -> tuple[Recipe, dict[str, torch.Tensor]]:
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        recipe = from_dict(content["hyper_parameters"])
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise InputError(f"'{checkpoint}' is not a checkpoint of training.train.") from error
    prefix = "network."
    weights = content["state_dict"].items()
    return recipe, {name.removeprefix(prefix): tensor for name, tensor in weights if name.startswith(prefix)}


def _model_id(recipe: Recipe) -> str:
    return f"{recipe.network}-{recipe.card['organ'].replace(' ', '_')}-{recipe.card['modality'].lower()}"


def _halve(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor


def _card(recipe: Recipe, weights: Path, training: list[Case]) -> dict[str, Any]:
    facts = {key: value for key, value in recipe.card.items() if key != "data_source"}
    return facts | {
        "id": _model_id(recipe),
        "network": recipe.network,
        "options": recipe.options,
        "facts": asdict(network_facts(recipe.network, **recipe.options)),
        "preprocessing": recipe.preprocessing,
        "weights": weights.name,
        "sha256": sha256_of(weights),
        "training": {
            "data": recipe.card["data_source"],
            "training_cases": [case.id for case in training],
            "validation_cases": list(recipe.validation),
            "optimisation": recipe.as_dict()["optimisation"],
        },
        "scores": {"summary": "not scored yet"},
    }


def _scores(folder: Path, validation: list[Case]) -> dict[str, Any]:
    """Scores as shipped, and without post-processing, so that everyone can see what it does."""
    spec = load_card(folder / CARD)
    shipped = list(evaluate(SlicePredictor.from_model(spec), spec.labels, validation))
    plain_predictor = SlicePredictor.from_model(replace(spec, largest_component=False))
    plain = list(evaluate(plain_predictor, spec.labels, validation))
    mean = float(np.mean([score.dice for score in shipped]))
    return {
        "summary": f"Dice {mean:.3f} on {len(validation)} validation patients",
        "meaning": "Dice of whole volumes, empty slices included, on patients that were never trained on and that "
        "chose nothing",
        "mean_dice": round(mean, 4),
        "mean_dice_without_postprocessing": round(float(np.mean([score.dice for score in plain])), 4),
        "cases": [_score_entry(*pair) for pair in zip(shipped, plain, strict=True)],
    }


def _score_entry(shipped: Score, plain: Score) -> dict[str, Any]:
    return {
        "case": shipped.case,
        "label": shipped.label,
        "dice": round(shipped.dice, 4),
        "dice_without_postprocessing": round(plain.dice, 4),
        "mean_slice_dice_of_filled_slices": round(shipped.slice_dice, 4),
        "volume_ml": round(shipped.volume_ml, 1),
        "reference_ml": round(shipped.reference_ml, 1),
    }


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def _attribution(recipe: Recipe, card: dict[str, Any]) -> str:
    licence_text = f"https://spdx.org/licenses/{card['licence']}.html"
    return (
        f"# {card['title']}\n\n"
        f"The weights in this folder were trained on {recipe.card['data_source']}.\n"
        f"They are shared under {card['licence']} ({licence_text}), as that data set asks.\n\n"
        f"Network: {card['reference']}.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
