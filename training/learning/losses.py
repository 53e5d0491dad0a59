"""Loss functions of the papers, by name.

Each takes a `SegmentationOutput` with logits (N, C, H, W) and a target of the same shape with values 0 and 1 (see
`slices.one_hot`), and returns a scalar. The networks' own penalties (guidance, reconstruction) are added by the
training step, as is weight decay by the optimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, logsigmoid

from AttnSegLib.errors import InputError
from AttnSegLib.networks.output import SegmentationOutput


def soft_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum PY + s) / (sum P^2 + sum Y^2 + s): ANU-Net Eq. 5, over all pixels of the batch, mean over channels."""
    return _dice_of(torch.sigmoid(logits), target, smooth)


def plain_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum PY + s) / (sum P + sum Y + s): EC-CaM-UNet Eq. 11, which prints no s, over all pixels of the batch,
    mean over channels. Without the squares of `soft_dice_loss` its gradients are others, several times smaller where a
    small organ is hardly found."""
    pixels = (0, 2, 3)
    probability = torch.sigmoid(logits)
    overlap, both = (probability * target).sum(pixels), (probability + target).sum(pixels)
    return (1 - (2 * overlap + smooth) / (both + smooth)).mean()


def _dice_of(probability: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
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


def margin_loss(logits: Tensor, target: Tensor, *, gamma: float = 2.0, nearest: float = 0.1) -> Tensor:
    """Cross-entropy with weights |P - 0.5|^-gamma, as close to ANU-Net's Eq. 8 as can be trained: on both classes
    (alpha 0.25 and 0.75), never nearer to the pole than `nearest`, 1 for a certain pixel, without gradient."""
    distance = (torch.sigmoid(logits.detach()) - 0.5).abs().clamp_min(nearest)
    weight = (distance / 0.5).pow(-gamma) * (0.25 * target + 0.75 * (1 - target))
    return binary_cross_entropy_with_logits(logits, target, weight)


def literal_loss(logits: Tensor, target: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """The first term of ANU-Net's Eq. 8 as printed, mean over pixels; |P - 0.5| at least 0.001. It can't be trained: it
    holds positive pixels below 0.5 at P = 0.084 and knows no negative ones."""
    distance = (torch.sigmoid(logits) - 0.5).abs().clamp_min(1e-3)
    return -(alpha * target * logsigmoid(logits) / distance.pow(gamma)).mean()


def anu_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """ANU-Net's hybrid loss in the form that its text describes: soft Dice (Eq. 5) plus focal cross-entropy (Eq. 6, 7)
    on both classes, with less weight on the positive one (0.25 and 0.75; not printed), summed over all heads."""

    def head_loss(logits: Tensor) -> Tensor:
        return soft_dice_loss(logits, target) + focal_loss(logits, target, positive=0.25, negative=0.75)

    return _sum_over_heads(output, head_loss)


def anu_margin_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """ANU-Net's hybrid loss with `margin_loss` as its pixel term."""
    return _sum_over_heads(output, lambda logits: soft_dice_loss(logits, target) + margin_loss(logits, target))


def anu_literal_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """ANU-Net's Eq. 8 as printed, for comparison only."""
    return _sum_over_heads(output, lambda logits: soft_dice_loss(logits, target) + literal_loss(logits, target))


def af_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """AF-Net: binary cross-entropy. The L2 term of Eq. 8 is the optimiser's weight decay of 1e-4; the printed lambda
    of 1 would drown the data."""
    return binary_cross_entropy_with_logits(output.logits.float(), target)


def omega_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Omega-Net Eq. 8 with the weights of its section 4.1.2: 10 times binary cross-entropy of the main output, once
    that of the additional path's."""
    main = binary_cross_entropy_with_logits(output.logits.float(), target)
    return 10 * main + sum(binary_cross_entropy_with_logits(head.float(), target) for head in output.auxiliary)


def ec_cam_loss(output: SegmentationOutput, target: Tensor, alpha: float | None = None) -> Tensor:
    """EC-CaM-UNet Eq. 13: Dice (Eq. 11) of the main output plus binary cross-entropy (Eq. 12) of the side output; with
    alpha Eq. 17, alpha times the first plus 1 - alpha times the second. Raises `InputError` for a network without a
    side output."""
    if output.side is None:
        raise InputError(
            "The loss 'ec_cam' puts its cross-entropy on EC-CaM-UNet's side output (its option dws), and this network "
            "has none; take 'ec_cam_dice_bce', which puts both on every output."
        )
    dice = plain_dice_loss(output.logits.float(), target)
    crossed = binary_cross_entropy_with_logits(output.side.float(), target)
    return dice + crossed if alpha is None else alpha * dice + (1 - alpha) * crossed


