"""The moving average of the weights, which is validated and kept instead of the weights themselves."""

from __future__ import annotations

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

_FIRST = 10  # with this number, the average after n steps reaches back over about n / 9 steps


def moving_average(decay: float) -> WeightAveraging:
    """The callback for Lightning. decay: the largest decay per step. After n steps it is at most (1 + n) / (10 + n).

    With a fixed decay, the average remembers the first, random weights for about 1 / (1 - decay) steps. If the run is
    not much longer, the averaged network finds nothing, although the loss is low.
    """

    def averaged(average: Tensor, weights: Tensor, steps: int | Tensor) -> Tensor:
        share = min(decay, (1 + float(steps)) / (_FIRST + float(steps)))
        return share * average + (1 - share) * weights

    return WeightAveraging(avg_fn=averaged)
