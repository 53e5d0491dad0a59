"""DANet, the dual attention network.

J. Fu, J. Liu, H. Tian, Y. Li, Y. Bao, Z. Fang, H. Lu: "Dual attention network for scene segmentation", CVPR 2019. Both
attentions are those of MS-Dual-Guided, which took them from here. Where the paper is silent the authors' published code
(github.com/junfu1115/DANet) decided; this file is written from a description of it.

logits: the head on the sum of both branches. auxiliary: those on the position and on the channel branch.
"""

from __future__ import annotations

from torch import Tensor, nn

from AttnSegLib.networks.blocks import ConvBlock, resize
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.papers.msdualguided import MSDualGuidedChannelAttention, MSDualGuidedPositionAttention
from AttnSegLib.networks.resnet import ResNet


class DANet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 8, to logits (N, num_classes, H, W).

    width: channels of the backbone's stem. backbone: "resnet101", "resnet50", ...; its last two layers are dilated.
    """

    published = "none printed"

    size_multiple = 8

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, backbone: str = "resnet101"):
        super().__init__()
        self.backbone = ResNet(backbone, in_channels, width=width, output_stride=8)
        channels = self.backbone.channels[-1]
        inner = channels // 4
        self.branches = nn.ModuleList(
            nn.Sequential(
                ConvBlock(channels, inner, bias=False), kind(inner, "DANet"), ConvBlock(inner, inner, bias=False)
            )
            for kind in (MSDualGuidedPositionAttention, MSDualGuidedChannelAttention)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(inner, num_classes, 1)) for _ in ("sum", "position", "channel")
        )

    def forward(self, x: Tensor) -> SegmentationOutput:
        features = self.backbone(x)[-1]
        position, channel = (branch(features) for branch in self.branches)
        inputs = (position + channel, position, channel)
        logits, *auxiliary = (
            resize(head(y), (x.shape[2], x.shape[3])) for head, y in zip(self.heads, inputs, strict=True)
        )
        return SegmentationOutput(logits, tuple(auxiliary))


Network = DANet
