"""Attention dropout in training: what each kind of coefficient loses, and when."""

import pytest
import torch
from torch import nn

from AttnSegLib import networks
from AttnSegLib.networks.attention import AttentionMap, ChannelCoefficients, SelfAttention, ShownMap
from AttnSegLib.networks.override import Mark
from training.learning.attention_dropout import attention_dropout


@pytest.fixture(autouse=True)
def same_random_numbers():
    torch.manual_seed(0)


def of_a_step(mark, *inputs, share=0.25):
    with attention_dropout(nn.Sequential(mark), share):
        return mark(*inputs)


def assert_dropped(found, before, share=0.25):
    """Each coefficient is 0 or divided by what stays, and about as many are 0 as should be."""
    zero = found == 0
    torch.testing.assert_close(found, torch.where(zero, 0, before / (1 - share)))
    assert zero.float().mean().item() == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    ("mark", "shape"),
    [
        (AttentionMap("map"), (2, 1, 64, 64)),
        (ChannelCoefficients("weights"), (2, 2048)),
        (ChannelCoefficients("rows"), (2, 64, 64)),
    ],
)
def test_a_share_of_the_coefficients_is_0_and_the_mean_stays(mark, shape):
    before = torch.rand(shape) + 0.1
    assert_dropped(of_a_step(mark, before), before)


def test_a_place_does_not_look_at_some_places():
    mark, q, k = SelfAttention("map", 0.5), torch.randn(2, 64, 5, requires_grad=True), torch.randn(2, 64, 5)
    found = of_a_step(mark, q, k, torch.eye(64).expand(2, 64, 64), (8, 8))  # what is gathered is the matrix
    assert_dropped(found, mark.rows(q, k))
    found.square().sum().backward()
    assert torch.isfinite(q.grad).all()
    assert (q.grad != 0).any(dim=-1).all()


def test_a_map_that_is_only_shown_stays():
    before = torch.rand(1, 1, 8, 8)
    assert torch.equal(of_a_step(ShownMap("map"), before), before)


@pytest.mark.parametrize("name", ["afnet", "anunet", "eccamunet", "msdualguided", "omeganet"])
def test_it_reaches_each_network_and_leaves_it_as_it_was(name):
    options = {"backbone": "resnet34", "gamma": 1.0} if name == "msdualguided" else {}
    network, slices = networks.create(name, width=4, **options).eval(), torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        before = network(slices).logits
        with attention_dropout(network, 0.5):
            assert not torch.equal(network(slices).logits, before)
        assert torch.equal(network(slices).logits, before)
        with attention_dropout(network, 0.0):
            assert not any(mark._forward_hooks for mark in network.modules() if isinstance(mark, Mark))
