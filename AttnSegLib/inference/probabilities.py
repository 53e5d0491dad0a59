"""What a network says of a slice: labels, probabilities, their mean over flips, and how wrong they may be."""

from __future__ import annotations

import torch
from torch import Tensor

_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))  # axes of (N, C, H, W) that are reversed
_BACKGROUND = 0.02  # probabilities below are left out: over a whole slice they would outweigh a small organ
_SPECK = 2.0  # pixels: what weighs less is not worth a look


def flipped(slices: Tensor) -> Tensor:
    """(n, C, H, W) to (4 n, C, H, W): as they are, upside down, mirrored, and both."""
    return torch.cat([slices.flip(axes) for axes in _FLIPS])


def merge_flips(logits: Tensor) -> Tensor:
    """Logits (4 n, C, H, W) of flipped slices to those of the mean probability (n, C, H, W)."""
    parts = torch.stack([part.flip(axes) for part, axes in zip(logits.chunk(len(_FLIPS)), _FLIPS, strict=True)])
    if logits.shape[1] == 1:
        return torch.logit(parts.sigmoid().mean(dim=0), eps=1e-6)
    return parts.softmax(dim=2).mean(dim=0).log()


def labels_of(logits: Tensor) -> Tensor:
    """(n, C, H, W) to labels (n, H, W) uint8: over 0.5 for one channel, else the most probable class."""
    # the indices of `max` are those of `argmax`, which on a CPU takes 13 times as long unless channels lie last
    labels = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.max(dim=1).indices
    return labels.to(torch.uint8)


def probabilities_of(logits: Tensor) -> dict[int, Tensor]:
    """(n, C, H, W) to label: (n, H, W) float16: the sigmoid of one channel, else the softmax over the classes."""
    if logits.shape[1] == 1:
        return {1: logits[:, 0].sigmoid().half()}
    shares = logits.softmax(dim=1).half()
    return {label: shares[:, label] for label in range(1, shares.shape[1])}


def expected_error(logits: Tensor) -> Tensor:
    """1 - the Dice to expect of the result, were its probabilities right: (n,), in [0, 1], mean over the labels.

    Of what is labelled, the probabilities there are right; of what should be, all of them. Nothing against next to
    nothing agrees.
    """
    result = labels_of(logits)
    scores = []
    for label, share in probabilities_of(logits).items():
        share = torch.where(share < _BACKGROUND, 0, share.float())
        labelled = result == label
        right = (share * labelled).sum(dim=(1, 2))
        sizes = share.sum(dim=(1, 2)) + labelled.sum(dim=(1, 2))
        scores.append(1 - (2 * right + _SPECK) / (sizes + _SPECK))
    return torch.stack(scores).mean(dim=0).nan_to_num(nan=1.0)  # NaN: of probabilities that are none
