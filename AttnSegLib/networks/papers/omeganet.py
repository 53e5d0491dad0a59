"""Omega-Net (in the paper's tables MDA*-U-Net*), a U-Net with two expansive paths and attention between them.

B. Wang et al.: "w-Net: Dual supervised medical image segmentation model with multi-dimensional attention and cascade
multi-scale convolution", arXiv 2012.03674 (2020); a later version by Z. Xu et al. is in Neurocomputing 500 (2022)
177-190. Equation numbers are the first version's.

Readings where the paper is silent or contradicts itself; it prints no figure that could decide between them:

- Each convolution has a bias and is followed by batch normalisation and ReLU, also in Eq. 14, which prints bare
  convolutions; the transposed convolutions are bare. Each path has its own transposed convolutions.
- Cascade multi-scale convolution is "used on the skip connection and MDA module": once per level, on the encoder's
  features before they join Eq. 9, since that result feeds the additional path and the attention alike.
- "A dilated convolution block" is to make D with K = 10 columns from a map of any size. `dense="pool"`: 3x3 convolution
  of dilation 2, whose result is averaged over the whole map and over its 3 x 3 regions, 1 + 9 columns.
  `dense="select"`: each column is a mean over all positions, weighted by a softmax that convolutions learn.
- Eq. 10 and 11 sum to N where the index runs over the K columns of D.
- Eq. 10 has no scale; `scale=1.0` computes it as printed. By default the products are divided by the square root of
  the number of channels, as in the Transformer.
- Eq. 12 as printed sums over all pixels, so its softmax becomes the identity and the channel attention doubles its
  input ("none"). Means over the pixels make it the same everywhere ("mean"); means times the square root of the number
  of channels tell channels apart ("balanced", the default). docs/networks.md has the measurements.
- Eq. 3 and 9 number the layers differently; maps of the same size are concatenated.
- The heads return logits; sigmoid belongs to the loss and to inference.

The auxiliary output is the additional path's, the coarse segmentation of Eq. 6.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import AttentionMap, ChannelCoefficients
from AttnSegLib.networks.blocks import ConvBlock, DoubleConv, full_precision, halve
from AttnSegLib.networks.output import SegmentationOutput

LEVELS = 4  # with skip connections; the bottom lies below them
CHANNEL_SCALES: dict[str, Callable[[int, int], float]] = {  # of the numbers of channels and of pixels
    "balanced": lambda channels, pixels: channels**0.5 / pixels,
    "mean": lambda _channels, pixels: 1 / pixels,
    "none": lambda _channels, _pixels: 1.0,
}


class CascadeMSC(nn.Module):
    """Cascade multi-scale convolution, Eq. 14: (N, C, H, W) to (N, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = ConvBlock(channels, channels, kernel_size=5)
        self.second = ConvBlock(channels, channels, kernel_size=3)
        self.third = ConvBlock(channels, channels, kernel_size=1)
        self.merge = ConvBlock(4 * channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.first(x)
        x2 = self.second(x + x1)
        x3 = self.third(x + x2)
        return self.merge(torch.cat([x, x1, x2, x3], dim=1))


class PooledFeatures(nn.Module):
    """The dense feature matrix D by pooling: (N, C, H, W) to (N, C, 10), the mean of the map and of its regions."""

    NAMES = ("whole map", *(f"region {row},{column}" for row in range(3) for column in range(3)))

    def __init__(self, channels: int):
        super().__init__()
        self.convolution = ConvBlock(channels, channels, dilation=2)

    def forward(self, m: Tensor) -> Tensor:
        y = self.convolution(m)
        return torch.cat([adaptive_avg_pool2d(y, size).flatten(2) for size in (1, 3)], dim=2)


class SelectedFeatures(nn.Module):
    """The dense feature matrix D by learned selection: (N, C, H, W) to (N, C, 10), means weighted over positions."""

    NAMES = tuple(f"selection {i}" for i in range(10))

    def __init__(self, channels: int):
        super().__init__()
        inner = max(channels // 8, 1)
        self.weights = nn.Sequential(ConvBlock(channels, inner, dilation=2), nn.Conv2d(inner, len(self.NAMES), 1))

    def forward(self, m: Tensor) -> Tensor:
        weights = torch.softmax(self.weights(m).flatten(2), dim=2)
        return m.flatten(2) @ weights.transpose(1, 2)


DENSE: dict[str, type[PooledFeatures] | type[SelectedFeatures]] = {"pool": PooledFeatures, "select": SelectedFeatures}


class OmegaNetPositionAttention(nn.Module):
    """Dense spatial position attention (DSPA): each position looks at the K columns of D. (N, C, H, W) to the same."""

    def __init__(self, channels: int, dense: str, title: str, *, scale: float | None = None):
        super().__init__()
        self.features = DENSE[dense](channels)
        self.scale = channels**-0.5 if scale is None else scale
        self.maps = nn.ModuleList(AttentionMap(f"{title} attention to {name}") for name in DENSE[dense].NAMES)

    def forward(self, m: Tensor) -> Tensor:
        n, _, height, width = m.shape
        d = self.features(m)
        a = torch.softmax(m.flatten(2).transpose(1, 2) @ (d * self.scale), dim=2)  # Eq. 10: (N, H*W, K)
        columns = [column.reshape(n, 1, height, width) for column in a.unbind(dim=2)]
        seen = [marked(column) for marked, column in zip(self.maps, columns, strict=True)]
        if any(after is not before for after, before in zip(seen, columns, strict=True)):  # an override is at work
            a = torch.stack([column.flatten(1) for column in seen], dim=2)
        return (d @ a.transpose(1, 2)).reshape(m.shape) + m  # Eq. 11


class OmegaNetChannelAttention(nn.Module):
    """Channel attention (CA): each channel looks at all channels. (N, C, H, W) to the same."""

    def __init__(self, scale: str, title: str):
        super().__init__()
        self.scale = scale
        self.coefficients = ChannelCoefficients(f"{title} channel attention")

    def forward(self, m: Tensor) -> Tensor:
        with full_precision(m):
            channels = m.float().flatten(2)
            products = channels @ channels.transpose(1, 2)
            products = products * CHANNEL_SCALES[self.scale](*channels.shape[1:])
            a = self.coefficients(torch.softmax(products, dim=2))  # Eq. 12: (N, C, C)
            # Eq. 13; summed before the shape changes: OpenVINO 2026.4 mistakes a product between two changes of shape
            return (a @ channels + channels).reshape(m.shape).to(m.dtype)


class OmegaNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    Args:
        width: channels of the first level; each further level doubles them (paper: 64).
        dual: False leaves out the additional path, which also needs mdsa=False.
        mdsa: False leaves out the attention between the paths.
        msc: False leaves out the cascade multi-scale convolutions.
        dense: how the attention's dense features are made, "pool" or "select".
        channel_scale: how the channel attention's products are scaled, "balanced", "mean" or "none".
        scale: what the position attention's products are multiplied by; None takes 1 over the square root of the number
            of channels, 1.0 is Eq. 10 as printed.

    Raises:
        InputError: for options that do not exist, or do not fit each other.
    """

    published = "none printed"

    size_multiple = 2**LEVELS

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 1,
        *,
        width: int = 64,
        dual: bool = True,
        mdsa: bool = True,
        msc: bool = True,
        dense: str = "pool",
        channel_scale: str = "balanced",
        scale: float | None = None,
    ):
        _check(dual, mdsa, dense, channel_scale)
        if scale is not None and not mdsa:
            raise InputError("Without attention (mdsa=False) Omega-Net has no products that a scale belongs to.")
        super().__init__()
        self.dual = dual
        channels = [width * 2**level for level in range(LEVELS + 1)]
        skips = channels[:LEVELS]
        self.encoder = nn.ModuleList(DoubleConv(i, o) for i, o in zip([in_channels, *skips], channels, strict=True))
        self.cascades = nn.ModuleList(CascadeMSC(c) if msc else nn.Identity() for c in skips)
        self.ups = nn.ModuleList(_up(c) for c in skips)
        self.blocks = nn.ModuleList(DoubleConv((3 if dual else 2) * c, c) for c in skips)
        self.head = nn.Conv2d(width, num_classes, 1)
        if dual:
            self.additional_ups = nn.ModuleList(_up(c) for c in skips)
            self.additional_blocks = nn.ModuleList(DoubleConv(2 * c, c) for c in skips)
            self.additional_head = nn.Conv2d(width, num_classes, 1)
            self.attention = nn.ModuleList(nn.Identity() for _ in skips)
        if mdsa:
            for level, c in enumerate(skips):
                self.attention[level] = nn.Sequential(
                    OmegaNetPositionAttention(2 * c, dense, f"level {level}", scale=scale),
                    OmegaNetChannelAttention(channel_scale, f"level {level}"),
                )

    def forward(self, x: Tensor) -> SegmentationOutput:
        features = [self.encoder[0](x)]
        for block in self.encoder[1:]:
            features.append(block(halve(features[-1])))  # Eq. 1
        original = additional = features[-1]
        for level in reversed(range(LEVELS)):
            skip = self.cascades[level](features[level])
            if self.dual:
                merged = torch.cat([self.additional_ups[level](additional), skip], dim=1)  # Eq. 9
                additional = self.additional_blocks[level](merged)  # Eq. 3
                skip = self.attention[level](merged)
            original = self.blocks[level](torch.cat([self.ups[level](original), skip], dim=1))  # Eq. 5
        return SegmentationOutput(self.head(original), (self.additional_head(additional),) if self.dual else ())


def _up(channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(2 * channels, channels, kernel_size=2, stride=2)  # Eq. 2, 4


def _check(dual: bool, mdsa: bool, dense: str, channel_scale: str) -> None:
    if dense not in DENSE:
        raise InputError(f"Omega-Net's dense features can be made by: {', '.join(DENSE)}; not by '{dense}'.")
    if channel_scale not in CHANNEL_SCALES:
        raise InputError(f"Omega-Net's channel scale can be {', '.join(CHANNEL_SCALES)}, not '{channel_scale}'.")
    if mdsa and not dual:
        raise InputError("Omega-Net's attention works between its two paths: with dual=False, mdsa must be False too.")
    if not mdsa and (dense, channel_scale) != ("pool", "balanced"):
        raise InputError(
            "Without attention (mdsa=False) Omega-Net has no dense features and no channel scale to choose."
        )


Network = OmegaNet
