"""CE-Net, the context encoder network.

Z. Gu et al.: "CE-Net: Context encoder network for 2D medical image segmentation", IEEE Transactions on Medical Imaging
38 (2019). Where the paper is silent the authors' published code (github.com/Guzaiwang/CE-Net) decided; this file is
written from a description of it.

- The four branches of the dense atrous block share their convolutions, one for each rate, which have no normalisation.
- The pools of the residual multi-kernel block share one 1x1 convolution to one channel.
- Pools larger than the map, as for slices below 192 pixels, are cut to its size.
- The ResNet-34 starts with random weights; the paper's was trained on natural images.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from AttnSegLib.networks.blocks import ConvBlock, resize
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.resnet import ResNet

POOLS = (2, 3, 5, 6)


class DenseAtrous(nn.Module):
    """DAC, Fig. 4: chains of dilated convolutions, added: (N, C, H, W) to the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.dilated = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate) for rate in (1, 3, 5)
        )
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.dilated[0](x)
        chained = self.dilated[1](first)
        wide = self.project(self.dilated[1](x))
        wider, widest = self.project(chained), self.project(self.dilated[2](chained))
        return x + relu(first) + relu(wide) + relu(wider) + relu(widest)


class MultiKernelPooling(nn.Module):
    """RMP, Fig. 5: one channel from each of four pools beside the features: (N, C, H, W) to (N, C + 4, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2], x.shape[3]
        pooled = [max_pool2d(x, kernel_size=(min(k, height), min(k, width))) for k in POOLS]
        return torch.cat([*(resize(self.convolution(p), (height, width)) for p in pooled), x], dim=1)


class Decoder(nn.Sequential):
    """Fig. 3: 1x1, a transposed convolution of stride 2, 1x1: (N, in, H, W) to (N, out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int):
        inner = in_channels // 4
        super().__init__(
            ConvBlock(in_channels, inner, kernel_size=1),
            nn.ConvTranspose2d(inner, inner, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            ConvBlock(inner, out_channels, kernel_size=1),
        )


class CENet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 32, to logits (N, num_classes, H, W).

    width: channels of the backbone's stem.
    """

    published = "62.96 MB, 4.57 G at 3x224x224 (AF-Net's Table 5)"

    size_multiple = 32

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64):
        super().__init__()
        self.backbone = ResNet("resnet34", in_channels, width=width)
        channels = self.backbone.channels
        self.context = nn.Sequential(DenseAtrous(channels[3]), MultiKernelPooling(channels[3]))
        before = (channels[3] + len(POOLS), *channels[2::-1])
        self.decoders = nn.ModuleList(
            Decoder(i, o) for i, o in zip(before, (*channels[2::-1], channels[0]), strict=True)
        )
        self.head = nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 2, width // 2, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 2, num_classes, 3, padding=1),
        )

    def forward(self, x: Tensor) -> SegmentationOutput:
        *skips, last = self.backbone(x)
        y = self.context(last)
        for decoder in self.decoders:
            y = decoder(y)
            if skips:
                y = y + skips.pop()
        return SegmentationOutput(self.head(y))


Network = CENet
