"""Attention U-Net: gates on the skip connections.

O. Oktay et al.: "Attention U-Net: Learning where to look for the pancreas", MIDL 2018.
MONAI's AttentionUnet. It halves by strided convolutions where the paper pools, evaluates a gate at the size of its skip
connection instead of half of it, and merges with one convolution, instance normalisation and PReLU.
"""

from __future__ import annotations

from monai.networks.nets.attentionunet import AttentionBlock, AttentionUnet
from torch import Tensor, nn

from AttnSegLib.networks.attention import AttentionMap
from AttnSegLib.networks.output import SegmentationOutput


class AttentionUNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    width: channels of the first of five levels; each further level doubles them.
    """

    published = "none printed"

    size_multiple = 16

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__()
        channels = [width * 2**i for i in range(5)]
        self.network = AttentionUnet(2, in_channels, num_classes, channels, strides=(2, 2, 2, 2))
        gates = [module for module in self.network.modules() if isinstance(module, AttentionBlock)]
        for level, gate in enumerate(gates):
            gate.psi.append(AttentionMap(f"gate {level}"))  # behind the sigmoid

    def forward(self, x: Tensor) -> SegmentationOutput:
        return SegmentationOutput(self.network(x))


Network = AttentionUNet
