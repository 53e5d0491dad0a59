"""Blocks that more than one network is made of."""

from __future__ import annotations

from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Twice 3x3 convolution with bias, batch normalisation, ReLU: (N, in, H, W) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(*_conv_bn_relu(in_channels, out_channels), *_conv_bn_relu(out_channels, out_channels))


class UpConv(nn.Sequential):
    """2x2 transposed convolution of stride 2, batch normalisation, ReLU: (N, in, H, W) to (N, out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def halve(x: Tensor) -> Tensor:
    """2x2 max pooling: (N, C, H, W) to (N, C, H/2, W/2)."""
    return nn.functional.max_pool2d(x, kernel_size=2)


def _conv_bn_relu(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
