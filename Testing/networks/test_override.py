"""Attention switched off and replaced: what the network gets instead, in each of the papers' networks."""

import pytest
import torch
from torch import nn

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.inference.folding import folded
from AttnSegLib.networks.attention import (
    AttentionMap,
    AttentionRecorder,
    ChannelCoefficients,
    SelfAttention,
    attention_maps,
    channel_coefficients,
)
from AttnSegLib.networks.override import AttentionOverride, gammas, switchable_maps
from AttnSegLib.networks.replacement import Replacement, replaced_sentence

PAPERS = sorted(set(networks.network_names()) - set(networks.baseline_names()))


@pytest.fixture(scope="module", params=PAPERS)
def network(request):
    torch.manual_seed(0)
    options = {"backbone": "resnet34"} if request.param == "msdualguided" else {}
    made = networks.create(request.param, width=4, **options).eval()
    for parameter in gammas(made).values():
        parameter.fill_(-0.7)
    return folded(made)


@pytest.fixture
def slices():
    return torch.rand(2, 1, 32, 64, generator=torch.Generator().manual_seed(1))


def said(network, slices, *replacements, painted=None):
    with torch.inference_mode(), AttentionOverride(network, replacements) as override:
        override.paint(painted or {})
        return network(slices).logits


@torch.inference_mode()
def recorded(network, slices):
    titles = [*attention_maps(network), *channel_coefficients(network)]
    with AttentionRecorder(network, titles) as recorder:
        network(slices)
    return recorder


def test_the_recorded_coefficients_in_their_own_place_change_no_bit(network, slices):
    found = recorded(network, slices)
    own = {title for title, mark in attention_maps(network).items() if isinstance(mark, AttentionMap)}
    painted = {title: values for title, values in found.maps.items() if title in own} | found.vectors
    assert painted
    replacements = [Replacement(title, "painted") for title in painted]
    assert torch.equal(said(network, slices, *replacements, painted=painted), said(network, slices))


def test_nothing_erased_changes_no_bit(network, slices):
    titles = switchable_maps(network)
    painted = {title: torch.zeros(2, 1, 32, 64) for title in titles}
    erased = said(network, slices, *(Replacement(title, "erased") for title in titles), painted=painted)
    assert torch.equal(erased, said(network, slices))


def test_unused_it_leaves_no_hook_and_changes_nothing(network, slices):
    before = said(network, slices)
    with AttentionOverride(network, []):
        assert not any(module._forward_hooks for module in network.modules())
        assert torch.equal(network(slices).logits, before)


@pytest.mark.parametrize("how", ["neutral", "uniform", "erased"])
def test_every_map_reaches_the_result(network, slices, how):
    before = said(network, slices)
    left_half = torch.zeros(2, 1, 32, 64)
    left_half[..., :32] = 1
    for title in switchable_maps(network):
        painted = {title: left_half}
        assert not torch.equal(said(network, slices, Replacement(title, how), painted=painted), before), title
    assert torch.equal(said(network, slices), before)


def test_every_coefficient_over_channels_can_be_replaced(network, slices):
    before = said(network, slices)
    for title in channel_coefficients(network):
        assert not torch.equal(said(network, slices, Replacement(title, "constant", 0.9)), before), title


def test_neutral_is_the_mean_of_the_slice():
    x = torch.rand(2, 1, 3, 4)
    found = said_by(AttentionMap("map"), x, Replacement("map"))
    assert torch.equal(found, x.mean(dim=(2, 3), keepdim=True).expand(2, 1, 3, 4))


def said_by(mark, *inputs_and_replacement, painted=None):
    *inputs, replacement = inputs_and_replacement
    with AttentionOverride(nn.Sequential(mark), [replacement]) as override:
        override.paint(painted or {})
        return mark(*inputs)


def test_a_constant():
    assert said_by(AttentionMap("map"), torch.rand(1, 1, 2, 2), Replacement("map", "constant", 0.25)).unique() == 0.25


def test_a_map_of_the_users_comes_at_the_resolution_of_the_coefficients():
    painted = torch.zeros(1, 1, 4, 4)
    painted[..., :2, :2] = 1
    found = said_by(
        AttentionMap("map"), torch.rand(1, 1, 2, 2), Replacement("map", "painted"), painted={"map": painted}
    )
    assert torch.equal(found, torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]]))
    large = said_by(
        AttentionMap("map"), torch.rand(1, 1, 8, 8), Replacement("map", "painted"), painted={"map": painted}
    )
    assert large[0, 0, 0, 0] == 1
    assert large[0, 0, 7, 7] == 0


