"""A recipe: all settings that the result of a training depends on, read from TOML files and kept in checkpoints."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import Label, Source, are_numbered, fit_classes
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.typed_json import from_json
from training.learning.losses import loss_function
from training.learning.optimisation import Optimisation
from training.slices.augment import Augmentation
from training.slices.split import Split

RECIPES = Path(__file__).parents[1] / "recipes"
_NETWORK = "network."  # with this, the names of the network's weights begin in a checkpoint
_CARD = (
    *("title", "variant", "organ", "modality", "attention", "largest_component", "licence", "data_source"),
    "labels",
)


@dataclass(frozen=True)
class Recipe:
    """All settings of a training.

    Args:
        network, options: as for `networks.create`.
        card: the fields of the model's card that training can't find out.
        test_flips: predict with flips when the model is scored.

    Raises:
        InputError: for settings that do not fit together.
    """

    network: str
    options: dict[str, Any]
    dataset: Source
    split: Split
    preprocessing: Preprocessing
    augmentation: Augmentation
    optimisation: Optimisation
    card: dict[str, Any]
    test_flips: bool = False

    def __post_init__(self) -> None:
        loss_function(self.optimisation.loss, self.optimisation.alpha)  # raises if they are wrong
        self._check_validation()
        self._check_channels()
        self._check_crops()
        self._check_labels()

    def _check_validation(self) -> None:
        settings = self.optimisation
        if not settings.chooses_by_validation:
            return
        if not (self.split.validation or (self.split.shares or (0, 0, 0))[1]):
            raise InputError(
                "The recipe chooses by validation, but its split has none; use select = 'last' and another schedule."
            )
        if settings.validate_every > settings.epochs:
            raise InputError(
                f"The recipe validates every {settings.validate_every} epochs and has only {settings.epochs}; set "
                "validate_every."
            )

    def _check_channels(self) -> None:
        given, taken = self.preprocessing.in_channels, self.options.get("in_channels", 1)
        if given != taken:
            raise InputError(
                f"The recipe's preprocessing gives slices of {given} channel(s), and its network takes {taken}; set "
                f"in_channels = {given} in [options]."
            )

    def _check_crops(self) -> None:
        multiple = self.preprocessing.multiple
        if any(side % multiple for side in self.augmentation.size or ()):
            raise InputError(
                f"The recipe's augmentation cuts slices of {self.augmentation.size} pixels, and its preprocessing pads "
                f"them to a multiple of {multiple}, as the network needs; give a size of such multiples."
            )

    def _check_labels(self) -> None:
        count, classes = len(self.labels), self.options.get("num_classes", 1)
        if not are_numbered(self.labels):
            values = [label.value for label in self.labels]
            raise InputError(f"The labels of the recipe's card have values {values}; number them 1, 2, ...")
        if not fit_classes(self.labels, classes):
            raise InputError(
                f"The recipe's card has {count} label(s), and its network {classes} class(es); set num_classes "
                f"to {count + 1}, for the background, or to 1 for a single label."
            )
        sources = self.dataset.labels
        if sources is not None:
            listed = [value for source in sources for value in source]
            if len(sources) != count or len(listed) != len(set(listed)):
                raise InputError(
                    f"The labels of the recipe's dataset must be {count} list(s), one for each label of its "
                    "card, with no value in two of them."
                )

    @property
    def labels(self) -> tuple[Label, ...]:
        """The model's labels."""
        return tuple(from_json(Label, entry) for entry in self.card["labels"])

    def with_changes(self, **changes: Any) -> Recipe:
        """The same recipe with other values in `optimisation`. None keeps a value."""
        given = {key: value for key, value in changes.items() if value is not None}
        return replace(self, optimisation=replace(self.optimisation, **given))

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain values, for the checkpoint and the card."""
        return asdict(self)


def read_recipe(names: Sequence[str]) -> Recipe:
    """Read a recipe from several files. Values in a later file replace those in an earlier one.

    names: paths, or names of files in training/recipes/ such as "modern/anunet". If there is a common.toml beside a
    file, it is read first. Raises `InputError` if a file is missing, or the recipe is not complete or not understood.
    """
    try:
        return from_dict(read_tables(names))
    except InputError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"The recipe {' + '.join(names)} is not complete or not understood: {error}.") from error


def read_tables(names: Sequence[str]) -> dict[str, Any]:
    """The tables of several recipe files, joined as for `read_recipe`. They need not be a whole recipe. Raises
    `InputError` if a file is missing or no TOML."""
    values: dict[str, Any] = {}
    read: list[Path] = []
    for path in map(_find, names):
        for part in (path.with_name("common.toml"), path):
            if part.is_file() and part not in read:
                values = merged(values, _table(part))
                read.append(part)
    return values


def _find(name: str) -> Path:
    for path in (Path(name), RECIPES / f"{name}.toml"):
        if path.is_file():
            return path
    known = ", ".join(sorted(recipe_names()))
    if not known:
        raise InputError(
            f"There is no recipe '{name}': recipes lie beside training in a checkout of AttnSeg's repository, and here "
            "are none; run it there, or give the file of a recipe."
        )
    raise InputError(f"There is no recipe '{name}'; give a file, or one of: {known}.")


def recipe_names() -> list[str]:
    """The names of the recipes in training/recipes/."""
    paths = sorted(RECIPES.glob("*/*.toml"))
    return [str(path.relative_to(RECIPES).with_suffix("")) for path in paths if path.stem != "common"]


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The recipe '{path.name}' can't be read: {error}.") from error


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two tables as one. If both have a key, the second's value is taken; two values that are tables are merged."""
    result = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(first.get(key), dict)
        result[key] = merged(first[key], value) if both else value
    return result


