"""PAN, the pyramid attention network.

H. Li, P. Xiong, J. An, L. Wang: "Pyramid attention network for semantic segmentation", BMVC 2018. Layout, and so the
number of parameters, as in segmentation_models_pytorch: a backbone of output stride 16, whose last layer the pyramid
attends to, and attention up-sampling three times.

The pyramid's weights (FPA) are not marked: they end in a ReLU, so they are no coefficients between 0 and 1.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from AttnSegLib.networks.attention import ChannelCoefficients
from AttnSegLib.networks.blocks import ConvBlock, resize
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.resnet import ResNet


class PyramidAttention(nn.Module):
    """FPA: weights of the pixels from three coarser sizes: (N, in, H, W) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.image = ConvBlock(in_channels, out_channels, kernel_size=1)
        self.features = ConvBlock(in_channels, out_channels, kernel_size=1)
        self.down = nn.ModuleList(ConvBlock(c, 1, kernel_size=k) for c, k in ((in_channels, 7), (1, 5), (1, 3)))
        self.across = nn.ModuleList(ConvBlock(1, 1, kernel_size=k) for k in (3, 5, 7))

    def forward(self, x: Tensor) -> Tensor:
        levels, y = [], x
        for down in self.down:
            y = down(max_pool2d(y, kernel_size=2, ceil_mode=True))
            levels.append(y)
        weights = self.across[0](levels.pop())
        for across in self.across[1:]:
            level = across(levels.pop())
            weights = level + _enlarge(weights, level)
        return self.features(x) * _enlarge(weights, x) + self.image(x.mean(dim=(2, 3), keepdim=True))


class AttentionUpsample(nn.Module):
    """GAU: the coarser features weigh the channels of the finer ones and are added."""

    def __init__(self, fine_channels: int, channels: int, title: str):
        super().__init__()
        self.gate = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.Sigmoid())
        self.fine = ConvBlock(fine_channels, channels)
        self.coefficients = ChannelCoefficients(title)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """fine: (N, C_F, H, W), coarse: (N, C, h, w); returns (N, C, H, W)."""
        gate = self.coefficients(self.gate(coarse.mean(dim=(2, 3), keepdim=True)).flatten(1))
        return _enlarge(coarse, fine) + self.fine(fine) * gate[:, :, None, None]


class PAN(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    In training a batch needs two slices at least: the gates normalise one value per slice and channel.

    width: channels of the backbone's stem; the decoder has half as many. backbone: "resnet34", "resnet101", ...
    """

    published = "none printed"

    size_multiple = 16

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 64, backbone: str = "resnet34"):
        super().__init__()
        self.backbone = ResNet(backbone, in_channels, width=width, output_stride=16)
        *fine, last = self.backbone.channels
        self.pyramid = PyramidAttention(last, width // 2)
        self.upsamples = nn.ModuleList(
            AttentionUpsample(c, width // 2, f"GAU {number} gate") for number, c in enumerate(fine[::-1], start=1)
        )
        self.head = nn.Conv2d(width // 2, num_classes, 3, padding=1)

    def forward(self, x: Tensor) -> SegmentationOutput:
        *fine, last = self.backbone(x)
        y = self.pyramid(last)
        for upsample in self.upsamples:
            y = upsample(fine.pop(), y)
        return SegmentationOutput(_enlarge(self.head(y), x))


def _enlarge(x: Tensor, other: Tensor) -> Tensor:
    return resize(x, (other.shape[2], other.shape[3]), align_corners=True)


Network = PAN