def ec_cam_dice_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """EC-CaM-UNet's Dice (Eq. 11) of all heads: its Table IV, first row, and what its baselines are trained with."""
    return _sum_over_heads(output, lambda logits: plain_dice_loss(logits, target))


def ec_cam_dice_bce_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """EC-CaM-UNet's Dice (Eq. 11) plus cross-entropy of all heads: its Table IV, third row, where U-Net has no side
    output."""

    def head_loss(logits: Tensor) -> Tensor:
        return plain_dice_loss(logits, target) + binary_cross_entropy_with_logits(logits, target)

    return _sum_over_heads(output, head_loss)


def ms_dual_guided_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """MS-Dual-Guided Eq. 11, first term: the sum of the cross-entropies of the supervised heads."""
    heads = output.auxiliary or (output.logits,)
    return torch.stack([_cross_entropy(head.float(), target) for head in heads]).sum()


def dice_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Soft Dice of all heads, with squares in its denominator."""
    return _sum_over_heads(output, lambda logits: soft_dice_loss(logits, target))


def bce_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Binary cross-entropy of all heads: EC-CaM-UNet's Table IV, second row."""
    return _sum_over_heads(output, lambda logits: binary_cross_entropy_with_logits(logits, target))


def dice_bce_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Soft Dice plus binary cross-entropy of all heads, both classes weighted alike."""

    def head_loss(logits: Tensor) -> Tensor:
        return soft_dice_loss(logits, target) + binary_cross_entropy_with_logits(logits, target)

    return _sum_over_heads(output, head_loss)


def dice_cross_entropy_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Soft Dice of the probabilities (softmax over the classes) plus cross-entropy over the classes, of all heads: the
    usual loss for several organs, of which each pixel belongs to one at most."""

    def head_loss(logits: Tensor) -> Tensor:
        return _dice_of(_probabilities(logits), target) + _cross_entropy(logits, target)

    return _sum_over_heads(output, head_loss)


def cross_entropy_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Cross-entropy over the classes, of all heads."""
    return _sum_over_heads(output, lambda logits: _cross_entropy(logits, target))


LOSSES: dict[str, Callable[[SegmentationOutput, Tensor], Tensor]] = {
    "anu": anu_loss,
    "anu_margin": anu_margin_loss,
    "anu_literal": anu_literal_loss,
    "af": af_loss,
    "omega": omega_loss,
    "bce": bce_loss,
    "cross_entropy": cross_entropy_loss,
    "dice": dice_loss,
    "dice_bce": dice_bce_loss,
    "dice_cross_entropy": dice_cross_entropy_loss,
    "ec_cam": ec_cam_loss,
    "ec_cam_dice": ec_cam_dice_loss,
    "ec_cam_dice_bce": ec_cam_dice_bce_loss,
    "ms_dual_guided": ms_dual_guided_loss,
}


def loss_function(name: str, alpha: float | None = None) -> Callable[[SegmentationOutput, Tensor], Tensor]:
    """The loss of a recipe. alpha: of EC-CaM-UNet's Eq. 17, for "ec_cam" alone. Raises `InputError` for a name that
    does not exist, and for an alpha that does not fit."""
    if name not in LOSSES:
        raise InputError(f"There is no loss '{name}'; choose one of: {', '.join(LOSSES)}.")
    if alpha is None:
        return LOSSES[name]
    if name != "ec_cam":
        raise InputError(f"The recipe's alpha is of the loss 'ec_cam', not of '{name}'; leave it out.")
    if not 0 <= alpha <= 1:
        raise InputError(f"The recipe's alpha is {alpha}; it must be from 0 to 1.")
    return partial(ec_cam_loss, alpha=alpha)


def _sum_over_heads(output: SegmentationOutput, head_loss: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.stack(
        [head_loss(logits.float()) for logits in output.heads]
    ).sum()  # half precision can't sum over pixels


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Over sigmoid for one channel, over softmax for more."""
    if logits.shape[1] == 1:
        return binary_cross_entropy_with_logits(logits, target)
    return cross_entropy(logits, target)


def _probabilities(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)
