"""U-Net.

O. Ronneberger, P. Fischer, T. Brox: "U-Net: Convolutional networks for biomedical image segmentation", MICCAI 2015.
MONAI's BasicUNet, with batch normalisation and ReLU as in the papers that compare with it, and padded convolutions.
"""

from __future__ import annotations

from monai.networks.nets.basic_unet import BasicUNet
from torch import Tensor, nn

from AttnSegLib.networks.output import SegmentationOutput


class UNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    width: channels of the first of five levels; each further level doubles them.
    """

    published = "none printed"

    size_multiple = 16

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__()
        channels = [width * 2**i for i in range(5)]
        self.network = BasicUNet(2, in_channels, num_classes, (*channels, width), act="relu", norm="batch")

    def forward(self, x: Tensor) -> SegmentationOutput:
        return SegmentationOutput(self.network(x))


Network = UNet
