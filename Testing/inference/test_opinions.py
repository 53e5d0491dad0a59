"""The error that probabilities let expect, by hand."""

import pytest
import torch

from AttnSegLib.inference.probabilities import expected_error


def one_label(*shares):
    """Logits of slices (n, 1, 20, 20): in the first 100 pixels this probability, elsewhere none."""
    slices = torch.zeros(len(shares), 1, 20, 20)
    for number, share in enumerate(shares):
        slices[number, 0, :5] = share
    return torch.logit(slices, eps=1e-6)


def test_who_is_sure_expects_no_error():
    assert expected_error(one_label(1.0, 0.0)).tolist() == pytest.approx([0, 0], abs=1e-3)


def test_the_expected_dice_is_that_of_the_probabilities():
    """Of 100 labelled pixels 75 are right, and 75 should be: Dice 150 / 175, with a speck of two pixels that agree."""
    assert expected_error(one_label(0.75)).item() == pytest.approx(1 - 152 / 177, abs=1e-3)


def test_what_is_hinted_at_and_not_labelled_is_an_error():
    missed, faint = expected_error(one_label(0.4, 0.01)).tolist()
    assert missed == pytest.approx(1 - 2 / 42, abs=1e-2)
    assert faint == 0


def test_the_less_sure_the_more_error():
    errors = expected_error(one_label(0.95, 0.8, 0.55, 0.45)).tolist()
    assert errors == sorted(errors)


def test_several_labels_count_alike():
    logits = torch.full((1, 3, 20, 20), -20.0)
    logits[:, 0, 10:] = 20
    logits[:, 1, :5] = 20  # sure
    logits[:, 2, 5:10] = 20
    logits[:, 0, 5:10] = 20 - torch.log(torch.tensor(3.0))  # three against one for the second label
    assert expected_error(logits).item() == pytest.approx((1 - 152 / 177) / 2, abs=1e-3)
