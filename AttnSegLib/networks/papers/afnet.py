"""AF-Net: a ResNet-34 whose blocks carry channel and spatial attention, and two kinds of feature fusion.

G. Hou, J. Qin, X. Xiang, Y. Tan, N. N. Xiong: "AF-Net: A medical image segmentation network based on attention
mechanism and feature fusion", Computers, Materials & Continua 69(2) (2021) 1877-1891. Equation, figure and table
numbers are the paper's.

Readings where the paper is silent or contradicts itself:

- Stem and max pooling as in ResNet-34; the pooling is not mentioned, but without it the encoder alone would cost more
  than the 5.34 G of Table 5.
- Eq. 2 writes f1 and f2 for the two poolings; two separate perceptrons would make Table 5's 72.71 into 72.73, so one is
  shared. Its reduction of 16 and the 7x7 kernel of Eq. 3 are those of the CBAM that the paper builds on.
- Eq. 3 prints a concatenation and then a sum: concatenated, then convolved 2 to 1 without bias.
- MFF: the text speaks of three branches, Eq. 4 lists a fourth; Table 5's 490.00 and 434.19 need all four. The dilation
  rates 1, 3, 5 are not printed; they are those of CE-Net's dense atrous block, which this is with concatenation.
- Eq. 6 adds F_H itself, which has another size and width: up-sampled and convolved 1x1. The 1x1 comes first here; the
  two commute, and it costs a quarter.
- The decoder's widths (128, 64, 64, 64), its bilinear steps, and its 3x3 without batch normalisation are our choice,
  the simplest that follows the text and gives both figures of Table 5; many others would.
- Ablation without GFF (Table 4): the gate is 1, the sum stays. Without MFF: the identity.
- The head returns logits; sigmoid belongs to the loss and to inference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import AttentionMap, ChannelCoefficients
from AttnSegLib.networks.blocks import resize
from AttnSegLib.networks.output import SegmentationOutput

BLOCKS = (3, 4, 6, 3)  # of ResNet-34, per layer


class DualAttention(nn.Module):
    """Channel and spatial attention, Eq. 1-3: (N, C, H, W) to the same. serial: the second sees the first's result."""

    def __init__(self, channels: int, *, serial: bool, title: str):
        super().__init__()
        self.serial = serial
        inner = max(channels // 16, 1)
        self.perceptron = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1, bias=False),
        )
        self.convolution = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)
        self.channel_coefficients = ChannelCoefficients(f"{title} channel attention")
        self.spatial_map = AttentionMap(f"{title} spatial attention")

    def forward(self, u: Tensor) -> Tensor:
        by_channel = self._channel_attention(u) * u
        if self.serial:
            return self._spatial_attention(by_channel) * by_channel
        return by_channel + self._spatial_attention(u) * u  # Eq. 1

    def _channel_attention(self, u: Tensor) -> Tensor:
        """(N, C, 1, 1), Eq. 2."""
        average, largest = u.mean(dim=(2, 3), keepdim=True), u.amax(dim=(2, 3), keepdim=True)
        coefficients = torch.sigmoid(self.perceptron(average) + self.perceptron(largest))
        return self.channel_coefficients(coefficients.flatten(1))[:, :, None, None]

    def _spatial_attention(self, u: Tensor) -> Tensor:
        """(N, 1, H, W), Eq. 3."""
        pooled = torch.cat([u.mean(dim=1, keepdim=True), u.amax(dim=1, keepdim=True)], dim=1)
        return self.spatial_map(torch.sigmoid(self.convolution(pooled)))


