"""From the logits of a network to labels, probabilities, their mean over flips, and the error to expect."""

from __future__ import annotations

import torch
from torch import Tensor

_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))  # axes of (N, C, H, W) that are reversed
_BACKGROUND = 0.02  # probabilities below are left out: over a whole slice they would outweigh a small organ
_SPECK = 2.0  # pixels: what weighs less is not worth a look


def flipped(slices: Tensor) -> Tensor:
    """Slices (n, C, H, W) four times, (4 n, C, H, W): first as they are, then upside down, then mirrored, then both."""
    return torch.cat([slices.flip(axes) for axes in _FLIPS])


def merge_flips(logits: Tensor) -> Tensor:
    """From logits of `flipped` slices (4 n, C, H, W) to the logits (n, C, H, W) of their mean probability."""
    parts = torch.stack([part.flip(axes) for part, axes in zip(logits.chunk(len(_FLIPS)), _FLIPS, strict=True)])
    if logits.shape[1] == 1:
        return torch.logit(parts.sigmoid().mean(dim=0), eps=1e-6)
    return parts.softmax(dim=2).mean(dim=0).log()


def are_finite(logits: Tensor, views: int) -> Tensor:
    """(n,): whether a network's output (views * n, C, H, W) for a slice is, in all views."""
    return torch.isfinite(logits).flatten(1).all(dim=1).reshape(views, -1).all(dim=0)


def labels_of(logits: Tensor) -> Tensor:
    """Labels (n, H, W) uint8 of logits (n, C, H, W). One channel: 1 where the probability is over 0.5. More channels:
    the most probable class."""
    # the indices of `max` are those of `argmax`, which on a CPU takes 13 times as long unless channels lie last
    labels = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.max(dim=1).indices
    return labels.to(torch.uint8)


def probabilities_of(logits: Tensor) -> dict[int, Tensor]:
    """Probabilities (n, H, W) float16 of logits (n, C, H, W), by label, without the background. One channel: its
    sigmoid. More channels: the softmax over them."""
    if logits.shape[1] == 1:
        return {1: logits[:, 0].sigmoid().half()}
    shares = logits.softmax(dim=1).half()
    return {label: shares[:, label] for label in range(1, shares.shape[1])}


def expected_error(logits: Tensor) -> Tensor:
    """How wrong a slice is by the network's own probabilities: (n,), from 0 to 1, the mean over the labels.

    It is 1 - Dice between the labels and an unknown truth of which only the probabilities are known: the sum of the
    probabilities inside the label stands for the overlap, their sum over the slice for the size of the truth. A few
    pixels are added to overlap and sizes, so that an empty result is not called wrong because of tiny probabilities.
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
