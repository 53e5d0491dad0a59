"""U-Net with squeeze and excitation at the end of its encoder.

J. Hu, L. Shen, G. Sun: "Squeeze-and-excitation networks", CVPR 2018. Both parts are MONAI's; the reduction of 16 is the
paper's, the place is that of the EC-CaM-UNet paper, which compares with it.
"""

from __future__ import annotations

from monai.networks.blocks.squeeze_and_excitation import ChannelSELayer

from AttnSegLib.networks.attention import ChannelCoefficients
from AttnSegLib.networks.baselines.unets.unet import UNet


class SEUNet(UNet):
    """U-Net whose bottom level weighs its channels. Sizes and options as in `UNet`."""

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__(in_channels, num_classes, width=width)
        layer = ChannelSELayer(2, 16 * width, r=16)
        layer.fc.append(ChannelCoefficients("SE channel attention"))  # behind the sigmoid
        self.network.down_4.append(layer)


Network = SEUNet
