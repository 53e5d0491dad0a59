"""The network of a model with its weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.models.weights import load_weights

_UNBUILDABLE = (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError)  # what wrong options lead to


def trained_network(spec: ModelSpec, level: int | None = None) -> nn.Module:
    """The network of a model; `level` prunes an ANU-Net. Raises `InputError` if the card describes none, if the weights
    are damaged or those of another, or if the network can't be pruned so."""
    try:
        with torch.device("meta"):  # a card may ask for more than any memory can hold
            plan = networks.create(spec.network, **spec.options)
    except InputError:
        raise
    except _UNBUILDABLE as error:
        raise InputError(
            f"The card of model '{spec.id}' is damaged (its network can't be built so); get the model again."
        ) from error
    weights = load_weights(spec.weights_path, spec.sha256)
    if _shapes(weights) != _shapes(plan.state_dict()):
        raise InputError(f"The weights of model '{spec.id}' do not fit its network; install it again.")
    network = networks.create(spec.network, **spec.options)
    network.load_state_dict(weights)
    if level is None:
        return network
    if not hasattr(network, "pruned"):
        raise InputError(f"The network of model '{spec.id}' can't be pruned; leave the level out.")
    pruned: nn.Module = network.pruned(level)  # type: ignore[operator]
    return pruned


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}


def check_multiple(network: nn.Module, preprocessing: Preprocessing) -> None:
    """Raises `InputError` if slices are padded to sizes that the network can't take."""
    needed = int(getattr(network, "size_multiple", 1))
    if preprocessing.multiple % needed:
        raise InputError(
            f"The network needs slices padded to a multiple of {needed} pixels, and the preprocessing pads to "
            f"{preprocessing.multiple}; correct 'multiple' in the model's card or the recipe."
        )
