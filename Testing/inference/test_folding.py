"""Folded networks say the same, and the network that was given stays as it was."""

import copy

import pytest
import torch
from torch import nn

from AttnSegLib import networks
from AttnSegLib.inference.folding import folded, set_precision
from AttnSegLib.networks.attention import AttentionRecorder, attention_maps

NETWORKS = {
    "afnet": {"width": 8},
    "anunet": {"width": 4},
    "eccamunet": {"width": 4},
    "msdualguided": {"width": 4, "backbone": "resnet34"},
    "omeganet": {"width": 4},
}


def as_after_training(name):
    """Normalisation of a new network would hide mistakes."""
    torch.manual_seed(0)
    network = networks.create(name, **NETWORKS[name])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_and_its_maps_say_the_same(name):
    network = as_after_training(name)
    before = copy.deepcopy(network.state_dict())
    twin = folded(network)
    slices = torch.rand(2, 1, 64, 96)
    titles = list(attention_maps(network))
    with torch.inference_mode():
        with AttentionRecorder(network, titles) as expected:
            plain = network(slices)
        with AttentionRecorder(twin, titles) as found:
            fast = twin(slices.contiguous(memory_format=torch.channels_last))
    scale = plain.logits.abs().max().item()
    torch.testing.assert_close(fast.logits, plain.logits, rtol=1e-4, atol=1e-4 * scale)
    for title in titles:
        torch.testing.assert_close(found.maps[title], expected.maps[title], rtol=1e-3, atol=1e-3)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])


def test_folding_makes_one_convolution_of_three_in_ec_cam_unet():
    """At full width, as docs/networks.md says."""
    with torch.device("meta"):
        twin = folded(networks.create("eccamunet"))
    assert sum(parameter.numel() for parameter in twin.parameters()) == 43_175_491


@pytest.mark.parametrize("name", NETWORKS)
def test_no_normalisation_of_slices_is_left_behind_a_convolution(name):
    twin = folded(as_after_training(name))
    assert not [module for module in twin.modules() if isinstance(module, nn.BatchNorm2d)]


def test_a_network_in_training_stays_in_training():
    network = networks.create("anunet", width=4).train()
    assert not folded(network).training
    assert network.training


def test_what_is_not_in_a_row_is_left_alone():
    """Here the normalisation comes first, and then there is something in between."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    network[3].running_mean.normal_()
    x = torch.rand(1, 1, 8, 8)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded(network).modules()) == 2
    with torch.inference_mode():
        torch.testing.assert_close(folded(network)(x), network(x))


def test_the_format_of_weights_is_that_of_autocast_and_can_be_changed_back():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 2))
    set_precision(network, torch.bfloat16)
    assert [layer.weight.dtype for layer in network] == [torch.bfloat16, torch.float32]
    set_precision(network, torch.float32)
    assert network[0].weight.dtype == torch.float32
