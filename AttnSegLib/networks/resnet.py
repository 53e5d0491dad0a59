"""Backbones made of residual blocks, without a classifier.

K. He, X. Zhang, S. Ren, J. Sun: "Deep residual learning for image recognition", CVPR 2016 (ResNet).
S. Xie, R. Girshick, P. Dollár, Z. Tu, K. He: "Aggregated residual transformations for deep neural networks",
CVPR 2017 (ResNeXt: the 3x3 convolutions work in groups).

- The stride of a layer of bottlenecks lies in the 3x3 convolution of its first block, where today's implementations
  have it; the first paper puts it in the 1x1 convolution before. The number of parameters is the same.
- An output stride of 16 or 8 replaces the last strides by dilation. The convolution that lost its stride still has the
  dilation of the layer before, since its neighbours are still that far apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.functional import relu

from AttnSegLib.errors import InputError


class _Layout(NamedTuple):
    """Blocks per layer; channels a block puts out for each of its width: 1 in basic blocks, 4 in bottlenecks; groups of
    a bottleneck's 3x3 convolution and their width in the first layer at width 64."""

    blocks: tuple[int, int, int, int]
    expansion: int = 4
    groups: int = 1
    group_width: int = 64

    def block(self, in_channels: int, channels: int, stride: int, dilation: tuple[int, int]) -> nn.Module:
        """dilation: of a first convolution that may have a stride, and of those after it."""
        if self.expansion == 1:
            return BasicBlock(in_channels, channels, stride=stride, dilation=dilation)
        inner = self.groups * max(channels // 4 * self.group_width // 64, 1)
        return Bottleneck(in_channels, channels, inner, groups=self.groups, stride=stride, dilation=dilation[0])


LAYOUTS = {
    "resnet34": _Layout((3, 4, 6, 3), expansion=1),
    "resnet50": _Layout((3, 4, 6, 3)),
    "resnet101": _Layout((3, 4, 23, 3)),
    "resnext101_32x8d": _Layout((3, 4, 23, 3), groups=32, group_width=8),
}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, in, H, W) to (N, out, H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, dilation: tuple[int, int] = (1, 1)):
        super().__init__()
        first, second = dilation
        self.residual = nn.Sequential(
            *_conv_bn(in_channels, out_channels, kernel_size=3, stride=stride, dilation=first, padding=first),
            nn.ReLU(inplace=True),
            *_conv_bn(out_channels, out_channels, kernel_size=3, dilation=second, padding=second),
        )
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.residual(x) + self.shortcut(x))


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
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.residual(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Slices (N, in_channels, H, W) to the outputs of the four layers, of heights H/4, H/8, H/16 and H/32.

    `channels` has the channels of each output: width * 2**i for layer i = 0 to 3, and four times that with bottlenecks.

    Args:
        layout: one of `LAYOUTS`.
        in_channels: channels of a slice.
        width: channels of the stem.
        output_stride: 32; with 16 or 8 the last layers are dilated, and keep H/16 or H/8.
    """

    def __init__(self, layout: str = "resnet101", in_channels: int = 1, *, width: int = 64, output_stride: int = 32):
        if layout not in LAYOUTS:
            raise InputError(f"There is no backbone '{layout}'; choose one of: {', '.join(LAYOUTS)}.")
        if output_stride not in (8, 16, 32):
            raise InputError(f"A backbone's output stride can be 8, 16 or 32, not {output_stride}.")
        super().__init__()
        kind = LAYOUTS[layout]
        self.channels = [kind.expansion * width * 2**i for i in range(4)]
        self.stem = nn.Sequential(
            *_conv_bn(in_channels, width, kernel_size=7, stride=2, padding=3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.layers = nn.ModuleList()
        in_channels, dilation = width, 1
        for i, (channels, blocks) in enumerate(zip(self.channels, kind.blocks, strict=True)):
            stride = 1 if i == 0 or 2 ** (i + 2) > output_stride else 2
            before, dilation = dilation, dilation * (2 if i > 0 and stride == 1 else 1)
            layer = [kind.block(in_channels, channels, stride, (before, dilation))]
            layer += [kind.block(channels, channels, 1, (dilation, dilation)) for _ in range(1, blocks)]
            self.layers.append(nn.Sequential(*layer))
            in_channels = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(*_conv_bn(in_channels, out_channels, kernel_size=1, stride=stride))


def _conv_bn(in_channels: int, out_channels: int, **options: Any) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, out_channels, bias=False, **options), nn.BatchNorm2d(out_channels)
