"""U-Net with squeeze and excitation at the end of its encoder.

J. Hu, L. Shen, G. Sun: "Squeeze-and-excitation networks", CVPR 2018. The place, and the U-Net, are those of the
EC-CaM-UNet paper, whose Table V compares it with parts of its own on one U-Net; the reduction of 16 is the SE paper's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.networks.attention import ChannelCoefficients
from AttnSegLib.networks.papers.eccamunet import PlainECCaMUNet


class SqueezeExcitation(nn.Module):
    """Weighs the channels of (N, C, H, W) by what their means say."""

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        inner = max(channels // reduction, 1)
        self.excite = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(inplace=True), nn.Linear(inner, channels))
        self.coefficients = ChannelCoefficients("SE channel attention")

    def forward(self, x: Tensor) -> Tensor:
        weights = self.coefficients(torch.sigmoid(self.excite(x.mean(dim=(2, 3)))))
        return x * weights[:, :, None, None]


class SEUNet(PlainECCaMUNet):
    """U-Net whose bottom level weighs its channels. Sizes and width as in `ECCaMUNet`."""

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__(in_channels, num_classes, width, SqueezeExcitation(16 * width))


Network = SEUNet
