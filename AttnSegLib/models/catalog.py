"""Finds the trained models: the bundled ones and the user's. Standard library only, so that listing them is instant."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.places import is_seen, resource_folder, user_folder

NO_MODELS = (
    "No model is installed yet; import one, such as a folder of Resources/Models in the repository "
    "(https://github.com/AttnSeg/SlicerAttnSeg): attnseg models import PATH"
)


def load_models(folder: Path | None = None) -> list[ModelSpec]:
    """All models, sorted by id: the bundled ones and the user's, or those in `folder`.

    If a bundled model and one of the user have the same id, the bundled one is taken. A card that can't be read is left
    out, with a line in the log. Raises `InputError` only for such a card in `folder`.
    """
    if folder:
        return [load_card(path) for path in _cards(folder).values()]
    models, damaged = readable_models()
    for sentence in damaged:
        logging.getLogger(__name__).warning("%s", sentence)
    return models


def readable_models() -> tuple[list[ModelSpec], list[str]]:
    """The bundled models and the user's, and a sentence for each card that can't be read, and for the user's folder if
    it can't be read."""
    models: dict[str, ModelSpec] = {}
    cards, trouble = _all_cards()
    damaged = [trouble] if trouble else []
    for name, path in cards.items():
        try:
            models[name] = load_card(path)
        except InputError as error:
            damaged.append(f"{error} It lies in '{path.parent}'.")
    return [models[name] for name in sorted(models)], damaged


def find_model(model_id: str, folder: Path | None = None) -> ModelSpec:
    """The model with this id, which is the name of its folder; or the one in the model folder with this path.

    Looks where `load_models` does. If there is no such model, raises `InputError` with a list of the ids.
    """
    cards, trouble = (_cards(folder), "") if folder else _all_cards()
    if model_id in cards:
        return load_card(cards[model_id])
    if is_seen(Path(model_id) / CARD):
        return load_card(Path(model_id) / CARD)
    known = f"; choose one of: {', '.join(sorted(cards))}." if cards else f". {NO_MODELS}"
    raise InputError(f"There is no model '{model_id}'{known}{' ' if trouble else ''}{trouble}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _all_cards() -> tuple[dict[str, Path], str]:
    """The paths of all cards by id, and a sentence if the user's folder can't be read; bundled models work anyway."""
    folder, bundled = user_folder(), _cards(resource_folder("Models"))
    try:
        with os.scandir(folder):
            pass
    except FileNotFoundError:
        return bundled, ""
    except OSError as error:  # somebody else's home, or no home at all, as in some containers
        return bundled, (
            f"Your own models in '{folder}' can't be read ({cause_of(error)}); set ATTNSEG_MODELS to a folder that "
            "you may read and write."
        )
    return _cards(folder) | bundled, ""


def _cards(folder: Path) -> dict[str, Path]:
    """The paths of the cards in a folder of model folders, by the names of those. Hidden folders are unfinished copies,
    and left out."""
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{CARD}")) if path.parent.name[0] != "."}
