"""DeepLabV3+: dilated convolutions of several rates beside each other, and a small decoder.

L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam: "Encoder-decoder with atrous separable convolution for semantic
image segmentation", ECCV 2018.

- A ResNet of output stride 16 in place of the paper's Xception.
- Layout, and so the number of parameters, as in segmentation_models_pytorch: one separable convolution before the first
  up-sampling and one behind the concatenation, where the paper has two behind it.
- Rates 6, 12, 18 are the paper's for this output stride; that library's default is 12, 24, 36.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.networks.blocks import ConvBlock, resize
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.resnet import ResNet


class SeparableConv(nn.Sequential):
    """3x3 convolution within each channel, 1x1 across them, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int = 1):
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 3, padding=dilation, dilation=dilation, groups=in_channels, bias=False),
            *ConvBlock(in_channels, out_channels, kernel_size=1, bias=False),
        )


class AtrousPyramid(nn.Module):
    """ASPP: a 1x1 convolution, three dilated ones and the mean of the image: (N, in, H, W) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.branches = nn.ModuleList([ConvBlock(in_channels, out_channels, kernel_size=1, bias=False)])
        self.branches.extend(SeparableConv(in_channels, out_channels, dilation=rate) for rate in (6, 12, 18))
        self.image = ConvBlock(in_channels, out_channels, kernel_size=1, bias=False)
        self.merge = nn.Sequential(
            ConvBlock(5 * out_channels, out_channels, kernel_size=1, bias=False), nn.Dropout(0.5)
        )

    def forward(self, x: Tensor) -> Tensor:
        features = [branch(x) for branch in self.branches]
        image = self.image(x.mean(dim=(2, 3), keepdim=True)).expand_as(features[0])
        return self.merge(torch.cat([*features, image], dim=1))


class DeepLabV3Plus(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    In training a batch needs two slices at least: the mean of the image is normalised over the batch.

    width: channels of the backbone's stem; the decoder has four times as many. backbone: "resnet34", "resnet101", ...
    """

    published = "none printed"

    size_multiple = 16

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, backbone: str = "resnet34"):
        super().__init__()
        self.backbone = ResNet(backbone, in_channels, width=width, output_stride=16)
        inner, fine = 4 * width, 3 * width // 4
        self.pyramid = nn.Sequential(AtrousPyramid(self.backbone.channels[-1], inner), SeparableConv(inner, inner))
        self.fine = ConvBlock(self.backbone.channels[0], fine, kernel_size=1, bias=False)
        self.merge = SeparableConv(inner + fine, inner)
        self.head = nn.Conv2d(inner, num_classes, 1)

    def forward(self, x: Tensor) -> SegmentationOutput:
        features = self.backbone(x)
        fine = self.fine(features[0])
        coarse = resize(self.pyramid(features[-1]), (fine.shape[2], fine.shape[3]), align_corners=True)
        logits = self.head(self.merge(torch.cat([coarse, fine], dim=1)))
        return SegmentationOutput(resize(logits, (x.shape[2], x.shape[3]), align_corners=True))


Network = DeepLabV3Plus
