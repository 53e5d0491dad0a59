"""Loss functions of the papers, from logits (N, C, H, W) and targets of the same shape with values 0 and 1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from AttnSegLib.networks._output import SegmentationOutput


def soft_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum PY + s) / (sum P^2 + sum Y^2 + s): ANU-Net Eq. 5, over all pixels of the batch, mean over channels."""
    probability = torch.sigmoid(logits)
    pixels = (0, 2, 3)
    overlap = (probability * target).sum(pixels)
    squares = (probability.square() + target.square()).sum(pixels)
    return (1 - (2 * overlap + smooth) / (squares + smooth)).mean()


def focal_loss(logits: Tensor, target: Tensor, *, positive: float, negative: float, gamma: float = 2.0) -> Tensor:
    """ANU-Net Eq. 7 on both classes, mean over pixels; `positive` and `negative` are the classes' alpha."""
    probability = torch.sigmoid(logits)
    found = positive * target * (1 - probability).pow(gamma) * logsigmoid(logits)
    spared = negative * (1 - target) * probability.pow(gamma) * logsigmoid(-logits)
    return -(found + spared).mean()


def anu_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """ANU-Net's hybrid loss (Eq. 8) in a form that can be trained, summed over all heads.

    As printed, Eq. 8 has a pole at P = 0.5, where every untrained network starts, holds positive pixels below 0.5 at
    P = 0.084, and knows no negative pixels. This is what its text describes instead: soft Dice (Eq. 5) plus focal
    cross-entropy (Eq. 6, 7) on both classes, with less weight on the positive one (0.25 and 0.75; not printed).
    """
    heads = [logits.float() for logits in (*output.auxiliary, output.logits)]  # sums over pixels need more than bf16
    return torch.stack(
        [soft_dice_loss(h, target) + focal_loss(h, target, positive=0.25, negative=0.75) for h in heads]
    ).sum()
