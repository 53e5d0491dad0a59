"""A recipe: everything that decides what a training run makes, read from a TOML file and kept in the checkpoint."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from AttnSegLib.errors import InputError
from training.losses import LOSSES


@dataclass(frozen=True)
class Optimisation:
    """How a network is trained: AdamW, one cycle of the learning rate with the given peak.

    loss: a name of `losses.LOSSES`; crop: height and width of training slices in pixels; warm_up: share of the steps in
    which the learning rate rises; ema: decay of the moving average of the weights per step; precision: as Lightning
    names it; clip: largest norm of the gradient, None for any.
    """

    loss: str
    epochs: int
    batch_size: int
    crop: int
    learning_rate: float
    warm_up: float
    weight_decay: float
    ema: float
    seed: int = 0
    precision: str = "32-true"
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise InputError(f"There is no loss '{self.loss}'; choose one of: {', '.join(LOSSES)}.")


@dataclass(frozen=True)
class Recipe:
    """network, options, preprocessing: as in `ModelSpec`. validation: ids of cases that are never trained on.
    card: the fields of the model's card that training does not find out by itself."""

    dataset: str
    validation: tuple[str, ...]
    network: str
    options: dict[str, Any]
    preprocessing: dict[str, Any]
    optimisation: Optimisation
    card: dict[str, Any]

    def with_changes(self, **changes: Any) -> Recipe:
        """The same recipe with other values in `optimisation`; None leaves a value as it is."""
        given = {key: value for key, value in changes.items() if value is not None}
        return replace(self, optimisation=replace(self.optimisation, **given))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the checkpoint and the card."""
        return asdict(self)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file. Raises `InputError` if it is missing or not understood."""
    try:
        return from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"There is no recipe '{path}'; the recipes lie in training/recipes/.") from error
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise InputError(f"The recipe '{path.name}' can't be understood: {error}.") from error


def from_dict(values: dict[str, Any]) -> Recipe:
    """The recipe that `as_dict` made."""
    values = dict(values)
    optimisation = Optimisation(**values.pop("optimisation"))
    return Recipe(**{**values, "validation": tuple(values["validation"])}, optimisation=optimisation)