def from_dict(values: dict[str, Any]) -> Recipe:
    """The recipe from plain values, as `as_dict` or TOML files give them. Raises `InputError` if they do not fit."""
    parts = {
        "dataset": Source,
        "split": Split,
        "preprocessing": Preprocessing,
        "augmentation": Augmentation,
        "optimisation": Optimisation,
    }
    if unknown := [name for name in values if name not in _names(Recipe)]:
        raise InputError(f"There is no '{unknown[0]}' in the recipe; there can be: {', '.join(_names(Recipe))}.")
    made = {name: _made(kind, name, _tuples(values.get(name, {}))) for name, kind in parts.items()}
    others = {name: value for name, value in values.items() if name not in parts}
    _check_card(others.get("card", {}))
    made_recipe: Recipe = _made(Recipe, "", {"options": {}, **others, **made})
    return made_recipe


def _check_card(card: dict[str, Any]) -> None:
    if missing := [name for name in _CARD if name not in card]:
        raise InputError(f"The recipe's [card] lacks {', '.join(missing)}.")
    if unknown := [name for name in card if name not in _CARD]:
        raise InputError(f"The recipe's [card] has no field '{unknown[0]}'; it has: {', '.join(_CARD)}.")


def _names(kind: Any) -> list[str]:
    return [one.name for one in fields(kind)]


def _made(kind: Any, section: str, values: dict[str, Any]) -> Any:
    """A dataclass with these values. Raises `InputError` with the name of a value that is unknown or missing."""
    where = f"[{section}]" if section else "the recipe"
    if unknown := [name for name in values if name not in _names(kind)]:
        raise InputError(f"There is no '{unknown[0]}' in {where}; there can be: {', '.join(_names(kind))}.")
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    if missing := [name for name in needed if name not in values]:
        raise InputError(
            f"{where[0].upper()}{where[1:]} lacks {', '.join(missing)}; a run needs a network, such as modern/anunet, "
            "and the recipe of an organ."
        )
    return kind(**values)


def refuse_another(checkpoint: Path, recipe: Recipe) -> None:
    """Raises `InputError` with a difference if a checkpoint was made by another recipe.

    The fields of the card may differ, except for the labels and `largest_component`."""
    if found := next(differences(recipe_of(checkpoint), recipe), None):
        raise InputError(
            f"The run in '{checkpoint.parent}' was made by another recipe ({found}); go on with that one, or give "
            "another --out."
        )


def differences(theirs: Recipe, ours: Recipe) -> Iterator[str]:
    """What weights and scores depend on and differs, in words: "optimisation.epochs: 250 there, 8 here"."""
    return _differences(_decisive(theirs), _decisive(ours))


def _decisive(recipe: Recipe) -> dict[str, Any]:
    """The settings on which weights and scores depend."""
    return recipe.as_dict() | {"card": {name: recipe.card[name] for name in ("labels", "largest_component")}}


def _differences(theirs: Any, ours: Any, name: str = "") -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs | ours:
            yield from _differences(theirs.get(key), ours.get(key), f"{name}.{key}" if name else str(key))
    elif theirs != ours:
        yield f"{name}: {theirs} there, {ours} here"


def recipe_of(checkpoint: Path) -> Recipe:
    """The recipe that a checkpoint was made by. Raises `InputError` if it can't be read."""
    return from_dict(read_checkpoint(checkpoint)["hyper_parameters"]["recipe"])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of `training.train`, without executing anything in it. Raises `InputError` for other files."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        content["hyper_parameters"]["recipe"]["network"], content["state_dict"]
    except Exception as error:  # torch.load can raise anything for a damaged file
        raise InputError(f"'{path}' is not a checkpoint of training.train, or is damaged.") from error
    content["hyper_parameters"]["recipe"].get("card", {}).pop("reference", None)  # older recipes have it
    return dict(content)


def network_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The network's weights in the content of a checkpoint, by their names in the network."""
    found = checkpoint["state_dict"].items()
    return {name.removeprefix(_NETWORK): tensor for name, tensor in found if name.startswith(_NETWORK)}


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    """The table with all lists turned to tuples, also lists in lists, since frozen dataclasses hold tuples."""

    def frozen(value: Any) -> Any:
        return tuple(frozen(item) for item in value) if isinstance(value, list | tuple) else value

    return {name: frozen(value) for name, value in table.items()}
