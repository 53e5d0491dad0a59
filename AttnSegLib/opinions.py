"""Second opinions on a slice: flips of it, and the other heads of a network; and how far they disagree."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from AttnSegLib.networks._output import SegmentationOutput

_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))  # axes of (N, C, H, W) that are reversed
NUMBER_OF_FLIPS = len(_FLIPS)


def flipped(slices: Tensor) -> Tensor:
    """(n, C, H, W) to (4 n, C, H, W): as they are, upside down, mirrored, and both."""
    return torch.cat([slices.flip(axes) for axes in _FLIPS])


def merge_flips(logits: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits (4 n, C, H, W) of flipped slices to those of the mean probability (n, C, H, W), and all, turned back."""
    parts = [part.flip(axes) for part, axes in zip(logits.chunk(NUMBER_OF_FLIPS), _FLIPS, strict=True)]
    if logits.shape[1] == 1:
        return torch.logit(torch.stack(parts).sigmoid().mean(dim=0), eps=1e-6), parts
    return torch.stack(parts).softmax(dim=2).mean(dim=0).log(), parts


def labels_of(logits: Tensor) -> Tensor:
    """(n, C, H, W) to labels (n, H, W) uint8: over 0.5 for one channel, else the most probable class."""
    labels = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(dim=1)
    return labels.to(torch.uint8)


def probabilities_of(logits: Tensor) -> dict[int, Tensor]:
    """(n, C, H, W) to label: (n, H, W) float16: the sigmoid of one channel, else the softmax over the classes."""
    if logits.shape[1] == 1:
        return {1: logits[:, 0].sigmoid().half()}
    shares = logits.softmax(dim=1).half()
    return {label: shares[:, label] for label in range(1, shares.shape[1])}


def other_opinions(output: SegmentationOutput, flips: Sequence[Tensor]) -> list[Tensor]:
    """Logits (n, C, H, W) to hold against the result: the single flips, or the network's other heads."""
    return list(flips) or [head for head in output.auxiliary if head.shape == output.logits.shape]


def disagreement(logits: Tensor, opinions: Sequence[Tensor]) -> Tensor:
    """1 - Dice between the result and each opinion, mean over opinions and labels: (n,), in [0, 1]. Where neither has
    a label, they agree."""
    number_of_labels = max(logits.shape[1] - 1, 1)
    result = labels_of(logits)
    scores = []
    for opinion in opinions:
        other = labels_of(opinion)
        for label in range(1, number_of_labels + 1):
            ours, theirs = result == label, other == label
            sizes = ours.sum(dim=(1, 2)) + theirs.sum(dim=(1, 2))
            overlap = 2 * (ours & theirs).sum(dim=(1, 2))
            scores.append(torch.where(sizes > 0, 1 - overlap / sizes.clamp_min(1), 0.0))
    return torch.stack(scores).mean(dim=0)
