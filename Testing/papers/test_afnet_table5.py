"""AF-Net's Table 5 (memory and FLOPs of networks and blocks), recounted by the rules of the profiler it comes from."""

import pytest
import torch
from torch import nn

from AttnSegLib import networks
from AttnSegLib.networks.cost import measure_network
from AttnSegLib.networks.papers import afnet
from training.papers.af_net_cost import ROWS, BilinearUNet, GlobalFusionAsPrinted, cost_rows, normalised
from training.papers.systems import published
from training.papers.torchstat import profiled


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.fixture(autouse=True)
def _nothing_is_computed():
    with torch.device("meta"):
        yield


@pytest.fixture(scope="module")
def counted():
    return cost_rows()


@pytest.mark.parametrize("row", published("af-net", "table5")["cost"].rows, ids=lambda row: row.method)
def test_every_row_is_what_is_printed(row, counted):
    """CE-Net with one more convolution than its code has; U-Net's second figure is not FLOPs but MAdd."""
    found = counted[row.method]
    assert found.megabytes == pytest.approx(row.values["computing consumption"], abs=0.0051)
    assert found.gflops == pytest.approx(row.values["FLOPs"], abs=0.0051)


def test_the_rows_are_those_of_the_table_in_its_order():
    assert list(ROWS) == [row.method for row in published("af-net", "table5")["cost"].rows]


@pytest.mark.parametrize(
    ("method", "megabytes", "gflops"),
    [
        ("AF-Net", 72.7136, 5.3446),
        ("Attention U-Net", 453.8212, 51.0004),
        ("CE-Net", 62.9560, 4.5745),
        ("DA-block", 490.3909, 236.8935),
        ("Dual attention", 773.3438, 21.2606),
        ("FPA", 537.4727, 66.4473),
        ("MFF-block", 490.0, 434.1886),
        ("U-Net", 274.668, 47.4588),
    ],
)
def test_rows_in_more_digits(method, megabytes, gflops, counted):
    assert counted[method].megabytes == pytest.approx(megabytes, abs=5e-4)
    assert counted[method].gflops == pytest.approx(gflops, abs=5e-5)


def test_what_is_counted_has_the_parameters_of_its_reference():
    assert parameters(BilinearUNet()) == 13_395_329
    assert parameters(networks.create("attentionunet", in_channels=3)) == 34_878_573


def test_ce_nets_row_has_a_convolution_that_its_code_does_not_have(counted):
    one_more = profiled(nn.Conv2d(512, 512, 1), 512, 7)
    assert counted["CE-Net"].megabytes - one_more.megabytes == pytest.approx(62.8603, abs=5e-5)
    assert counted["CE-Net"].gflops - one_more.gflops == pytest.approx(4.5617, abs=5e-5)


def test_a_transposed_convolution_costs_no_operations():
    assert profiled(normalised(nn.ConvTranspose2d, 8, 8, 4, 2)[:1], 8, 16).gflops == 0


# Multiply-accumulates of convolutions alone, in whole numbers


class MultiScaleFusionAsPrinted(afnet.MultiScaleFusion):
    """Each branch by itself; ours computes what two branches share once."""

    def forward(self, x):
        one, three, five = self.dilated
        branches = [self.project(five(three(one(x)))), self.project(three(one(x))), self.project(three(x)), one(x)]
        return self.merge(torch.cat([x, *(branch.relu() for branch in branches)], dim=1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "as_printed", "shared_once"),
    [
        (224, 5_819_762_806, 5_472_946_294),
        (256, 7_601_201_536, 7_148_216_704),
        (448, 23_277_862_360, 21_890_596_312),
        (512, 30_403_617_280, 28_591_677_952),
    ],
)
def test_multiply_accumulates_of_af_net(monkeypatch, size, as_printed, shared_once):
    """As Eq. 4 and 6 are printed; with shared convolutions computed once; and with GFF's 1x1 before up-sampling."""
    low_resolution = ((512, 128, 32), (128, 64, 16), (64, 64, 8), (64, 64, 4))  # channels of the 1x1, and its stride
    saved = 3 * sum(high * out * (size // stride) ** 2 for high, out, stride in low_resolution)
    assert measure_network("afnet", size, in_channels=3).macs == shared_once - saved
    monkeypatch.setattr(afnet, "GlobalFusion", GlobalFusionAsPrinted)
    assert measure_network("afnet", size, in_channels=3).macs == shared_once
    monkeypatch.setattr(afnet, "MultiScaleFusion", MultiScaleFusionAsPrinted)
    assert measure_network("afnet", size, in_channels=3).macs == as_printed