def test_what_is_erased_becomes_0_and_the_rest_stays():
    x, mask = torch.rand(1, 1, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    found = said_by(AttentionMap("map"), x, Replacement("map", "erased"), painted={"map": mask})
    assert found[0, 0, 0, 0] == 0
    assert torch.equal(found.flatten()[1:], x.flatten()[1:])


@pytest.fixture
def looking():
    torch.manual_seed(0)
    return SelfAttention("map", 0.5), torch.randn(2, 6, 5), torch.randn(2, 6, 5), torch.randn(2, 6, 7), (2, 3)


def test_uniform_self_attention_gathers_the_mean_and_identity_gathers_nothing(looking):
    mark, q, k, v, size = looking
    uniform = said_by(mark, q, k, v, size, Replacement("map", "neutral"))
    assert torch.equal(uniform, v.mean(dim=1, keepdim=True).expand(2, 6, 7))
    assert torch.equal(said_by(mark, q, k, v, size, Replacement("map", "identity")), v)


def test_nobody_looks_at_an_erased_place(looking):
    mark, q, k, v, size = looking
    mask = torch.zeros(2, 1, 2, 3)
    mask[:, 0, 1, 2] = 1
    found = said_by(mark, q, k, v, size, Replacement("map", "erased"), painted={"map": mask})
    expected = torch.softmax(0.5 * q @ k[:, :5].transpose(1, 2), dim=-1) @ v[:, :5]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_map_of_the_users_says_where_everybody_looks(looking):
    mark, q, k, v, size = looking
    places = torch.zeros(2, 1, 2, 3)
    places[:, 0, 0, 1] = 0.3
    found = said_by(mark, q, k, v, size, Replacement("map", "painted"), painted={"map": places})
    torch.testing.assert_close(found, v[:, 1:2].expand(2, 6, 7))


class Weighed(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.tensor([-0.5]))
        self.attend = SelfAttention("map")

    def forward(self, x):
        return x + self.gamma * self.attend(x, x, x, (2, 3))


def test_neutral_is_gamma_0_where_there_is_one():
    network, x = Weighed(), torch.rand(1, 6, 4)
    assert gammas(network) == {"map": torch.tensor([-0.5])}
    with AttentionOverride(network, [Replacement("map")]):
        assert torch.equal(network(x), x)


def test_a_recorder_entered_before_shows_what_the_network_computed():
    mark, x = AttentionMap("map"), torch.rand(1, 1, 2, 2)
    network = nn.Sequential(mark)
    with AttentionRecorder(network, ["map"]) as recorder, AttentionOverride(network, [Replacement("map")]):
        network(x)
    assert torch.equal(recorder.maps["map"], x)


def test_channels_are_made_equal():
    x = torch.rand(2, 3)
    assert torch.equal(said_by(ChannelCoefficients("c"), x, Replacement("c")), x.mean(1, keepdim=True).expand(2, 3))


def test_leaves_the_network_as_it_was_after_an_error():
    network = nn.Sequential(AttentionMap("map"))
    with pytest.raises(RuntimeError, match="boom"), AttentionOverride(network, [Replacement("map")]):
        raise RuntimeError("boom")
    assert not network[0]._forward_hooks


@pytest.mark.parametrize(
    ("mark", "replacement", "sentence"),
    [
        (AttentionMap("map"), Replacement("other"), "no attention 'other'; choose from: map"),
        (AttentionMap("map"), Replacement("map", "red"), "can't be replaced by 'red'; choose one of: neutral"),
        (AttentionMap("map"), Replacement("map", "identity"), "can't be replaced by 'identity'"),
        (SelfAttention("map"), Replacement("map", "constant"), "can't be replaced by 'constant'"),
        (ChannelCoefficients("map"), Replacement("map", "erased"), "can't be replaced by 'erased'"),
    ],
)
def test_refuses_what_does_not_fit(mark, replacement, sentence):
    with pytest.raises(InputError, match=sentence):
        AttentionOverride(nn.Sequential(mark), [replacement])


def test_refuses_to_run_without_what_was_to_be_painted():
    with pytest.raises(InputError, match="Nothing was painted"):
        said_by(AttentionMap("map"), torch.rand(1, 1, 2, 2), Replacement("map", "painted"))


def test_refuses_a_map_that_the_network_does_not_use():
    daf = networks.create("msdualguided", width=4, backbone="resnet34", attention="daf", stages=1, guided=False)
    assert switchable_maps(daf) == []
    with pytest.raises(InputError, match="only shown"):
        AttentionOverride(daf, [Replacement("scale 1 channel selection")])


def test_the_notice_says_what_was_done():
    replaced = [Replacement("gate 1,2"), Replacement("gate 0,0", "constant", 0.5), Replacement("gate 2,0")]
    sentence = replaced_sentence(replaced)
    assert "(switched off: 'gate 1,2', 'gate 2,0'; replaced by the constant 0.5: 'gate 0,0')" in sentence
    assert "not the model's own" in sentence


def test_attention_can_begin_with_a_weight():
    begun = networks.create("msdualguided", width=4, backbone="resnet34", gamma=0.5)
    assert {float(gamma) for gamma in gammas(begun).values()} == {0.5}
