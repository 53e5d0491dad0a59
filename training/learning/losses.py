"""Loss functions of the papers, by name.

Each takes a `SegmentationOutput` with logits (N, C, H, W), and a target of the same shape with values 0 and 1, as
`slices.dataset.one_hot` makes it. It returns a scalar. The training step adds the networks' own penalties (guidance,
reconstruction), and the optimiser the weight decay. In the formulas, P is the probability and Y the target of a pixel.
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
    """1 - (2 sum PY + s) / (sum P^2 + sum Y^2 + s), ANU-Net Eq. 5. Sums are over all pixels of the batch; the result is
    the mean over channels. smooth: s."""
    return _dice_of(torch.sigmoid(logits), target, smooth)


def plain_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum PY + s) / (sum P + sum Y + s), EC-CaM-UNet Eq. 11, where no s is printed.

    Sums are over all pixels of the batch; the result is the mean over channels. Without the squares that
    `soft_dice_loss` has, gradients are several times smaller while a small organ is hardly found. smooth: s."""
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
    """The focal loss of ANU-Net Eq. 7 on both classes, mean over pixels. positive, negative: alpha of each class."""
    probability = torch.sigmoid(logits)
    found = positive * target * (1 - probability).pow(gamma) * logsigmoid(logits)
    spared = negative * (1 - target) * probability.pow(gamma) * logsigmoid(-logits)
    return -(found + spared).mean()


def margin_loss(logits: Tensor, target: Tensor, *, gamma: float = 2.0, nearest: float = 0.1) -> Tensor:
    """Cross-entropy with a weight |P - 0.5|^-gamma for each pixel: the nearest to ANU-Net's Eq. 8 that can be trained.

    It differs from Eq. 8 in four ways: it is on both classes (alpha 0.25 and 0.75), |P - 0.5| is at least `nearest`,
    weights are scaled to 1 for P = 0 or 1, and no gradient goes through them."""
    distance = (torch.sigmoid(logits.detach()) - 0.5).abs().clamp_min(nearest)
    weight = (distance / 0.5).pow(-gamma) * (0.25 * target + 0.75 * (1 - target))
    return binary_cross_entropy_with_logits(logits, target, weight)


def literal_loss(logits: Tensor, target: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """The first term of ANU-Net's Eq. 8 as printed, mean over pixels, with |P - 0.5| at least 0.001.

    It can't be trained: positive pixels with P below 0.5 stay at P = 0.084, and negative pixels have no term."""
    distance = (torch.sigmoid(logits) - 0.5).abs().clamp_min(1e-3)
    return -(alpha * target * logsigmoid(logits) / distance.pow(gamma)).mean()


def anu_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """ANU-Net's hybrid loss as its text describes it, summed over all heads: soft Dice (Eq. 5) plus focal cross-entropy
    (Eq. 6, 7) on both classes. The positive class has less weight (0.25 and 0.75; the paper prints no numbers)."""

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
    """AF-Net's loss: binary cross-entropy. The L2 term of Eq. 8 is the optimiser's weight decay of 1e-4, since with the
    printed lambda of 1, the data would have no effect."""
    return binary_cross_entropy_with_logits(output.logits.float(), target)


def omega_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Omega-Net Eq. 8 with the weights of its section 4.1.2: 10 times the binary cross-entropy of the main output, plus
    that of each auxiliary output (the additional path)."""
    main = binary_cross_entropy_with_logits(output.logits.float(), target)
    return 10 * main + sum(binary_cross_entropy_with_logits(head.float(), target) for head in output.auxiliary)


def ec_cam_loss(output: SegmentationOutput, target: Tensor, alpha: float | None = None) -> Tensor:
    """EC-CaM-UNet Eq. 13: Dice (Eq. 11) of the main output plus binary cross-entropy (Eq. 12) of the side output.

    With `alpha`, Eq. 17: alpha times the first plus 1 - alpha times the second. Raises `InputError` if the network has
    no side output."""
    if output.side is None:
        raise InputError(
            "The loss 'ec_cam' puts its cross-entropy on EC-CaM-UNet's side output (its option dws), and this network "
            "has none; take 'ec_cam_dice_bce', which puts both on every output."
        )
    dice = plain_dice_loss(output.logits.float(), target)
    crossed = binary_cross_entropy_with_logits(output.side.float(), target)
    return dice + crossed if alpha is None else alpha * dice + (1 - alpha) * crossed


def ec_cam_dice_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """EC-CaM-UNet's Dice (Eq. 11), summed over all heads. It is the first row of its Table IV, and its baselines are
    trained with it."""
    return _sum_over_heads(output, lambda logits: plain_dice_loss(logits, target))


def ec_cam_dice_bce_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """EC-CaM-UNet's Dice (Eq. 11) plus binary cross-entropy, summed over all heads. It is the third row of its Table
    IV, in which U-Net has no side output."""

    def head_loss(logits: Tensor) -> Tensor:
        return plain_dice_loss(logits, target) + binary_cross_entropy_with_logits(logits, target)

    return _sum_over_heads(output, head_loss)


def ms_dual_guided_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """MS-Dual-Guided Eq. 11, first term: the sum of the cross-entropies of the supervised heads."""
    heads = output.auxiliary or (output.logits,)
    return torch.stack([_cross_entropy(head.float(), target) for head in heads]).sum()


def dice_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Soft Dice with squares in its denominator, summed over all heads."""
    return _sum_over_heads(output, lambda logits: soft_dice_loss(logits, target))


def bce_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Binary cross-entropy, summed over all heads. It is the second row of EC-CaM-UNet's Table IV."""
    return _sum_over_heads(output, lambda logits: binary_cross_entropy_with_logits(logits, target))


def dice_bce_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Soft Dice plus binary cross-entropy with the same weight for both classes, summed over all heads."""

    def head_loss(logits: Tensor) -> Tensor:
        return soft_dice_loss(logits, target) + binary_cross_entropy_with_logits(logits, target)

    return _sum_over_heads(output, head_loss)


def dice_cross_entropy_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Soft Dice of the softmax probabilities plus cross-entropy over the classes, summed over all heads.

    It is the usual loss for several organs if each pixel belongs to at most one of them."""

    def head_loss(logits: Tensor) -> Tensor:
        return _dice_of(_probabilities(logits), target) + _cross_entropy(logits, target)

    return _sum_over_heads(output, head_loss)


def cross_entropy_loss(output: SegmentationOutput, target: Tensor) -> Tensor:
    """Cross-entropy over the classes, summed over all heads."""
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
    """The loss with a name in `LOSSES`. alpha: in EC-CaM-UNet's Eq. 17, only for "ec_cam". Raises `InputError` if there
    is no such loss, or for an alpha that does not fit."""
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
    ).sum()  # in float32, since half precision can't sum over pixels


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the sigmoid for one channel, and of the softmax for several."""
    if logits.shape[1] == 1:
        return binary_cross_entropy_with_logits(logits, target)
    return cross_entropy(logits, target)


def _probabilities(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)
