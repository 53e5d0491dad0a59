"""Attention R2U-Net: R2U-Net with the gates of Attention U-Net on its skip connections.

No paper of its own: the combination comes from a public collection of U-Nets (github.com/LeeJunHyun/Image_Segmentation)
and is compared with as R2AttU-Net. This file is written from a description of it. The gate is the one of ANU-Net, with
half of the skip connection's channels inside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.baselines.unets.r2unet import LEVELS, R2UNet
from AttnSegLib.networks.papers.anunet import AttentionGate


class AttentionR2UNet(R2UNet):
    """R2U-Net whose decoder gets gated features. Sizes and options as in `R2UNet`."""

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, times: int = 2):
        super().__init__(in_channels, num_classes, width=width, times=times)
        channels = [width * 2**i for i in range(LEVELS - 1)]
        self.gates = nn.ModuleList(AttentionGate(c, c // 2) for c in channels)
        self.maps = nn.ModuleList(AttentionMap(f"gate {level}") for level in range(LEVELS - 1))

    def skip(self, level: int, feature: Tensor, below: Tensor) -> Tensor:
        return feature * self.maps[level](torch.sigmoid(self.gates[level](below, feature)))


Network = AttentionR2UNet
