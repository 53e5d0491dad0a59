"""U-Net with a convolutional block attention module at the end of its encoder.

S. Woo, J. Park, J.-Y. Lee, I. S. Kweon: "CBAM: Convolutional block attention module", ECCV 2018. The place, and the
U-Net, are those of the EC-CaM-UNet paper, whose Table V compares it with parts of its own on one U-Net. The module is
AF-Net's attention in its serial form: channels first, then space, with a reduction of 16 and a 7x7 kernel as in the
paper. The authors' code also normalises the 7x7 convolution; their paper does not say so, and here it is left out.
"""

from __future__ import annotations

from AttnSegLib.networks.papers.afnet import DualAttention
from AttnSegLib.networks.papers.eccamunet import PlainECCaMUNet


class CBAMUNet(PlainECCaMUNet):
    """U-Net whose bottom level weighs its channels, then its pixels. Sizes and width as in `ECCaMUNet`."""

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__(in_channels, num_classes, width, DualAttention(16 * width, serial=True, title="CBAM"))


Network = CBAMUNet
