"""DAF, deep attentional features: every scale selects what it needs from the features of all scales.

Y. Wang et al.: "Deep attentional features for prostate segmentation in ultrasound", MICCAI 2018. The baseline of the
MS-Dual-Guided paper, on its ResNet-101; the authors' published code (github.com/zijundeng/DAF) has a ResNeXt-101 32x4d.
This file is written from a description of that code. Nothing in it is position attention: a softmax over the channels
of each pixel weighs the features of all scales. Marked is the largest coefficient at each pixel, which tells how
selective the attention is there; the mean is the same everywhere.

logits: mean of the heads on the refined features. auxiliary: all heads that the loss supervises, four on the features
of each scale and four on the refined ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.attention import AttentionMap
from AttnSegLib.networks._blocks import resize
from AttnSegLib.networks._output import SegmentationOutput
from AttnSegLib.networks._resnet import ResNet

SCALES = 4


class Selection(nn.Module):
    """Attention of one scale and its refinement: features (N, C, H, W) of the scale and of all to (N, C, H, W)."""

    def __init__(self, channels: int, title: str):
        super().__init__()
        self.attention = nn.Sequential(*_convs(2 * channels, channels), nn.Conv2d(channels, channels, 1))
        self.largest = AttentionMap(title)
        self.refine = nn.Sequential(*_convs(2 * channels, channels), _conv(channels, channels, 1))

    def forward(self, scale: Tensor, fused: Tensor) -> Tensor:
        coefficients = torch.softmax(self.attention(torch.cat([scale, fused], dim=1)), dim=1)
        self.largest(coefficients.amax(dim=1, keepdim=True))
        return self.refine(torch.cat([scale, coefficients * fused], dim=1))


class DAF(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 32, to logits (N, num_classes, H, W).

    width: channels of the backbone's stem and of every scale. backbone: "resnet101", "resnet50", ...
    """

    paper = "Wang et al. 2018"
    published = "none printed"

    size_multiple = 32

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, backbone: str = "resnet101"):
        super().__init__()
        self.backbone = ResNet(backbone, in_channels, width=width)
        self.down = nn.ModuleList(_conv(c, width, 1) for c in self.backbone.channels)
        self.fuse = nn.Sequential(*_convs(SCALES * width, width), _conv(width, width, 1))
        self.selections = nn.ModuleList(Selection(width, f"scale {n} attention") for n in range(1, SCALES + 1))
        self.first_heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for _ in range(SCALES))
        self.last_heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for _ in range(SCALES))

    def forward(self, x: Tensor) -> SegmentationOutput:
        features = self.backbone(x)
        size = (features[0].shape[2], features[0].shape[3])
        scales = [resize(down(f), size) for down, f in zip(self.down, features, strict=True)]
        fused = self.fuse(torch.cat(scales[::-1], dim=1))
        refined = [select(scale, fused) for select, scale in zip(self.selections, scales, strict=True)]
        heads = zip([*self.first_heads, *self.last_heads], [*scales, *refined], strict=True)
        outputs = tuple(resize(head(y), (x.shape[2], x.shape[3])) for head, y in heads)
        return SegmentationOutput(torch.stack(outputs[SCALES:]).mean(dim=0), outputs)


def _convs(in_channels: int, channels: int) -> tuple[nn.Module, nn.Module]:
    return _conv(in_channels, channels, 3), _conv(channels, channels, 3)


def _conv(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.PReLU())


Network = DAF
