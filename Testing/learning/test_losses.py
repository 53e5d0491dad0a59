"""The papers' losses against answers on paper."""

import math

import pytest
import torch

from AttnSegLib.errors import InputError
from AttnSegLib.networks.output import SegmentationOutput
from training.learning.losses import (
    LOSSES,
    anu_literal_loss,
    anu_loss,
    dice_cross_entropy_loss,
    focal_loss,
    literal_loss,
    loss_function,
    margin_loss,
    plain_dice_loss,
    soft_dice_loss,
)

TARGET = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 1, 1, 2)


def logits_of(*probabilities):
    return torch.logit(torch.tensor(probabilities, dtype=torch.float64)).reshape(1, 1, 1, -1)


def test_soft_dice_by_hand():
    expected = 1 - (2 * 0.8 + 1) / (0.8**2 + 0.4**2 + 1 + 1)
    assert soft_dice_loss(logits_of(0.8, 0.4), TARGET).item() == pytest.approx(expected)


def test_soft_dice_of_a_perfect_answer_is_0():
    target = torch.tensor([1.0, 0.0, 1.0]).reshape(1, 1, 1, 3)
    assert soft_dice_loss(60 * target - 30, target).item() == pytest.approx(0, abs=1e-6)


def test_soft_dice_takes_channels_apart():
    """A perfect and an entirely wrong channel average to about a half."""
    target = torch.zeros(1, 2, 10, 10)
    target[:, :, :5] = 1
    logits = 60 * target - 30
    logits[:, 1] *= -1
    assert soft_dice_loss(logits, target).item() == pytest.approx(0.5, abs=0.01)


def test_focal_loss_by_hand():
    loss = focal_loss(logits_of(0.8, 0.4), TARGET, positive=0.25, negative=0.75)
    expected = -(0.25 * 0.2**2 * math.log(0.8) + 0.75 * 0.4**2 * math.log(0.6)) / 2
    assert loss.item() == pytest.approx(expected)


def test_hybrid_loss_sums_over_all_heads_and_is_finite_where_the_printed_one_has_its_pole():
    one = anu_loss(SegmentationOutput(logits_of(0.5, 0.5)), TARGET)
    four = anu_loss(SegmentationOutput(logits_of(0.5, 0.5), (logits_of(0.5, 0.5),) * 3), TARGET)
    assert math.isfinite(one.item())
    assert four.item() == pytest.approx(4 * one.item())


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.5, 0.7])
def test_hybrid_loss_pulls_every_pixel_to_its_label(probability):
    """The printed loss holds positive pixels below 0.5 at 0.084; ours must not."""
    logits = logits_of(probability, probability).requires_grad_()
    anu_loss(SegmentationOutput(logits), TARGET).backward()
    assert logits.grad[0, 0, 0, 0] < 0
    assert logits.grad[0, 0, 0, 1] > 0


def test_gradients_of_the_losses_are_right():
    torch.manual_seed(0)
    logits = torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    target = (torch.rand(2, 1, 3, 4) > 0.5).double()
    assert torch.autograd.gradcheck(lambda x: soft_dice_loss(x, target), logits)
    assert torch.autograd.gradcheck(lambda x: focal_loss(x, target, positive=0.25, negative=0.75), logits)


def test_margin_loss_weighs_uncertain_pixels_up_to_25_fold():
    loss = margin_loss(logits_of(0.8, 0.45), TARGET)
    expected = -(0.25 * (0.3 / 0.5) ** -2 * math.log(0.8) + 0.75 * 25 * math.log(0.55)) / 2
    assert loss.item() == pytest.approx(expected)


def test_printed_loss_by_hand():
    expected = -0.25 * math.log(0.8) / 0.3**2 / 2
    assert literal_loss(logits_of(0.8, 0.4), TARGET).item() == pytest.approx(expected)
    dice = soft_dice_loss(logits_of(0.8, 0.4), TARGET).item()
    assert anu_literal_loss(SegmentationOutput(logits_of(0.8, 0.4)), TARGET).item() == pytest.approx(dice + expected)


def test_printed_loss_holds_a_positive_pixel_at_the_wrong_answer():
    """Below 0.5 its minimum lies at P = 0.084: the reason why it is not the default."""
    probabilities = torch.linspace(0.01, 0.45, 441, dtype=torch.float64)
    target = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    losses = [literal_loss(torch.logit(p).reshape(1, 1, 1, 1), target).item() for p in probabilities]
    assert probabilities[losses.index(min(losses))].item() == pytest.approx(0.084, abs=0.001)


def bce(*pairs):
    return -sum(math.log(p if y else 1 - p) for p, y in pairs) / len(pairs)


def test_af_loss_is_cross_entropy():
    loss = LOSSES["af"](SegmentationOutput(logits_of(0.8, 0.4)), TARGET.float())
    assert loss.item() == pytest.approx(bce((0.8, 1), (0.4, 0)), rel=1e-6)


def test_omega_loss_is_ten_times_the_main_and_once_the_additional_output():
    output = SegmentationOutput(logits_of(0.8, 0.4), (logits_of(0.6, 0.3),))
    expected = 10 * bce((0.8, 1), (0.4, 0)) + bce((0.6, 1), (0.3, 0))
    assert LOSSES["omega"](output, TARGET.float()).item() == pytest.approx(expected, rel=1e-5)


PLAIN_DICE = 1 - (2 * 0.8 + 1) / (0.8 + 0.4 + 1 + 1)  # of 0.8 and 0.4 against 1 and 0


