"""The network that a teaching begins with: that of a model, or of an earlier run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from AttnSegLib.collections.collection import Collection
from AttnSegLib.errors import InputError
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.preprocessing import Preprocessing
from training.learning.recipe import from_dict, read_checkpoint
from training.learning.start import learnt
from training.teaching.made_recipe import data_source_of


@dataclass(frozen=True)
class FirstNetwork:
    """name: of the network; sizes: its options; preprocessing: its slices; seen: ids of the cases of the collection
    that it has learnt from."""

    name: str
    sizes: dict[str, Any]
    preprocessing: Preprocessing
    seen: frozenset[str]


def first_network(given: str, collection: Collection, wanted: str | None) -> FirstNetwork:
    """Look at first weights.

    Args:
        given: id or folder of a model, or path of a run's checkpoint.
        collection: that is to be taught. Two collections of one name count as one: better too careful.
        wanted: name of the network that the user asks for; None for any.

    Raises:
        InputError: if there are no such weights, or if they are of another network.
    """
    if Path(given).is_file():
        before = from_dict(read_checkpoint(Path(given))["hyper_parameters"]["recipe"])
        name, sizes, preprocessing = before.network, before.options, before.preprocessing
    else:
        spec = find_model(given)
        name, sizes, preprocessing = spec.network, dict(spec.options), spec.preprocessing
    if wanted not in (None, name):
        raise InputError(f"'{given}' has the network '{name}', not '{wanted}'; leave --network out.")
    on = learnt(given).on
    seen = on.training_cases if data_source_of(collection) in on.data else ()
    return FirstNetwork(name, sizes, preprocessing, frozenset(seen))
