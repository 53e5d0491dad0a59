"""The rows of AF-Net's Table 5, memory and FLOPs of networks and blocks, counted by the rules of its profiler.

Rows of networks and blocks that we have are counted on ours. FPA and U-Net were other implementations than those that
our baselines follow, so their layers are put together here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from AttnSegLib import networks
from AttnSegLib.networks.blocks import DoubleConv, halve, resize
from AttnSegLib.networks.papers import afnet
from training.papers.systems import published
from training.papers.torchstat import MAXIMUM, MEAN, Torchstat, Written, profiled
from training.scoring.summary import markdown_table


class GlobalFusionAsPrinted(afnet.GlobalFusion):
    """Eq. 6 up-samples F_H before it is convolved; ours does it afterwards, at a quarter of the cost."""

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        pooled = high.mean(dim=(2, 3), keepdim=True)
        g = cast(nn.Sequential, self.gate)[:2](pooled).sigmoid()  # functional: as a module it adds 0.0012 MB
        wide: Tensor = self.high(resize(high, (low.shape[2], low.shape[3])))
        fused: Tensor = g * self.low(low) + wide
        return fused


class BilinearUNet(nn.Module):
    """The U-Net beside CE-Net's code: 512 channels at the bottom, bilinear up-sampling, no convolution after it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            DoubleConv(i, o) for i, o in zip((3, 64, 128, 256, 512), (64, 128, 256, 512, 512), strict=True)
        )
        self.decoder = nn.ModuleList(
            DoubleConv(i, o) for i, o in zip((1024, 512, 256, 128), (256, 128, 64, 64), strict=True)
        )
        self.head = nn.Conv2d(64, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.encoder[0](x)]
        for block in self.encoder[1:]:
            skips.append(block(halve(skips[-1])))
        y = skips.pop()
        for block in self.decoder:
            skip = skips.pop()
            y = block(torch.cat([skip, resize(y, (skip.shape[2], skip.shape[3]))], dim=1))
        return cast(Tensor, self.head(y))


def fpa() -> Torchstat:
    """PAN's pyramid: 128 channels with transposed convolutions, where our PAN has one channel and bilinear steps."""
    down, up = nn.Conv2d, nn.ConvTranspose2d
    layers = [  # of the reference, each with the size of its input
        (normalised(down, 512, 512, 1), 224),
        (normalised(down, 512, 512, 1), 1),  # the whole image
        *((normalised(down, i, 128, k, 2), s) for i, k, s in ((512, 7, 224), (128, 5, 112), (128, 3, 56))),
        *((normalised(down, 128, 128, k), s) for k, s in ((7, 112), (5, 56), (3, 28))),
        *((normalised(up, 128, o, 4, 2), s) for o, s in ((128, 28), (128, 56), (512, 112))),
    ]
    relu = profiled(nn.ReLU(), 512, 224)  # one module, called last on the sum
    return reduce(add, (profiled(layer, cast(nn.Conv2d, layer[0]).in_channels, size) for layer, size in layers), relu)


def normalised(
    kind: type[nn.Conv2d] | type[nn.ConvTranspose2d], in_channels: int, out_channels: int, kernel: int, stride: int = 1
) -> nn.Sequential:
    """A convolution without bias, and its normalisation."""
    convolution = kind(in_channels, out_channels, kernel, stride, (kernel - 1) // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))


def mff_block() -> Torchstat:
    """As in CE-Net's dense atrous block, ReLU is a functional call."""
    return profiled(afnet.MultiScaleFusion(512), 512, 224)


def dual_attention() -> Torchstat:
    """DANet's head. The softmaxes are modules; each puts its whole matrix out."""

    class Features(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [x]

    network = networks.create("danet", num_classes=512, backbone="resnet34")
    network.backbone = Features()
    return profiled(network, 512, 112, Written(modules=(torch.softmax,)))


def da_block() -> Torchstat:
    """CBAM's poolings and sigmoids are modules. A basic block of ResNet has one ReLU module, called twice."""
    block = afnet.AFNetBlock(512, 512, afnet.DualAttention(512, serial=False, title="a"))
    return profiled(block, 512, 224, Written(modules=(MEAN, MAXIMUM, torch.sigmoid)))


def u_net() -> Torchstat:
    """What is printed as its FLOPs is not that figure of the profiler, as in the other rows, but its MAdd."""
    found = profiled(BilinearUNet(), 3, 224, Written(modules=(max_pool2d, interpolate)))
    return Torchstat(found.megabytes, found.gmadd, found.gmadd)


def attention_u_net() -> Torchstat:
    """One pooling module serves all levels; sigmoid, the gates' ReLU, and up-sampling are modules of their own."""
    network = networks.create("attentionunet", in_channels=3)
    written = Written(modules=(torch.sigmoid, torch.relu, interpolate), shared=(max_pool2d,))
    return profiled(network, 3, 224, written)


def ce_net() -> Torchstat:
    """Pools are modules; the ReLUs behind the backbone and all up-sampling are functional calls. What is printed is the
    official code's layout, and ours, with another 1x1 convolution of 512 channels at 7x7."""
    network = networks.create("cenet", in_channels=3)
    behind = (cast(nn.Module, network.decoders), cast(nn.Module, network.head))
    relus = [module for part in behind for module in part.modules() if isinstance(module, nn.ReLU)]
    found = profiled(network, 3, 224, Written(modules=(max_pool2d,), functional=relus))
    return found + profiled(nn.Conv2d(512, 512, 1), 512, 7)


def af_net() -> Torchstat:
    """Poolings, the sigmoids of the DA-blocks, and up-sampling are modules; Eq. 6 in the order that is printed."""
    network = networks.create("afnet", in_channels=3)
    for module in network.modules():
        if isinstance(module, afnet.GlobalFusion):
            module.__class__ = GlobalFusionAsPrinted
    return profiled(network, 3, 224, Written(modules=(MEAN, MAXIMUM, torch.sigmoid, max_pool2d, interpolate)))


ROWS: dict[str, Callable[[], Torchstat]] = {
    "FPA": fpa,
    "MFF-block": mff_block,
    "Dual attention": dual_attention,
    "DA-block": da_block,
    "U-Net": u_net,
    "Attention U-Net": attention_u_net,
    "CE-Net": ce_net,
    "AF-Net": af_net,
}


def cost_page() -> str:
    """The table in Markdown: in each cell ours, then the printed value."""
    part = published("af-net", "table5")["cost"]
    body = []
    for (method, found), row in zip(cost_rows().items(), part.rows, strict=True):
        ours = (found.megabytes, found.gflops)
        body.append([method, *(f"{o:.2f} / {t:.2f}" for o, t in zip(ours, row.values.values(), strict=True))])
    notes = (
        "Counted as the profiler torchstat counts; nothing is trained.",
        "U-Net's second figure is not FLOPs, as in the other rows, but the profiler's MAdd. CE-Net's has one 1x1 "
        "convolution more than the published code.",
    )
    table = markdown_table(["method", *part.metrics], body, 1)
    return f"# af-net, table5: {part.title}\n\nOurs / printed.\n\n{table}" + "".join(f"\n{one}\n" for one in notes)


def cost_rows() -> dict[str, Torchstat]:
    """All rows of the table, by method, in its order."""
    with torch.device("meta"):
        return {method: count() for method, count in ROWS.items()}
