"""The one type that every network returns, in training and in evaluation alike."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class SegmentationOutput(NamedTuple):
    """What a network says about a batch of slices (N, in_channels, H, W).

    logits: (N, C, H, W); one channel means sigmoid, more mean softmax.
    auxiliary: further heads of the same shape (deep supervision), shallowest first; empty if there are none.
    penalty: scalar that training adds to the loss (guidance, reconstruction); None if the paper has none.
    side: EC-CaM-UNet's side output, of the same shape as the logits, which its loss takes by this name; None elsewhere.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()
    penalty: Tensor | None = None
    side: Tensor | None = None

    @property
    def heads(self) -> tuple[Tensor, ...]:
        """All outputs of the logits' shape, the logits last: for losses that treat them alike."""
        return (*self.auxiliary, *(() if self.side is None else (self.side,)), self.logits)
