"""Begins a training with weights that were learnt on other data, instead of random ones."""

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
    """Weights of a network by their names, and what they were learnt on, including earlier trainings."""

    weights: dict[str, Tensor]
    on: FirstWeights


def learnt(given: str) -> Learnt:
    """Read the weights of a run or of a model.

    Args:
        given: path of a run's checkpoint, id of a model, or path of a model's folder.

    Raises:
        InputError: if it is none of these, or can't be read.
    """
    if Path(given).is_file():
        return of_checkpoint(read_checkpoint(Path(given)))
    spec = find_model(given)
    weights = load_weights(spec.weights_path, spec.sha256)
    facts = spec.training
    own = FirstWeights(facts.data or spec.title, facts.training_cases, spec.licence)
    return Learnt(weights, _all_of(own, facts.start))


def of_checkpoint(content: dict[str, Any]) -> Learnt:
    """The weights in the content of a run's checkpoint."""
    run = content["hyper_parameters"]
    card = run["recipe"]["card"]
    own = FirstWeights(card["data_source"], tuple(run["cases"]["training"]), card["licence"])
    return Learnt(network_weights(content), _all_of(own, first_weights_of(content)))


def first_weights_of(content: dict[str, Any]) -> FirstWeights | None:
    """The weights that the run of a checkpoint began with; None if they were random."""
    start = content["hyper_parameters"].get("start")
    return from_json(FirstWeights, start) if start else None


def begin_with(module: SegmentationModule, first: Learnt) -> str:
    """Put weights that were learnt before into a module, as far as names and shapes are the same.

    If the labels differ, the heads of the network keep their random weights. What the weights were learnt on is kept in
    the module, for the model's card.

    Returns:
        A sentence for the user.

    Raises:
        InputError: if less than half of the weights fit, or if no licence is known that satisfies both the new data and
            the first weights.
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
    """The licence of weights that were trained from first weights. It has the conditions of both licences.

    Args:
        own: the licence that the training data ask for. "LicenseRef-..." is the owner's decision, and is kept.
        first: the licence of the first weights; empty if it is not known.

    Raises:
        InputError: if no licence is known that has the conditions of both.
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
    """Two trainings as one, so that the card names all cases that the weights were trained on."""
    if earlier is None:
        return own
    cases = (*own.training_cases, *(case for case in earlier.training_cases if case not in own.training_cases))
    is_the_same = earlier.data == own.data
    data = own.data if is_the_same else f"{own.data}; and before that: {earlier.data}"
    return FirstWeights(data, cases, licence_of_both(own.licence, earlier.licence))