def test_the_dice_of_ec_cam_unet_has_no_squares():
    assert plain_dice_loss(logits_of(0.8, 0.4), TARGET).item() == pytest.approx(PLAIN_DICE)


def test_its_gradient_in_a_small_organ_is_a_fifth_of_that_with_squares():
    """P = 0.1 everywhere, an organ of 1 % of the slice; with N = 2 sum PY, D the denominator, 2 / D - N D' / D^2."""
    target = torch.zeros(1, 1, 100, 100, dtype=torch.float64)
    target[..., :10, :10] = 1

    def gradient(loss):
        probability = torch.full_like(target, 0.1).requires_grad_()
        loss(torch.logit(probability), target, smooth=0.0).backward()
        return probability.grad[0, 0, 0, 0].item()

    plain, squared = 1000 + 100, 100 + 100
    assert gradient(plain_dice_loss) == pytest.approx(-2 / plain + 20 / plain**2)
    assert gradient(soft_dice_loss) == pytest.approx(-2 / squared + 20 * 0.2 / squared**2)
    assert gradient(soft_dice_loss) / gradient(plain_dice_loss) == pytest.approx(5.5, abs=0.1)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_ec_cam_loss_with_alpha_by_hand(alpha):
    output = SegmentationOutput(logits_of(0.8, 0.4), side=logits_of(0.6, 0.3))
    expected = alpha * PLAIN_DICE + (1 - alpha) * bce((0.6, 1), (0.3, 0))
    assert loss_function("ec_cam", alpha)(output, TARGET.float()).item() == pytest.approx(expected, rel=1e-5)


def test_ec_cam_loss_weighs_both_outputs_equally():
    output = SegmentationOutput(logits_of(0.8, 0.4), side=logits_of(0.6, 0.3))
    expected = PLAIN_DICE + bce((0.6, 1), (0.3, 0))
    assert loss_function("ec_cam")(output, TARGET.float()).item() == pytest.approx(expected, rel=1e-6)


def test_ec_cam_loss_refuses_a_network_without_a_side_output():
    output = SegmentationOutput(logits_of(0.8, 0.4), (logits_of(0.6, 0.3),))
    with pytest.raises(InputError, match="this network has none; take 'ec_cam_dice_bce'"):
        LOSSES["ec_cam"](output, TARGET)


def test_losses_of_all_heads_reach_the_side_output_too():
    output = SegmentationOutput(logits_of(0.8, 0.4), side=logits_of(0.8, 0.4))
    both = PLAIN_DICE + bce((0.8, 1), (0.4, 0))
    assert LOSSES["ec_cam_dice"](output, TARGET).item() == pytest.approx(2 * PLAIN_DICE, rel=1e-6)
    assert LOSSES["ec_cam_dice_bce"](output, TARGET).item() == pytest.approx(2 * both, rel=1e-6)


def test_ms_dual_guided_loss_sums_cross_entropies_of_several_classes():
    target = torch.tensor([0.0, 1.0, 0.0]).reshape(1, 3, 1, 1)
    head = torch.tensor([0.2, 0.5, 0.3]).log().reshape(1, 3, 1, 1)
    output = SegmentationOutput(head, (head,) * 8)
    assert LOSSES["ms_dual_guided"](output, target).item() == pytest.approx(-8 * math.log(0.5), rel=1e-6)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"anu_literal", "anu_margin"}))
def test_gradients_of_every_loss_are_right(name):
    """anu_margin detaches its weights and anu_literal clamps: their gradients are not those of their values."""
    torch.manual_seed(0)
    heads = [torch.randn(2, 1, 3, 4, dtype=torch.float32, requires_grad=True) for _ in range(2)]
    target = (torch.rand(2, 1, 3, 4) > 0.5).float()
    kept = {"side": heads[1]} if name == "ec_cam" else {"auxiliary": (heads[1],)}
    LOSSES[name](SegmentationOutput(heads[0], **kept), target).backward()
    for head in heads:
        if head.grad is None:
            continue
        step = torch.zeros_like(head)
        step[0, 0, 1, 2] = 1e-2
        with torch.no_grad():
            others = [[h + sign * step if h is head else h for h in heads] for sign in (1, -1)]
            outputs = [
                SegmentationOutput(h[0], **dict.fromkeys(kept, h[1] if name == "ec_cam" else (h[1],))) for h in others
            ]
            values = [LOSSES[name](output, target).item() for output in outputs]
        assert head.grad[0, 0, 1, 2].item() == pytest.approx((values[0] - values[1]) / 2e-2, rel=0.02, abs=1e-4)


def test_dice_and_cross_entropy_of_three_classes_by_hand():
    """One pixel of the second class, called 0.2, 0.5 and 0.3."""
    share = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    target = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    dice = [1 - (2 * p * y + 1) / (p**2 + y**2 + 1) for p, y in zip(share.tolist(), target.tolist(), strict=True)]
    output = SegmentationOutput(share.log().reshape(1, 3, 1, 1))
    loss = dice_cross_entropy_loss(output, target.reshape(1, 3, 1, 1))
    assert loss.item() == pytest.approx(sum(dice) / 3 - math.log(0.5))


def test_dice_and_cross_entropy_of_one_class_take_the_sigmoid():
    loss = dice_cross_entropy_loss(SegmentationOutput(logits_of(0.8, 0.4)), TARGET)
    dice = 1 - (2 * 0.8 + 1) / (0.8**2 + 0.4**2 + 1 + 1)
    assert loss.item() == pytest.approx(dice - (math.log(0.8) + math.log(0.6)) / 2)
