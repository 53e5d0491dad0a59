"""AF-Net's Table 5 (memory and FLOPs of networks and blocks), recounted by the rules of the profiler it comes from.

The table's figures are torchstat's (github.com/Swall0w/torchstat): "computing consumption" is its total memory in MB,
the sum of the outputs of all leaf modules, and "FLOPs" its multiply-accumulates, with those of normalisation, ReLU and
pooling. A module that is called several times counts once, as in its last call; transposed convolutions, sigmoid and
softmax cost nothing; functional calls are not seen at all. So what counts depends on how a network was written, and
each test says where its reference has modules and we have functions, or the other way round.

FPA, U-Net and Attention U-Net were other implementations than those that our baselines follow, so their layers are put
together here.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d
from torch.overrides import TorchFunctionMode

from AttnSegLib import networks
from AttnSegLib.networks.attention import SelfAttention
from AttnSegLib.networks.baselines.unets.attentionr2unet import AttentionR2UNet
from AttnSegLib.networks.blocks import DoubleConv, halve, resize
from AttnSegLib.networks.cost import measure_network
from AttnSegLib.networks.papers import afnet

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout2d, SelfAttention)
MEAN, MAXIMUM = torch.Tensor.mean, torch.Tensor.amax


class Torchstat(TorchFunctionMode):
    """Counts a forward pass, on the meta device.

    modules: functions whose calls are modules in the reference, each call another one. shared: those whose calls are
    all of one module. functional: modules of ours that are functional calls in the reference.
    """

    def __init__(self, network, *, modules=(), shared=(), functional=()):
        super().__init__()
        self.modules, self.shared = modules, shared
        self.outputs, self.flops, self.madd = {}, {}, {}
        for module in network.eval().modules():
            if isinstance(module, LAYERS) and module not in set(functional):
                module.register_forward_hook(self._layer)

    @property
    def megabytes(self):
        return 4 * sum(self.outputs.values()) / 2**20

    @property
    def gflops(self):
        return sum(self.flops.values()) / 1e9

    @property
    def gmadd(self):
        return sum(self.madd.values()) / 1e9

    def _layer(self, module, inputs, output):
        self.flops[module], self.madd[module] = cost_of_layer(module, inputs[0], output)
        matrix = isinstance(module, SelfAttention)  # the reference's softmax puts the whole matrix out
        self.outputs[module] = inputs[0].shape[1] * inputs[1].shape[1] if matrix else output.numel()

    def __torch_function__(self, function, _types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        over_channels = function in (MEAN, MAXIMUM) and kwargs["dim"] == 1  # functional in every reference
        if function in (*self.modules, *self.shared) and not over_channels:
            call = function if function in self.shared else len(self.outputs)
            self.outputs[call] = output.numel()
            self.flops[call], self.madd[call] = cost_of_call(function, args[0], output)
        return output


def cost_of_layer(module, x, y):
    """FLOPs (multiply-accumulates) and MAdd (multiplications and additions one by one)."""
    if isinstance(module, nn.Conv2d):
        products = y[0, 0].numel() * module.weight.numel()
        bias = y.numel() if module.bias is not None else 0
        return products + bias, 2 * products - y.numel() + bias
    if isinstance(module, nn.BatchNorm2d):
        return 2 * x.numel(), 4 * x.numel()
    return (x.numel(), x.numel()) if isinstance(module, nn.ReLU) else (0, 0)


def cost_of_call(function, x, y):
    if function is max_pool2d:
        return x.numel(), 3 * y.numel()  # MAdd: of 2x2 pixels
    if function is interpolate:
        return y[0, 0].numel(), 0  # the channels are forgotten
    return (x.numel(), x.numel()) if function is torch.relu else (0, 0)


def counted(network, channels, size, **options):
    torchstat = Torchstat(network, **options)
    with torch.no_grad(), torchstat:
        network(torch.empty(1, channels, size, size))
    return torchstat


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.fixture(autouse=True)
def _nothing_is_computed():
    with torch.device("meta"):
        yield


# Rows of networks and blocks of ours


def test_da_block():
    """CBAM's poolings and sigmoids are modules. A basic block of ResNet has one ReLU module, called twice."""
    block = afnet.AFNetBlock(512, 512, afnet.DualAttention(512, serial=False, title="a"))
    row = counted(block, 512, 224, modules=(MEAN, MAXIMUM, torch.sigmoid))
    assert row.megabytes == pytest.approx(490.3909, abs=5e-5)  # printed: 490.39
    assert row.gflops == pytest.approx(236.8935, abs=5e-5)  # 236.89


