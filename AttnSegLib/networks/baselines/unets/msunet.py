"""MSU-Net: a U-Net whose blocks convolve with a small and a large kernel side by side.

R. Su, D. Zhang, J. Liu, C. Cheng: "MSU-Net: Multi-scale U-Net for 2D medical image segmentation", Frontiers in Genetics
12 (2021). The paper tries several kernels; 3 and 7 are those of the authors' published code
(github.com/CN-zdy/MSU_Net), as are the widths. This file is written from a description of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.networks.blocks import ConvBlock, halve
from AttnSegLib.networks.output import SegmentationOutput

LEVELS = 5
KERNELS = (3, 7)


class MultiScaleBlock(nn.Module):
    """Two convolutions of each kernel size, side by side, merged by 1x1: (N, in, H, W) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                ConvBlock(in_channels, out_channels, kernel_size=k),
                ConvBlock(out_channels, out_channels, kernel_size=k),
            )
            for k in KERNELS
        )
        self.merge = nn.Conv2d(len(KERNELS) * out_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))


class MSUNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    width: channels of the first of five levels; each further level doubles them.
    """

    published = "none printed"

    size_multiple = 16

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 32):
        super().__init__()
        channels = [width * 2**i for i in range(LEVELS)]
        self.encoder = nn.ModuleList(
            MultiScaleBlock(before, c) for before, c in zip([in_channels, *channels], channels, strict=False)
        )
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, kernel_size=2, stride=2) for c in channels[:-1])
        self.decoder = nn.ModuleList(MultiScaleBlock(2 * c, c) for c in channels[:-1])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> SegmentationOutput:
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(halve(x) if level else x)
            skips.append(x)
        for level in reversed(range(LEVELS - 1)):
            x = self.decoder[level](torch.cat([skips[level], self.ups[level](x)], dim=1))
        return SegmentationOutput(self.head(x))


Network = MSUNet
