"""R2U-Net: a U-Net of recurrent residual convolutions.

M. Z. Alom, M. Hasan, C. Yakopcic, T. M. Taha, V. K. Asari: "Recurrent residual convolutional neural network based on
U-Net (R2U-Net) for medical image segmentation", arXiv 1802.06955. Where the paper is silent the usual public
implementation decided; this file is written from a description of it:

- Levels are enlarged by nearest neighbours, then a 3x3 convolution with batch normalisation and ReLU.
- A 1x1 convolution brings a block's input to its width; the residual is added to what it gives.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from AttnSegLib.networks.baselines.unets.unet import UShape
from AttnSegLib.networks.blocks import ConvBlock


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


class R2UNet(UShape):
    """U-Net of recurrent blocks. Sizes and width as in `UShape`.

    times: how often a convolution sees its own output (the paper's t).
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, times: int = 2):
        super().__init__(in_channels, num_classes, width, partial(R2UNetBlock, times=times))


Network = R2UNet