def test_mff_block():
    """As in CE-Net's dense atrous block, ReLU is a functional call."""
    row = counted(afnet.MultiScaleFusion(512), 512, 224)
    assert row.megabytes == 490  # printed: 490.00
    assert row.gflops == pytest.approx(434.1886, abs=5e-5)  # 434.19


class GlobalFusionAsPrinted(afnet.GlobalFusion):
    """Eq. 6 up-samples F_H before it is convolved; ours does it afterwards, at a quarter of the cost."""

    def forward(self, high, low):
        g = self.gate[:2](high.mean(dim=(2, 3), keepdim=True)).sigmoid()  # functional: as a module it adds 0.0012 MB
        return g * self.low(low) + self.high(resize(high, (low.shape[2], low.shape[3])))


def test_af_net(monkeypatch):
    """Poolings, the sigmoids of the DA-blocks, and up-sampling are modules."""
    monkeypatch.setattr(afnet, "GlobalFusion", GlobalFusionAsPrinted)
    modules = (MEAN, MAXIMUM, torch.sigmoid, max_pool2d, interpolate)
    row = counted(networks.create("afnet", in_channels=3), 3, 224, modules=modules)
    assert row.megabytes == pytest.approx(72.7136, abs=5e-5)  # printed: 72.71
    assert row.gflops == pytest.approx(5.3446, abs=5e-5)  # 5.34


def test_dual_attention():
    """DANet's head. The softmaxes are modules; each puts its whole matrix out."""

    class Features(nn.Module):
        def forward(self, x):
            return [x]

    network = networks.create("danet", num_classes=512, backbone="resnet34")
    network.backbone = Features()
    row = counted(network, 512, 112, modules=(torch.softmax,))
    assert parameters(network) == 1_694_370
    assert row.megabytes == pytest.approx(773.3438, abs=5e-5)  # printed: 773.34
    assert row.gflops == pytest.approx(21.2606, abs=5e-5)  # 21.26


def test_ce_net():
    """Pools are modules; the ReLUs behind the backbone and all up-sampling are functional calls.

    What is printed is the official code's layout, and ours, with another 1x1 convolution of 512 channels at 7x7.
    """
    network = networks.create("cenet", in_channels=3)
    relus = [m for part in (network.decoders, network.head) for m in part.modules() if isinstance(m, nn.ReLU)]
    row = counted(network, 3, 224, modules=(max_pool2d,), functional=relus)
    assert row.megabytes == pytest.approx(62.8603, abs=5e-5)
    assert row.gflops == pytest.approx(4.5617, abs=5e-5)
    one_more = counted(nn.Conv2d(512, 512, 1), 512, 7)
    assert row.megabytes + one_more.megabytes == pytest.approx(62.9560, abs=5e-5)  # printed: 62.96
    assert row.gflops + one_more.gflops == pytest.approx(4.5745, abs=5e-5)  # 4.57


# Rows of other implementations


