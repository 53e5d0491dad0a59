"""First weights that were learnt on other data, instead of random ones."""

from __future__ import annotations

from typing import Any

from AttnSegLib.errors import InputError
from training.learning.module import SegmentationModule


def begin_with(module: SegmentationModule, checkpoint: dict[str, Any]) -> str:
    """Give a module the weights of another run where names and shapes are the same: all but the heads, if the labels
    differ. What they were learnt on is kept with the new weights, for the model's card. Returns a sentence on it.

    Args:
        module: whose first weights these become.
        checkpoint: content of the other run's checkpoint.

    Raises:
        InputError: if less than half of the weights fit.
    """
    own, theirs = module.state_dict(), checkpoint["state_dict"]
    fitting = {name: tensor for name, tensor in theirs.items() if name in own and own[name].shape == tensor.shape}
    count, total = (sum(tensor.numel() for tensor in part.values()) for part in (fitting, own))
    if 2 * count < total:
        raise InputError(
            f"Only {count:,} of {total:,} weights of the other run fit this network; give the run of the same network, "
            "of the same width."
        )
    module.load_state_dict(own | fitting)
    other = checkpoint["hyper_parameters"]
    start = {"data": other["recipe"]["card"]["data_source"], "training_cases": other["cases"]["training"]}
    module.hparams["start"] = start
    return f"Begins with {count:,} of {total:,} weights learnt on: {start['data']}."
