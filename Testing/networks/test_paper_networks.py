"""Networks against the numbers and formulas of their papers; ANU-Net and EC-CaM-UNet have files of their own."""

import pytest
import torch

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import attention_maps
from AttnSegLib.networks.blocks import resize
from AttnSegLib.networks.papers import afnet, msdualguided, omeganet


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(name, **options):
    with torch.device("meta"):
        return networks.create(name, **options)


def with_statistics(network):
    """Normalisation as after training: that of a new network hides mistakes."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("afnet", {}, 30_734_369),
        ("afnet", {"in_channels": 3}, 30_740_641),
        ("omeganet", {}, 72_497_474),
        ("omeganet", {"num_classes": 2}, 72_497_604),
        ("omeganet", {"num_classes": 2, "in_channels": 3}, 72_498_756),
        ("omeganet", {"num_classes": 2, "dense": "select"}, 61_527_964),
        ("eccamunet", {}, 55_759_635),
        ("eccamunet", {"in_channels": 3}, 55_761_555),
        ("msdualguided", {}, 59_311_807),
        ("msdualguided", {"num_classes": 5}, 59_313_887),
        ("msdualguided", {"num_classes": 5, "in_channels": 3}, 59_320_159),
        ("msdualguided", {"num_classes": 5, "backbone": "resnext101_32x8d"}, 103_556_063),
        ("msdualguided", {"num_classes": 5, "backbone": "resnet50"}, 40_321_759),
    ],
)
def test_parameter_counts(name, options, parameters):
    assert count(on_meta(name, **options)) == parameters


# AF-Net


@pytest.mark.parametrize(("channels", "parameters"), [(64, 74_594), (128, 297_570), (256, 1_188_962), (512, 4_753_506)])
def test_afnet_block_counts(channels, parameters):
    attention = afnet.DualAttention(channels, serial=False, title="a")
    assert count(afnet.AFNetBlock(channels, channels, attention)) == parameters


def test_afnet_fusion_counts():
    with torch.device("meta"):
        assert count(afnet.MultiScaleFusion(512)) == 8_653_312


def test_afnet_dual_attention_by_hand():
    """Perceptron and convolution of zeros make both attentions 0.5: in parallel u, in series a quarter of u."""
    u = torch.randn(2, 16, 5, 7)
    for serial, share in ((False, 1.0), (True, 0.25)):
        block = afnet.DualAttention(16, serial=serial, title="a")
        for parameter in block.parameters():
            torch.nn.init.zeros_(parameter)
        torch.testing.assert_close(block(u), share * u)


@pytest.mark.parametrize("serial", [False, True])
def test_afnet_dual_attention_equals_equations_1_to_3(serial):
    u, block = torch.randn(2, 16, 5, 7), afnet.DualAttention(16, serial=serial, title="a")
    first, last = (block.perceptron[n].weight[:, :, 0, 0] for n in (0, 2))
    passed = sum((pooled @ first.T).relu() @ last.T for pooled in (u.mean((2, 3)), u.amax((2, 3))))
    by_channel = passed.sigmoid()[:, :, None, None] * u
    seen = by_channel if serial else u
    pooled = torch.stack([seen.mean(1), seen.amax(1)], 1)
    by_place = torch.conv2d(pooled, block.convolution.weight, padding=3).sigmoid() * seen
    torch.testing.assert_close(block(u), by_place if serial else by_channel + by_place)


def test_afnet_convolves_before_up_sampling_with_the_same_result():
    torch.manual_seed(0)
    fusion = afnet.GlobalFusion(8, 4, 6, gated=False, title="g")
    high, low = torch.randn(2, 8, 3, 4), torch.randn(2, 4, 6, 8)
    expected = fusion.low(low) + fusion.high(resize(high, (6, 8)))
    torch.testing.assert_close(fusion(high, low), expected, rtol=1e-5, atol=1e-5)


ROWS_OF_AFNET_TABLE_4 = [
    {"attention": "none", "mff": False, "gff": False},
    {"attention": "none", "mff": True, "gff": False},
    {"attention": "none", "mff": False, "gff": True},
    {"attention": "parallel", "mff": False, "gff": False},
    {"attention": "none", "mff": True, "gff": True},
    {"attention": "serial", "mff": True, "gff": True},
    {"attention": "parallel", "mff": True, "gff": True},
]


def test_afnet_ablations_build_and_differ():
    x = torch.rand(1, 1, 32, 64)
    for row in ROWS_OF_AFNET_TABLE_4:
        network = networks.create("afnet", width=4, **row).eval()
        assert network(x).logits.shape == (1, 1, 32, 64)
        assert (len(attention_maps(network)) == 16) == (row["attention"] != "none")
    assert count(on_meta("afnet", attention="serial")) == 30_734_369
    assert count(on_meta("afnet")) - count(on_meta("afnet", mff=False)) == 8_653_312


# Omega-Net


@pytest.mark.parametrize(
    ("channels", "parameters"), [(64, 160_512), (128, 640_512), (256, 2_558_976), (512, 10_229_760)]
)
def test_omeganet_cascade_counts(channels, parameters):
    assert count(omeganet.CascadeMSC(channels)) == parameters


def test_omeganet_part_counts():
    network = on_meta("omeganet", num_classes=2)
    assert count(network.encoder) == 18_849_984
    assert count(network.ups) == count(network.additional_ups) == 2_786_240
    assert count(network.cascades) == 13_589_760
    assert count(network.attention) == count(network.blocks) == 12_539_520
    assert count(network.additional_blocks) == 9_406_080


def test_omeganet_channel_attention_as_printed_is_the_identity_and_ours_is_not():
    torch.manual_seed(0)
    m = torch.rand(1, 8, 64, 64)
    printed, ours = omeganet.OmegaNetChannelAttention("none", "a"), omeganet.OmegaNetChannelAttention("balanced", "a")
    torch.testing.assert_close(printed(m), 2 * m)
    assert not torch.allclose(ours(m), 2 * m, rtol=0.1)


def test_omeganet_position_attention_sums_to_1_over_the_dense_features():
    torch.manual_seed(0)
    attention = omeganet.OmegaNetPositionAttention(8, "pool", "level 0").eval()
    seen = []
    for marked in attention.maps:
        marked.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    attention(torch.rand(2, 8, 6, 9))
    assert len(seen) == 10
    torch.testing.assert_close(torch.cat(seen, 1).sum(1), torch.ones(2, 6, 9))


@pytest.mark.parametrize(
    "row",
    [
        {"dual": False, "mdsa": False, "msc": False},
        {"dual": True, "mdsa": False, "msc": False},
        {"dual": True, "mdsa": False, "msc": True},
        {"dual": True, "mdsa": True, "msc": False},
        {"dense": "select", "channel_scale": "none"},
    ],
)
def test_omeganet_ablations_build(row):
    network = networks.create("omeganet", width=4, num_classes=2, **row).eval()
    output = network(torch.rand(1, 1, 32, 48))
    assert output.logits.shape == (1, 2, 32, 48)
    assert len(output.auxiliary) == row.get("dual", True)


# MS-Dual-Guided


def test_msdualguided_part_counts():
    network = on_meta("msdualguided", num_classes=5)
    assert [count(down) for down in network.down] == [16_577, 32_961, 65_729, 131_265]
    assert count(network.fuse) == 188_995
    position, channel = network.steps[0].attention[0].branches
    assert (count(position), count(channel)) == (116_179, 110_979)
    assert count(network.steps[0].autoencoder) == 6_970_496
    assert count(network.steps[0].guides[0]) == 73_792
    assert count(network.steps[0].projections[0]) == 4_160
    assert count(network.last_heads[0]) == 325


@pytest.mark.parametrize(
    "attention", [msdualguided.MSDualGuidedPositionAttention, msdualguided.MSDualGuidedChannelAttention]
)
def test_msdualguided_attention_starts_as_the_identity(attention):
    x = torch.randn(2, 16, 5, 6)
    torch.testing.assert_close(attention(16, "a")(x), x)


def test_msdualguided_position_attention_equals_equations_2_and_3():
    torch.manual_seed(0)
    attention = msdualguided.MSDualGuidedPositionAttention(16, "a")
    torch.nn.init.constant_(attention.gamma, 0.7)
    x = torch.randn(2, 16, 5, 6)
    q, k, v = (convolution(x).flatten(2) for convolution in (attention.query, attention.key, attention.value))
    s = torch.softmax(q.transpose(1, 2) @ k, dim=2)
    expected = 0.7 * (v @ s.transpose(1, 2)).reshape(x.shape) + x
    torch.testing.assert_close(attention(x), expected, rtol=1e-5, atol=1e-5)


def test_attention_can_be_had_as_it_is_printed():
    """Eq. 10 of Omega-Net has no scale; Eq. 4 of MS-Dual-Guided is the softmax of the products."""
    torch.manual_seed(0)
    m = torch.rand(1, 8, 3, 5)
    position = omeganet.OmegaNetPositionAttention(8, "pool", "a", scale=1.0).eval()
    d = position.features(m)
    a = torch.softmax(m.flatten(2).transpose(1, 2) @ d, dim=2)
    torch.testing.assert_close(position(m), (d @ a.transpose(1, 2)).reshape(m.shape) + m)
    channel = msdualguided.PrintedChannelAttention(8, "a")
    channel.gamma.data.fill_(1.0)
    x = m.flatten(2)
    expected = torch.softmax(x @ x.transpose(1, 2), dim=2) @ x
    torch.testing.assert_close(channel(m), expected.reshape(m.shape) + m)


def test_msdualguided_logits_are_the_mean_of_the_last_four_heads():
    network = networks.create("msdualguided", width=4, num_classes=3, backbone="resnet50").eval()
    with torch.inference_mode():
        output = network(torch.rand(1, 1, 32, 64))
    assert len(output.auxiliary) == 8
    torch.testing.assert_close(output.logits, sum(output.auxiliary[4:]) / 4)
    assert output.penalty > 0


@pytest.mark.parametrize(
    ("row", "parameters", "maps"),
    [
        ({"attention": "daf", "stages": 1, "guided": False}, 43_853_635, 4),
        ({"attention": "pam", "stages": 1, "guided": False}, 43_874_439, 4),
        ({"attention": "cam", "stages": 1, "guided": False}, 43_853_639, 0),
        ({"attention": "dual", "stages": 1, "guided": False}, 44_318_355, 4),
        ({"attention": "dual", "stages": 2, "guided": False}, 44_782_559, 8),
    ],
)
def test_msdualguided_ablations(row, parameters, maps):
    assert count(on_meta("msdualguided", num_classes=5, **row)) == parameters
    network = networks.create("msdualguided", width=4, backbone="resnet50", **row).eval()
    output = network(torch.rand(1, 1, 32, 64))
    assert output.logits.shape == (1, 1, 32, 64)
    assert output.penalty is None
    assert len(attention_maps(network)) == maps


def test_msdualguided_starts_as_the_published_code_does():
    torch.manual_seed(0)
    network = networks.create("msdualguided", width=32, backbone="resnet50")
    convolution, normalisation = network.fuse[0][0].weight, network.fuse[1][1].weight
    fan_in, fan_out = convolution[0].numel(), convolution[:, 0].numel()
    assert convolution.std().item() == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.05)
    assert 0.005 < normalisation.std().item() < 0.05


# all


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("afnet", {"attention": "both"}),
        ("omeganet", {"dual": False}),
        ("omeganet", {"dense": "max"}),
        ("omeganet", {"channel_scale": "sum"}),
        ("omeganet", {"mdsa": False, "dense": "select"}),
        ("omeganet", {"mdsa": False, "scale": 1.0}),
        ("eccamunet", {"fusion": "product"}),
        ("eccamunet", {"fusion": "series", "mus": False}),
        ("eccamunet", {"sc": False, "scale": 1.0}),
        ("msdualguided", {"attention": "triple"}),
        ("msdualguided", {"stages": 3}),
        ("msdualguided", {"stages": 1}),
        ("msdualguided", {"attention": "daf", "guided": False}),
        ("msdualguided", {"backbone": "vgg"}),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(name, options):
    with pytest.raises(InputError, match=r"^[^\n]+\.$"):
        networks.create(name, width=4, **options)
