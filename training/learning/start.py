"""First weights that were learnt on other data, instead of random ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.weights import load_weights
from training.learning.module import SegmentationModule
from training.learning.recipe import read_checkpoint

_PREFIX = "network."  # of the network's weights among those of a module


@dataclass(frozen=True)
class Learnt:
    """Weights of a network, by their names, and what they were learnt on: a data set in words, the ids of its cases."""

    weights: dict[str, Tensor]
    data: str
    training_cases: list[str]


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
    return Learnt(weights, spec.training.data or spec.title, list(spec.training.training_cases))


def of_checkpoint(content: dict[str, Any]) -> Learnt:
    """The weights in a run's checkpoint."""
    weights = {name.removeprefix(_PREFIX): t for name, t in content["state_dict"].items() if name.startswith(_PREFIX)}
    run = content["hyper_parameters"]
    return Learnt(weights, run["recipe"]["card"]["data_source"], run["cases"]["training"])


def begin_with(module: SegmentationModule, first: Learnt) -> str:
    """Give a module weights that were learnt before where names and shapes are the same: all but the heads, if the
    labels differ. What they were learnt on is kept with the new weights, for the model's card. Returns a sentence.

    Raises:
        InputError: if less than half of the weights fit.
    """
    own = module.network.state_dict()
    fitting = {name: t for name, t in first.weights.items() if name in own and own[name].shape == t.shape}
    count, total = (sum(tensor.numel() for tensor in part.values()) for part in (fitting, own))
    if 2 * count < total:
        raise InputError(
            f"Only {count:,} of {total:,} of the first weights fit this network; give those of the same network, of "
            "the same width."
        )
    module.network.load_state_dict(own | fitting)
    module.hparams["start"] = {"data": first.data, "training_cases": first.training_cases}
    return f"Begins with {count:,} of {total:,} weights learnt on: {first.data}."
