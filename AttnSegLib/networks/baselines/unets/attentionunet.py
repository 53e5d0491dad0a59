"""Attention U-Net: gates on the skip connections.

O. Oktay, J. Schlemper, L. Le Folgoc, M. Lee, M. Heinrich, K. Misawa et al.: "Attention U-Net: Learning where to look
for the pancreas", arXiv 1804.03999 (2018). In the form that the papers compare with, with the layers of the usual
public implementation (github.com/LeeJunHyun/Image_Segmentation), whose cost AF-Net's Table 5 prints; this file is
written from a description of it. A gate works at the size of its skip connection; the paper's works at half of it.
"""

from __future__ import annotations

from AttnSegLib.networks.baselines.unets.unet import UShape


class AttentionUNet(UShape):
    """U-Net whose decoder gets gated features. Sizes and width as in `UShape`."""

    published = "453.82 MB, 51.0 G at 3x224x224 (AF-Net's Table 5)"

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__(in_channels, num_classes, width, gated=True)


Network = AttentionUNet
