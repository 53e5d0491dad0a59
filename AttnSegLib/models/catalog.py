"""The trained models: their cards, and where they lie. Standard library only, so that listing them is instant."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.images.planes import check_plane

_HERE = Path(__file__).resolve().parents[1]  # the library
# A file or folder name that leads nowhere else, on any system.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_EXTENT = ("largest_pixel_mm", "smallest_slice_mm", "largest_slice_mm", "share_with_contrast")  # of training, in a card
CARD = "card.json"


@dataclass(frozen=True)
class Code:
    """A coded term, such as SCT 82471001 "Left atrium"."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """One organ in a label map: its value there, and how a segment of it looks. color: RGB, 0 to 255. modifier: of the
    type, such as "Anterior"."""

    value: int
    name: str
    color: tuple[int, int, int]
    category: Code
    type: Code
    modifier: Code | None = None

    @property
    def id(self) -> str:
        """Identifier of the segment: the name in lower case, with underscores for blanks."""
        return self.name.lower().replace(" ", "_")


@dataclass(frozen=True)
class NetworkFacts:
    """What a panel must know of a network without loading torch.

    maps: titles of all its attention maps; queries: those of them that can show where one point looks; levels: to which
    it can be pruned. gmacs_per_megapixel, mb_per_megapixel: multiply-accumulates (thousands of millions) and memory of
    the activations (MB) for a slice of a million pixels.
    """

    maps: tuple[str, ...]
    queries: tuple[str, ...]
    levels: tuple[int, ...]
    gmacs_per_megapixel: float
    mb_per_megapixel: float


@dataclass(frozen=True)
class ModelSpec:
    """A model's card: everything needed to run it, and to know whether to trust it.

    options: of the network; preprocessing: fields of `Preprocessing`; attention: maps that are recorded by default;
    training, scores: facts for people and for the report; `preflight` warns by four of training: largest_pixel_mm,
    smallest_slice_mm, largest_slice_mm, and for CT share_with_contrast. mirrored: whether it was trained on mirrored
    slices, too, and so can be asked for the mean over flips. url: where the weights can be had (https) if they do not
    lie beside the card; size_bytes: of the weights file, None if unknown. own_plane: the card's, where `in_plane` took
    another, else empty.
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
    facts: NetworkFacts
    largest_component: bool
    weights: str
    sha256: str
    licence: str
    reference: str
    training: dict[str, Any]
    scores: dict[str, Any]
    mirrored: bool = False
    url: str = ""
    size_bytes: int | None = None
    folder: Path = field(default=Path(), compare=False)
    own_plane: str = field(default="", compare=False)

    @property
    def finds(self) -> str:
        """Where and what, as lists of models are ordered: "Abdomen in MR: liver, kidney, spleen"."""
        place = f"{self.organ.capitalize()} in {self.modality}"
        organs = list(dict.fromkeys(label.type.meaning.lower() for label in self.labels))
        return place if organs == [self.organ] else f"{place}: {', '.join(organs)}"

    @property
    def plane(self) -> str:
        """Plane of the slices that are taken, as in `Preprocessing`."""
        return str(self.preprocessing["plane"])

    @property
    def known_plane(self) -> str:
        """Plane of the slices that the model was trained on, as in `Preprocessing`."""
        return self.own_plane or self.plane

    def in_plane(self, plane: str) -> ModelSpec:
        """The model with another plane, as in `Preprocessing`, than its card says. Raises `InputError` if there is no
        such plane."""
        check_plane(plane)
        return replace(self, preprocessing=self.preprocessing | {"plane": plane}, own_plane=self.known_plane)

    @property
    def weights_path(self) -> Path:
        """The weights file: beside the card, or else in the user's folder; where it would be if it is at neither."""
        beside = self.folder / self.weights
        if beside.is_file() or not (self.url or self.download_path.is_file()):
            return beside
        return self.download_path

    @property
    def download_path(self) -> Path:
        """Where downloaded weights lie. It tells the version: weights of an older card are never taken for these."""
        return user_folder() / self.id / f"{self.sha256[:16]}.safetensors"

    @property
    def is_available(self) -> bool:
        """Whether the weights are on this computer."""
        return self.weights_path.is_file()


def resource_folder(name: str) -> Path:
    """Folder `Resources/<name>`: beside the library in a checkout and in Slicer, inside it in an installed wheel."""
    inside = _HERE / "Resources" / name
    return inside if inside.is_dir() else _HERE.parent / "Resources" / name


