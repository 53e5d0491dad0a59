"""U-Net.

O. Ronneberger, P. Fischer, T. Brox: "U-Net: Convolutional networks for biomedical image segmentation", MICCAI 2015.
In the form that the papers compare with, with the layers of the usual public implementation
(github.com/LeeJunHyun/Image_Segmentation); this file is written from a description of it:

- Padded convolutions with bias, batch normalisation and ReLU: a slice keeps its size.
- Levels are enlarged by nearest neighbours, then a 3x3 convolution that halves the channels.

`UShape` is this layout with any block, and with or without gates on the skip connections. Attention U-Net, R2U-Net and
Attention R2U-Net are made of it, too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.blocks import ConvBlock, DoubleConv, halve
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.papers.anunet import AttentionGate

LEVELS = 5


class UShape(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    width: channels of the first of five levels; each further level doubles them.
    block: makes a level's layers of channels before and after.
    gated: whether the features of the skip connections pass a gate, whose signal is the enlarged level below.
    """

    published = "none printed"

    size_multiple = 2 ** (LEVELS - 1)

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        width: int,
        block: Callable[[int, int], nn.Module] = DoubleConv,
        *,
        gated: bool = False,
    ):
        super().__init__()
        channels = [width * 2**i for i in range(LEVELS)]
        self.encoder = nn.ModuleList(
            block(before, c) for before, c in zip([in_channels, *channels], channels, strict=False)
        )
        self.ups = nn.ModuleList(ConvBlock(2 * c, c) for c in channels[:-1])
        self.gates = nn.ModuleList(AttentionGate(c, c // 2) for c in channels[:-1] if gated)
        self.maps = nn.ModuleList(AttentionMap(f"gate {level}") for level in range(len(self.gates)))
        self.decoder = nn.ModuleList(block(2 * c, c) for c in channels[:-1])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> SegmentationOutput:
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(halve(x) if level else x)
            skips.append(x)
        for level in reversed(range(LEVELS - 1)):
            below = self.ups[level](nn.functional.interpolate(x, scale_factor=2, mode="nearest"))
            x = self.decoder[level](torch.cat([self.skip(level, skips[level], below), below], dim=1))
        return SegmentationOutput(self.head(x))

    def skip(self, level: int, feature: Tensor, below: Tensor) -> Tensor:
        """What the decoder gets from the encoder's feature (N, C, H, W) of a level; `below` has the same shape."""
        if not self.gates:
            return feature
        return feature * self.maps[level](torch.sigmoid(self.gates[level](below, feature)))


class UNet(UShape):
    """The layout with two convolutions a level. Sizes and width as in `UShape`."""

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__(in_channels, num_classes, width)


Network = UNet
