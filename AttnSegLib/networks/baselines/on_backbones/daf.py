"""DAF, deep attentional features: every scale selects what it needs from the features of all scales.

Y. Wang et al.: "Deep attentional features for prostate segmentation in ultrasound", MICCAI 2018. The baseline of the
MS-Dual-Guided paper, on its ResNet-101, and the frame that its authors built on, so it is here that network with other
attention; the authors' published code (github.com/zijundeng/DAF) has a ResNeXt-101 32x4d. Nothing in it is position
attention: a softmax over the channels of each pixel weighs the features of all scales.

logits: mean of the heads on the refined features. auxiliary: all heads that the loss supervises, four on the features
of each scale and four on the refined ones.
"""

from __future__ import annotations

from AttnSegLib.networks.papers.msdualguided import MSDualGuided


class DAF(MSDualGuided):
    """Slices (N, in_channels, H, W), H and W divisible by 32, to logits (N, num_classes, H, W).

    width: channels of the backbone's stem and of every scale. backbone: "resnet101", "resnet50", ...
    """

    published = "none printed"

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, backbone: str = "resnet101"):
        super().__init__(
            in_channels, num_classes, width=width, backbone=backbone, attention="daf", stages=1, guided=False
        )


Network = DAF
