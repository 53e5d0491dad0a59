"""FCN, the fully convolutional network, on a dilated ResNet.

J. Long, E. Shelhamer, T. Darrell: "Fully convolutional networks for semantic segmentation", CVPR 2015. The layout is
today's usual one, as in torchvision: the last two layers of the backbone dilated, one convolution, one head, and one
up-sampling, in place of the paper's VGG-16 with skip connections.
"""

from __future__ import annotations

from torch import Tensor, nn

from AttnSegLib.networks.blocks import ConvBlock, resize
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.resnet import ResNet


class FCN(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 8, to logits (N, num_classes, H, W).

    width: channels of the backbone's stem. backbone: "resnet50", "resnet101", ...
    """

    published = "none printed"

    size_multiple = 8

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, backbone: str = "resnet50"):
        super().__init__()
        self.backbone = ResNet(backbone, in_channels, width=width, output_stride=8)
        channels = self.backbone.channels[-1]
        self.head = nn.Sequential(
            ConvBlock(channels, channels // 4, bias=False), nn.Dropout(0.1), nn.Conv2d(channels // 4, num_classes, 1)
        )

    def forward(self, x: Tensor) -> SegmentationOutput:
        return SegmentationOutput(resize(self.head(self.backbone(x)[-1]), (x.shape[2], x.shape[3])))


Network = FCN