def test_attention_u_net():
    """Attention R2U-Net comes from the same collection: it is Attention U-Net with other blocks. One pooling module
    serves all levels; sigmoid, the gates' ReLU, and up-sampling are modules of their own."""
    network = AttentionR2UNet(in_channels=3)
    for blocks in (network.encoder, network.decoder):
        for level, block in enumerate(blocks):
            blocks[level] = DoubleConv(block.project.in_channels, block.project.out_channels)
    row = counted(network, 3, 224, modules=(torch.sigmoid, torch.relu, interpolate), shared=(max_pool2d,))
    assert parameters(network) == 34_878_573
    assert row.megabytes == pytest.approx(453.8212, abs=5e-5)  # printed: 453.82
    assert row.gflops == pytest.approx(51.0004, abs=5e-5)  # 51.0


class BilinearUNet(nn.Module):
    """The U-Net beside CE-Net's code: 512 channels at the bottom, bilinear up-sampling, no convolution after it."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleList(
            DoubleConv(i, o) for i, o in zip((3, 64, 128, 256, 512), (64, 128, 256, 512, 512), strict=True)
        )
        self.decoder = nn.ModuleList(
            DoubleConv(i, o) for i, o in zip((1024, 512, 256, 128), (256, 128, 64, 64), strict=True)
        )
        self.head = nn.Conv2d(64, 1, 1)

    def forward(self, x):
        skips = [self.encoder[0](x)]
        for block in self.encoder[1:]:
            skips.append(block(halve(skips[-1])))
        y = skips.pop()
        for block in self.decoder:
            skip = skips.pop()
            y = block(torch.cat([skip, resize(y, (skip.shape[2], skip.shape[3]))], dim=1))
        return self.head(y)


def test_u_net():
    """Its second figure is not torchstat's FLOPs, as in the other rows, but its MAdd, about twice as many."""
    network = BilinearUNet()
    row = counted(network, 3, 224, modules=(max_pool2d, interpolate))
    assert parameters(network) == 13_395_329
    assert row.megabytes == pytest.approx(274.668, abs=5e-4)  # printed: 274.67
    assert row.gmadd == pytest.approx(47.4588, abs=5e-5)  # 47.46
    assert row.gflops == pytest.approx(23.7655, abs=5e-5)


def normalised(kind, in_channels, out_channels, kernel_size, stride=1):
    convolution = kind(in_channels, out_channels, kernel_size, stride, (kernel_size - 1) // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))


def test_fpa():
    """A pyramid of 128 channels with transposed convolutions, where our PAN has one channel and bilinear steps."""
    down, up = nn.Conv2d, nn.ConvTranspose2d
    layers = [  # of the reference, each with the size of its input
        (normalised(down, 512, 512, 1), 224),
        (normalised(down, 512, 512, 1), 1),  # the whole image
        *((normalised(down, i, 128, k, 2), s) for i, k, s in ((512, 7, 224), (128, 5, 112), (128, 3, 56))),
        *((normalised(down, 128, 128, k), s) for k, s in ((7, 112), (5, 56), (3, 28))),
        *((normalised(up, 128, o, 4, 2), s) for o, s in ((128, 28), (128, 56), (512, 112))),
        (nn.ReLU(), 224),  # one module, called last on the sum
    ]
    rows = [counted(layer, layer[0].in_channels if len(list(layer.children())) else 512, s) for layer, s in layers]
    assert sum(parameters(layer) for layer, _ in layers) == 7_230_464
    assert sum(row.megabytes for row in rows) == pytest.approx(537.4727, abs=5e-5)  # printed: 537.47
    assert sum(row.gflops for row in rows) == pytest.approx(66.4473, abs=5e-5)  # 66.45


# Multiply-accumulates of convolutions alone, in whole numbers


class MultiScaleFusionAsPrinted(afnet.MultiScaleFusion):
    """Each branch by itself; ours computes what two branches share once."""

    def forward(self, x):
        one, three, five = self.dilated
        branches = [self.project(five(three(one(x)))), self.project(three(one(x))), self.project(three(x)), one(x)]
        return self.merge(torch.cat([x, *(branch.relu() for branch in branches)], dim=1))


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