def user_folder() -> Path:
    """Folder of the user's own models, which need not exist: ATTNSEG_MODELS, or the platform's place for user data."""
    if chosen := os.environ.get("ATTNSEG_MODELS"):
        return Path(chosen).absolute()
    if sys.platform == "win32":
        variable, usual = "LOCALAPPDATA", "AppData/Local"
    elif sys.platform == "darwin":
        variable, usual = "", "Library/Application Support"
    else:
        variable, usual = "XDG_DATA_HOME", ".local/share"
    given = Path(os.environ.get(variable, ""))
    try:
        data = given if given.is_absolute() else Path.home() / usual
    except RuntimeError:  # a user without a home, as in some containers
        data = Path("/") / usual
    return data / "AttnSeg" / "Models"


def load_models(folder: Path | None = None, notify: Callable[[str], None] | None = None) -> list[ModelSpec]:
    """The cards of all model folders, by id: the bundled models and the user's, or those in `folder`.

    Where the user has a model with the id of a bundled one, the bundled one counts. A model whose card can't be
    understood is left out, since it must not hide the others.

    Args:
        folder: to look in; for a card there that can't be understood, `InputError` is raised.
        notify: gets a sentence for each model that is left out; without it, the log does.
    """
    if folder:
        return [load_card(path) for path in _cards(folder).values()]
    models = []
    for _, path in sorted(_usual_cards().items()):
        try:
            models.append(load_card(path))
        except InputError as error:
            (notify or logging.getLogger(__name__).warning)(f"{error} It lies in '{path.parent}'.")
    return models


def find_model(model_id: str, folder: Path | None = None) -> ModelSpec:
    """The model with an id, which is its folder's name, or in a model folder given by its path.

    Looks where `load_models` does. Raises `InputError` listing the right ids.
    """
    cards = _cards(folder) if folder else _usual_cards()
    if model_id in cards:
        return load_card(cards[model_id])
    if (Path(model_id) / CARD).is_file():
        return load_card(Path(model_id) / CARD)
    raise InputError(f"There is no model '{model_id}'; choose one of: {', '.join(sorted(cards)) or 'none installed'}.")


def load_card(path: Path) -> ModelSpec:
    """Read a card. Raises `InputError` if it is damaged or lacks a field."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        labels = tuple(label_from(entry) for entry in card.pop("labels"))
        if [label.value for label in labels] != list(range(1, len(labels) + 1)) or not labels:
            raise ValueError("labels must be numbered 1, 2, ...")
        card["attention"] = tuple(card["attention"])
        facts: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in card["facts"].items()
        }
        card["facts"] = NetworkFacts(**facts)
        spec = ModelSpec(**card, labels=labels, folder=path.parent)
        _check_facts(spec)
        _check_places(spec)
        if spec.size_bytes is None and spec.is_available:
            return replace(spec, size_bytes=spec.weights_path.stat().st_size)
        return spec
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"The card of model '{path.parent.name}' is damaged; install the model again.") from error


def label_from(entry: dict[str, Any]) -> Label:
    """The label in an entry of a card or a recipe. Raises `KeyError`, `TypeError` or `ValueError` if it lacks a
    part."""
    red, green, blue = entry["color"]
    codes = {key: Code(**entry[key]) for key in ("category", "type", "modifier") if key in entry}
    return Label(value=entry["value"], name=entry["name"], color=(red, green, blue), **codes)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _usual_cards() -> dict[str, Path]:
    """The user's and, with a better right to an id, the bundled ones."""
    return _cards(user_folder()) | _cards(resource_folder("Models"))


def _cards(folder: Path) -> dict[str, Path]:
    """Cards of the model folders in a folder, by the names of these; hidden ones are unfinished."""
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{CARD}")) if path.parent.name[0] != "."}


def _check_facts(spec: ModelSpec) -> None:
    """What lists, reports and warnings show must be there and fit, whoever wrote the card."""
    texts = (spec.title, spec.network, spec.organ, spec.modality, spec.licence, spec.reference, spec.scores["summary"])
    if not all(isinstance(text, str) for text in (*texts, spec.preprocessing["plane"], spec.own_plane)):
        raise ValueError("a text is missing")
    extent = [spec.training.get(name, 0) for name in _EXTENT]
    if not all(isinstance(value, int | float) for value in (*extent, spec.scores.get("mean_dice", 0))):
        raise ValueError("a number is none")


def _check_places(spec: ModelSpec) -> None:
    """A card may come from anyone: nothing in it may point out of the model's folder, or to an open line."""
    if not _PLAIN_NAME.fullmatch(spec.id) or not _PLAIN_NAME.fullmatch(spec.weights):
        raise ValueError("the id and the weights must be plain names")
    if not re.fullmatch(r"[0-9a-f]{64}", spec.sha256):
        raise ValueError("the SHA-256 must be 64 hexadecimal digits")
    if spec.url and not re.fullmatch(r"https://[!-~]+", spec.url):
        raise ValueError("the url must be an https one")
    if spec.size_bytes is not None and (type(spec.size_bytes) is not int or spec.size_bytes < 1):
        raise ValueError("the size must be a number of bytes")
