"""Blocks that more than one network is made of."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """Convolution that keeps the size, batch normalisation, ReLU: (N, in, H, W) to (N, out, H, W)."""

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int = 3, dilation: int = 1, bias: bool = True
    ):
        padding = dilation * (kernel_size // 2)
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=bias),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class DoubleConv(nn.Sequential):
    """Twice 3x3 convolution, batch normalisation, ReLU: (N, in, H, W) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True):
        first = ConvBlock(in_channels, out_channels, bias=bias)
        super().__init__(*first, *ConvBlock(out_channels, out_channels, bias=bias))


class UpConv(nn.Sequential):
    """Transposed convolution whose kernel and stride are `factor`, batch normalisation, ReLU: (N, in, H, W) to
    (N, out, factor H, factor W)."""

    def __init__(self, in_channels: int, out_channels: int, *, factor: int = 2, bias: bool = True):
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, factor, stride=factor, bias=bias),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


def halve(x: Tensor) -> Tensor:
    """2x2 max pooling: (N, C, H, W) to (N, C, H/2, W/2)."""
    return nn.functional.max_pool2d(x, kernel_size=2)


def resize(x: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """Bilinear, over the same field of view, or with the corner pixels kept: (N, C, H, W) to (N, C, *size)."""
    return nn.functional.interpolate(x, size, mode="bilinear", align_corners=align_corners)


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Switches mixed precision off: for sums over all pixels, which overflow half precision."""
    if x.is_meta:  # has no mixed precision to switch off
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)
