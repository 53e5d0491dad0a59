"""Attention dropout: a training hides a share of the attention's coefficients from the network, others in each step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from AttnSegLib.networks.attention import SelfAttention, ShownMap
from AttnSegLib.networks.override import Mark


@contextmanager
def attention_dropout(network: nn.Module, share: float) -> Iterator[None]:
    """While the `with` block lasts, each coefficient of a network's attention is 0 with the probability `share`, and
    otherwise divided by 1 - `share`, so that its mean stays, as in torch's `MultiheadAttention`.

    - Self-attention: a place does not look at some of the places. So its rows sum to 1 only on average. Meanwhile the
      matrix is kept, as long as torch has no fused kernel with dropout for the device.
    - Gates and other maps over the pixels: the network does not see some pixels of what the map weighs. Omega-Net's
      maps are the columns of a softmax, of which each place loses some.
    - Coefficients over channels: the network does not see some channels, or a channel does not look at some channels.

    Maps that are only shown stay as they are. With a share of 0 no hook is set. Random numbers are torch's.
    """
    marks = [one for one in network.modules() if isinstance(one, Mark) and not isinstance(one, ShownMap)]
    hook = partial(_dropped, share=share)
    handles = [mark.register_forward_hook(hook) for mark in marks] if share else []
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _dropped(mark: Mark, inputs: tuple[Any, ...], output: Tensor, *, share: float) -> Tensor:
    if isinstance(mark, SelfAttention):  # its output has gathered by the coefficients already
        q, k, v = (x[:, None] for x in inputs[:3])
        return scaled_dot_product_attention(q, k, v, dropout_p=share, scale=mark.scale)[:, 0]
    return dropout(output, share)
