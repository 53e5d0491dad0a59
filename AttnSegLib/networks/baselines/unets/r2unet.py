"""R2U-Net: a U-Net of recurrent residual convolutions.

M. Z. Alom, M. Hasan, C. Yakopcic, T. M. Taha, V. K. Asari: "Recurrent residual convolutional neural network based on
U-Net (R2U-Net) for medical image segmentation", arXiv 1802.06955. Where the paper is silent the usual public
implementation decided; this file is written from a description of it:

- Levels are enlarged by nearest neighbours, then a 3x3 convolution with batch normalisation and ReLU.
- A 1x1 convolution brings a block's input to its width; the residual is added to what it gives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.networks.blocks import ConvBlock, halve
from AttnSegLib.networks.output import SegmentationOutput

LEVELS = 5


class Recurrent(nn.Module):
    """One convolution that sees its own output, `times` times: (N, C, H, W) to the same."""

    def __init__(self, channels: int, times: int):
        super().__init__()
        self.times = times
        self.convolution = ConvBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        h = self.convolution(x)
        for _ in range(self.times):
            h = self.convolution(x + h)
        return h


class R2UNetBlock(nn.Module):
    """Two recurrent convolutions beside a shortcut: (N, in, H, W) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, times: int):
        super().__init__()
        self.project = nn.Conv2d(in_channels, out_channels, 1)
        self.residual = nn.Sequential(Recurrent(out_channels, times), Recurrent(out_channels, times))

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(x)
        return y + self.residual(y)


class R2UNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    width: channels of the first of five levels; each further level doubles them.
    times: how often a convolution sees its own output (the paper's t).
    """

    published = "none printed"

    size_multiple = 16

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, times: int = 2):
        super().__init__()
        channels = [width * 2**i for i in range(LEVELS)]
        self.encoder = nn.ModuleList(
            R2UNetBlock(before, c, times) for before, c in zip([in_channels, *channels], channels, strict=False)
        )
        self.ups = nn.ModuleList(ConvBlock(2 * c, c) for c in channels[:-1])
        self.decoder = nn.ModuleList(R2UNetBlock(2 * c, c, times) for c in channels[:-1])
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

    def skip(self, _level: int, feature: Tensor, _below: Tensor) -> Tensor:
        """What the decoder gets from the encoder's feature (N, C, H, W) of a level; `below` has the same shape."""
        return feature


Network = R2UNet
