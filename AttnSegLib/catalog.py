"""The trained models: their cards, and where they lie. Standard library only, so that listing them is instant."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError

_HERE = Path(__file__).resolve().parent
CARD = "card.json"


@dataclass(frozen=True)
class Code:
    """A coded term, such as SCT 82471001 "Left atrium"."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """One organ in a label map: its value there, and how a segment of it looks. color: RGB, 0 to 255."""

    value: int
    name: str
    color: tuple[int, int, int]
    category: Code
    type: Code

    @property
    def id(self) -> str:
        """Identifier of the segment: the name in lower case, with underscores for blanks."""
        return self.name.lower().replace(" ", "_")


@dataclass(frozen=True)
class ModelSpec:
    """A model's card: everything needed to run it, and to know whether to trust it.

    options: of the network; preprocessing: fields of `Preprocessing`; attention: maps that are recorded by default;
    training, scores: facts for people and for the report.
    """

    id: str
    title: str
    network: str
    options: dict[str, Any]
    organ: str
    modality: str
    labels: tuple[Label, ...]
    preprocessing: dict[str, Any]
    attention: tuple[str, ...]
    largest_component: bool
    weights: str
    sha256: str
    licence: str
    reference: str
    training: dict[str, Any]
    scores: dict[str, Any]
    folder: Path = field(default=Path(), compare=False)

    @property
    def weights_path(self) -> Path:
        """The weights file beside the card."""
        return self.folder / self.weights


def resource_folder(name: str) -> Path:
    """Folder `Resources/<name>`: beside the library in a checkout and in Slicer, inside it in an installed wheel."""
    inside = _HERE / "Resources" / name
    return inside if inside.is_dir() else _HERE.parent / "Resources" / name


def load_models(folder: Path | None = None) -> list[ModelSpec]:
    """The cards of all model folders, by id. Raises `InputError` for a card that can't be understood."""
    folder = folder or resource_folder("Models")
    return [load_card(path) for path in sorted(folder.glob(f"*/{CARD}"))]


def find_model(model_id: str, folder: Path | None = None) -> ModelSpec:
    """The model with an id, which is its folder's name, or in a model folder given by its path.

    Raises `InputError` listing the right ids.
    """
    folder = folder or resource_folder("Models")
    installed = {path.parent.name: path for path in sorted(folder.glob(f"*/{CARD}"))}
    if model_id in installed:
        return load_card(installed[model_id])
    if (Path(model_id) / CARD).is_file():
        return load_card(Path(model_id) / CARD)
    raise InputError(f"There is no model '{model_id}'; choose one of: {', '.join(installed) or 'none installed'}.")


def load_card(path: Path) -> ModelSpec:
    """Read a card. Raises `InputError` if it is damaged or lacks a field."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        labels = tuple(_label(entry) for entry in card.pop("labels"))
        if [label.value for label in labels] != list(range(1, len(labels) + 1)) or not labels:
            raise ValueError("labels must be numbered 1, 2, ...")
        card["attention"] = tuple(card["attention"])
        return ModelSpec(**card, labels=labels, folder=path.parent)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"The card of model '{path.parent.name}' is damaged; install the model again.") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _label(entry: dict[str, Any]) -> Label:
    red, green, blue = entry["color"]
    codes = {key: Code(**entry[key]) for key in ("category", "type")}
    return Label(value=entry["value"], name=entry["name"], color=(red, green, blue), **codes)
