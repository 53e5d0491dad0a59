"""Backbones made of bottleneck blocks, without a classifier.

K. He, X. Zhang, S. Ren, J. Sun: "Deep residual learning for image recognition", CVPR 2016 (ResNet).
S. Xie, R. Girshick, P. Dollár, Z. Tu, K. He: "Aggregated residual transformations for deep neural networks",
CVPR 2017 (ResNeXt: the 3x3 convolutions work in groups).

- The stride of a layer lies in the 3x3 convolution of its first block, where today's implementations have it; the
  first paper puts it in the 1x1 convolution before. The number of parameters is the same.
- An output stride of 16 or 8 replaces the last strides by dilation. The first block of such a layer still has the
  dilation of the layer before, since its neighbours are still that far apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.functional import relu

from AttnSegLib.errors import InputError


class _Layout(NamedTuple):
    """Blocks per layer; groups of the 3x3 convolution and their width in the first layer at width 64."""

    blocks: tuple[int, int, int, int]
    groups: int = 1
    group_width: int = 64

    def convolution(self, channels: int) -> dict[str, int]:
        """What a block with so many output channels, four times its width, needs to know."""
        return {"inner": self.groups * max(channels // 4 * self.group_width // 64, 1), "groups": self.groups}


LAYOUTS = {
    "resnet50": _Layout((3, 4, 6, 3)),
    "resnet101": _Layout((3, 4, 23, 3)),
    "resnext101_32x8d": _Layout((3, 4, 23, 3), groups=32, group_width=8),
}


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution beside a shortcut: (N, in, H, W) to (N, out, H/stride, W/stride).

    inner: channels of the 3x3 convolution, in `groups` groups.
    """

    def __init__(
        self, in_channels: int, out_channels: int, inner: int, *, groups: int = 1, stride: int = 1, dilation: int = 1
    ):
        super().__init__()
        self.residual = nn.Sequential(
            *_conv_bn(in_channels, inner, kernel_size=1),
            nn.ReLU(inplace=True),
            *_conv_bn(inner, inner, kernel_size=3, groups=groups, stride=stride, dilation=dilation, padding=dilation),
            nn.ReLU(inplace=True),
            *_conv_bn(inner, out_channels, kernel_size=1),
        )
        same = in_channels == out_channels and stride == 1
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(*_conv_bn(in_channels, out_channels, kernel_size=1, stride=stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.residual(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Slices (N, in_channels, H, W) to the outputs of the four layers, of H/4, H/8, H/16 and H/32.

    width: channels of the stem; layer i = 0..3 returns channels[i] = 4 * width * 2**i.
    output_stride: 32, or 16 or 8 for dilated layers, which then keep H/16 or H/8.
    """

    def __init__(self, layout: str = "resnet101", in_channels: int = 1, *, width: int = 64, output_stride: int = 32):
        if layout not in LAYOUTS:
            raise InputError(f"There is no backbone '{layout}'; choose one of: {', '.join(LAYOUTS)}.")
        if output_stride not in (8, 16, 32):
            raise InputError(f"A backbone's output stride can be 8, 16 or 32, not {output_stride}.")
        super().__init__()
        self.channels = [4 * width * 2**i for i in range(4)]
        self.stem = nn.Sequential(
            *_conv_bn(in_channels, width, kernel_size=7, stride=2, padding=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.layers = nn.ModuleList()
        in_channels, dilation = width, 1
        for i, (channels, blocks) in enumerate(zip(self.channels, LAYOUTS[layout].blocks, strict=True)):
            stride = 1 if i == 0 or 2 ** (i + 2) > output_stride else 2
            first_dilation, dilation = dilation, dilation * (2 if i > 0 and stride == 1 else 1)
            options = LAYOUTS[layout].convolution(channels)
            layer = [Bottleneck(in_channels, channels, **options, stride=stride, dilation=first_dilation)]
            layer += [Bottleneck(channels, channels, **options, dilation=dilation) for _ in range(1, blocks)]
            self.layers.append(nn.Sequential(*layer))
            in_channels = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs


def _conv_bn(in_channels: int, out_channels: int, **options: Any) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, out_channels, bias=False, **options), nn.BatchNorm2d(out_channels)
