"""First weights that were learnt on other data, instead of random ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import FirstWeights
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.weights import load_weights
from AttnSegLib.typed_json import from_json, to_json
from training.learning.module import SegmentationModule
from training.learning.recipe import network_weights, read_checkpoint

_CREATIVE_COMMONS = re.compile(r"CC0-1\.0|CC-BY(-NC)?(-SA)?-4\.0")


@dataclass(frozen=True)
class Learnt:
    """Weights of a network, by their names, and what they were learnt on, first weights of theirs included."""

    weights: dict[str, Tensor]
    on: FirstWeights


def learnt(given: str) -> Learnt:
    """The weights of a run or of a model.

    Args:
        given: path of a run's checkpoint; id of a model, or path of its folder.

    Raises:
        InputError: if it is none of them.
    """
    if Path(given).is_file():
        return of_checkpoint(read_checkpoint(Path(given)))
    spec = find_model(given)
    weights = load_weights(spec.weights_path, spec.sha256)
    facts = spec.training
    own = FirstWeights(facts.data or spec.title, facts.training_cases, spec.licence)
    return Learnt(weights, _all_of(own, facts.start))


def of_checkpoint(content: dict[str, Any]) -> Learnt:
    """The weights in a run's checkpoint."""
    run = content["hyper_parameters"]
    card = run["recipe"]["card"]
    own = FirstWeights(card["data_source"], tuple(run["cases"]["training"]), card["licence"])
    return Learnt(network_weights(content), _all_of(own, first_weights_of(content)))


def first_weights_of(content: dict[str, Any]) -> FirstWeights | None:
    """What the run of a checkpoint began with, None if its first weights were random."""
    start = content["hyper_parameters"].get("start")
    return from_json(FirstWeights, start) if start else None


def begin_with(module: SegmentationModule, first: Learnt) -> str:
    """Give a module weights that were learnt before where names and shapes are the same: all but the heads, if the
    labels differ. What they were learnt on is kept with the new weights, for the model's card. Returns a sentence.

    Raises:
        InputError: if less than half of the weights fit, or if no licence keeps both those of the data and theirs.
    """
    licence_of_both(module.recipe.card["licence"], first.on.licence)
    own = module.network.state_dict()
    fitting = {name: t for name, t in first.weights.items() if name in own and own[name].shape == t.shape}
    count, total = (sum(tensor.numel() for tensor in part.values()) for part in (fitting, own))
    if 2 * count < total:
        raise InputError(
            f"Only {count:,} of {total:,} of the first weights fit this network; give those of the same network, of "
            "the same width."
        )
    module.network.load_state_dict(own | fitting)
    module.hparams["start"] = to_json(first.on)
    return f"Begins with {count:,} of {total:,} weights learnt on: {first.on.data}."


def licence_of_both(own: str, first: str) -> str:
    """The licence of weights that began with others: the conditions of both.

    Args:
        own: what the data ask for that they were trained on; a "LicenseRef-..." is the owner's to say, and stays.
        first: that of the first weights; empty if it is not known.

    Raises:
        InputError: for two of which none is known that keeps both.
    """
    if own == first or not first or own.startswith("LicenseRef-"):
        return own
    conditions = [_CREATIVE_COMMONS.fullmatch(licence) for licence in (own, first)]
    if not all(conditions):
        raise InputError(
            f"The data ask for {own} and the first weights for {first}: no licence is known that keeps both. Begin "
            "with other weights."
        )
    both = ["-" + name for name in ("NC", "SA") if any(f"-{name}" in licence for licence in (own, first))]
    return "".join(["CC-BY", *both, "-4.0"])


def _all_of(own: FirstWeights, earlier: FirstWeights | None) -> FirstWeights:
    """Both as one, so that no card forgets whom its weights have seen."""
    if earlier is None:
        return own
    cases = (*own.training_cases, *(case for case in earlier.training_cases if case not in own.training_cases))
    is_the_same = earlier.data == own.data
    data = own.data if is_the_same else f"{own.data}; and before that: {earlier.data}"
    return FirstWeights(data, cases, licence_of_both(own.licence, earlier.licence))
