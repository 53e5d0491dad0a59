"""EC-CaM-UNet block by block, against what its paper says."""

import pytest
import torch
from test_paper_networks import count, on_meta

from AttnSegLib import networks
from AttnSegLib.inference.folding import folded
from AttnSegLib.networks.attention import attention_maps, channel_coefficients
from AttnSegLib.networks.papers import eccamunet


def test_eccamunet_part_counts():
    network = on_meta("eccamunet")
    assert count(network.encoder) == 31_420_608
    assert count(network.bottom.attention) == 673
    assert count(network.bottom.multi_scale) == 8_917_504
    assert count(network.bottom.merge) == 2_099_200
    assert count(network.ups) == 2_786_240
    assert count(network.blocks) == 9_404_160
    assert count(network.side) == 1_131_185


def test_eccamunet_folded_encoder_counts():
    assert count(folded(networks.create("eccamunet")).encoder) == 18_842_048


@pytest.mark.parametrize("scale", [None, 1.0])
def test_eccamunet_attention_equals_equation_4(scale):
    torch.manual_seed(0)
    attention = eccamunet.CollaborativeAttention(6, cc=True, sc=True, scale=scale).eval()
    e = torch.rand(2, 6, 3, 4)
    flat = e.flatten(2)
    s = torch.softmax((16 / 6 if scale is None else scale) * flat.transpose(1, 2) @ flat, dim=2)
    weighted = (attention.weights(e) * e).flatten(2)
    expected = (s @ weighted.transpose(1, 2)).transpose(1, 2).reshape(e.shape) + e
    torch.testing.assert_close(attention(e), expected, rtol=1e-5, atol=1e-5)


ROWS_OF_ECCAMUNET_TABLE_2 = [
    "",
    "cc",
    "sc",
    "mus",
    "ec",
    "dws",
    "cc sc",
    "cc sc mus",
    "cc sc mus ec",
    "cc sc mus ec dws",
]


@pytest.mark.parametrize("row", [*ROWS_OF_ECCAMUNET_TABLE_2, "cc sc mus ec dws"])
def test_eccamunet_ablations_build(row):
    options = {part: part in row.split() for part in ("cc", "sc", "mus", "ec", "dws")}
    network = networks.create("eccamunet", width=4, **options).eval()
    output = network(torch.rand(1, 1, 32, 48))
    assert output.logits.shape == (1, 1, 32, 48)
    assert (output.side is not None) == options["dws"]
    assert output.auxiliary == ()
    assert bool(attention_maps(network)) == options["sc"]
    assert bool(channel_coefficients(network)) == options["cc"]


@pytest.mark.parametrize("fusion", ["sum", "series"])
def test_eccamunet_fusions_build_without_the_merging_convolution(fusion):
    assert networks.create("eccamunet", width=4, fusion=fusion).eval()(torch.rand(1, 1, 32, 48)).logits.isfinite().all()
    assert count(on_meta("eccamunet", fusion=fusion)) == 55_759_635 - 2_099_200