class AFNetBlock(nn.Module):
    """DA-block, Fig. 3: ResNet-34's basic block with attention before the shortcut is added."""

    def __init__(self, in_channels: int, channels: int, attention: nn.Module):
        super().__init__()
        stride = 1 if in_channels == channels else 2
        self.residual = nn.Sequential(
            *_conv_bn(in_channels, channels, 3, stride),
            nn.ReLU(inplace=True),
            *_conv_bn(channels, channels, 3),
        )
        self.attention = attention
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(*_conv_bn(in_channels, channels, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.attention(self.residual(x)) + self.shortcut(x))


class MultiScaleFusion(nn.Module):
    """MFF-block, Eq. 4: four branches of chained dilated convolutions with shared weights, concatenated."""

    def __init__(self, channels: int):
        super().__init__()
        self.dilated = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate) for rate in (1, 3, 5)
        )
        self.project = nn.Conv2d(channels, channels, 1)
        self.merge = nn.Conv2d(5 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.dilated[0](x)
        chained = self.dilated[1](first)
        branches = [
            self.project(self.dilated[2](chained)),
            self.project(chained),
            self.project(self.dilated[1](x)),
            first,
        ]
        return self.merge(torch.cat([x, *(relu(branch) for branch in branches)], dim=1))


class GlobalFusion(nn.Module):
    """GFF-block: the deeper features gate the shallower ones and are added. gated=False: the gate is 1."""

    def __init__(self, high_channels: int, low_channels: int, out_channels: int, *, gated: bool, title: str):
        super().__init__()
        self.gate = nn.Sequential(*_conv_bn(high_channels, out_channels, 1), nn.Sigmoid()) if gated else None
        self.coefficients = ChannelCoefficients(title)
        self.low = nn.Conv2d(low_channels, out_channels, 3, padding=1, bias=False)
        self.high = nn.Conv2d(high_channels, out_channels, 1, bias=False)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """high: (N, C_H, H/2, W/2), low: (N, C_L, H, W); returns (N, C_out, H, W)."""
        selected = self.low(low)
        if self.gate is not None:
            g = self.gate(high.mean(dim=(2, 3), keepdim=True))  # Eq. 5
            selected = self.coefficients(g.flatten(1))[:, :, None, None] * selected
        return selected + resize(self.high(high), (low.shape[2], low.shape[3]))  # Eq. 6


class AFNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 32, to logits (N, num_classes, H, W).

    In training a batch needs two slices at least: the gates normalise one value per slice and channel.

    Args:
        width: channels of the stem (paper: 64).
        attention: in the blocks, "parallel" (the paper's), "serial" or "none" (then they are ResNet-34's).
        mff: whether there is the multi-scale fusion.
        gff: whether the deeper features gate the shallower ones.

    Raises:
        InputError: for another attention.
    """

    published = "72.71 MB, 5.34 G at 3x224x224 (Table 5)"

    size_multiple = 32

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 1,
        *,
        width: int = 64,
        attention: str = "parallel",
        mff: bool = True,
        gff: bool = True,
    ):
        if attention not in ("parallel", "serial", "none"):
            raise InputError(f"AF-Net's attention can be parallel, serial or none, not '{attention}'.")
        super().__init__()
        channels = [width, 2 * width, 4 * width, 8 * width]
        self.stem = nn.Sequential(*_conv_bn(in_channels, width, 7, 2), nn.ReLU(inplace=True))
        self.layers = nn.ModuleList()
        for number, (c, blocks) in enumerate(zip(channels, BLOCKS, strict=True), start=1):
            before = [channels[max(number - 2, 0)], *[c] * (blocks - 1)]
            self.layers.append(
                nn.Sequential(
                    *(AFNetBlock(i, c, _attention(attention, c, number, n)) for n, i in enumerate(before, start=1))
                )
            )
        self.mff = MultiScaleFusion(channels[3]) if mff else nn.Identity()
        fused = [(8, 4, 2), (2, 2, 1), (1, 1, 1), (1, 1, 1)]  # deeper, shallower and resulting channels, in widths
        self.fusions = nn.ModuleList(
            GlobalFusion(high * width, low * width, out * width, gated=gff, title=f"GFF {n} gate")
            for n, (high, low, out) in enumerate(fused, start=1)
        )
        self.last = nn.Sequential(*_conv_bn(width, width, 3), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> SegmentationOutput:
        features = [self.stem(x)]
        y = nn.functional.max_pool2d(features[0], kernel_size=3, stride=2, padding=1)
        for layer in self.layers:
            y = layer(y)
            features.append(y)
        y = self.mff(features.pop())
        for fusion in self.fusions:
            y = fusion(y, features.pop())
        return SegmentationOutput(self.head(resize(self.last(y), (x.shape[2], x.shape[3]))))


def _attention(kind: str, channels: int, layer: int, block: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    return DualAttention(channels, serial=kind == "serial", title=f"layer {layer} block {block}")


def _conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return convolution, nn.BatchNorm2d(out_channels)


Network = AFNet
