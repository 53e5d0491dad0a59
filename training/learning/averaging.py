"""The moving average of the weights, which is what is validated and kept."""

from __future__ import annotations

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

_FIRST = 10  # steps: the average after n of them reaches back over about n / 9


def moving_average(decay: float) -> WeightAveraging:
    """The callback. decay: per step, once the run is long; before that it grows with the steps, as (1 + n) / (10 + n).

    An average with a fixed decay remembers its first weights for 1 / (1 - decay) steps. Over a run that is not much
    longer these are random, and what is kept finds nothing although the loss is low.
    """

    def averaged(average: Tensor, weights: Tensor, steps: int | Tensor) -> Tensor:
        share = min(decay, (1 + float(steps)) / (_FIRST + float(steps)))
        return share * average + (1 - share) * weights

    return WeightAveraging(avg_fn=averaged)
