"""U-Net++, the nested U-Net with deep supervision.

Z. Zhou, M. M. R. Siddiquee, N. Tajbakhsh, J. Liang: "UNet++: Redesigning skip connections to exploit multiscale
features in image segmentation", IEEE Transactions on Medical Imaging 39 (2020).
MONAI's BasicUNetPlusPlus, with batch normalisation and ReLU. Its up-convolutions of levels 1 to 3 halve the channels
that come from below, which the paper does not; those of level 0 keep them.
"""

from __future__ import annotations

from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus
from torch import Tensor, nn

from AttnSegLib.networks.output import SegmentationOutput


class UNetPlusPlus(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    width: channels of the first of five levels; each further level doubles them.
    """

    published = "none printed"

    size_multiple = 16

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 32):
        super().__init__()
        channels = [width * 2**i for i in range(5)]
        self.network = BasicUNetPlusPlus(
            2, in_channels, num_classes, (*channels, width), deep_supervision=True, act="relu", norm="batch"
        )

    def forward(self, x: Tensor) -> SegmentationOutput:
        *auxiliary, logits = self.network(x)
        return SegmentationOutput(logits, tuple(auxiliary))


Network = UNetPlusPlus
