"""Attention R2U-Net: R2U-Net with the gates of Attention U-Net on its skip connections.

No paper of its own: the combination comes from a public collection of U-Nets by LeeJunHyun
(github.com/LeeJunHyun/Image_Segmentation) and is compared with as R2AttU-Net. This file is written from a description
of it. The gate is the one of ANU-Net, with half of the skip connection's channels inside.
"""

from __future__ import annotations

from functools import partial

from AttnSegLib.networks.baselines.unets.r2unet import R2UNetBlock
from AttnSegLib.networks.baselines.unets.unet import UShape


class AttentionR2UNet(UShape):
    """R2U-Net whose decoder gets gated features. Sizes and options as in `R2UNet`."""

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, times: int = 2):
        super().__init__(in_channels, num_classes, width, partial(R2UNetBlock, times=times), gated=True)


Network = AttentionR2UNet
