"""EC-CaM-UNet: a U-Net with enhanced convolutions, collaborative attention and multi-scale fusion at its bottom.

Z. Xu, B. Tian, S. Liu, X. Wang, D. Yuan, J. Gu, J. Chen, T. Lukasiewicz, V. C. M. Leung: "Collaborative attention
guided multi-scale feature fusion network for medical image segmentation", IEEE Transactions on Network Science and
Engineering 11(2) (2024) 1857-1871. Equation, figure and table numbers are the paper's; no code was published, and it
prints no parameter count.

Readings where the paper is silent or contradicts itself:

- Widths 64 to 1024 as in U-Net. Convolutions before a batch normalisation have no bias. Only the encoder is made of
  enhanced convolutions ("Enhanced Convolution Based Encoder").
- The names under Eq. 1 and 2 are swapped: f_AS, called channel attention, is the spatial one, and f_AC the channel one.
- Eq. 9 normalises rows where the text says columns. E^T E is symmetric and Eq. 4 multiplies from the left, so rows.
- Eq. 9 has no scale; `scale=1.0` computes it as printed. With 1024 channels its softmax is then the identity, and the
  attention does nothing. The Transformer's 1/sqrt(C) changes little, since features after a ReLU have products that
  grow with C. With the default 16/C the effect does not depend on the width; it equals 1/sqrt(C) at 256 channels
  (docs/networks.md).
- The encoder-decoder of the channel weights works on the pooled channels as a sequence: kernels 3 (stride 1) and 7
  (stride 2), batch normalisation and ReLU after each, as printed; 8 channels and the transposed convolution are ours.
- Multi-scale: the branches have a quarter of the bottom's channels (256, DeepLab's default: "we follow the default").
- The side path's factors 2, 2, 4 multiply to 16, so it hangs on the bottom; its widths 256 and 64 are ours.
- Ablations (Table II, III): with cc alone F_A = w E + E; with sc alone F_A = S E + E. "series": the multi-scale block
  works on the attention's result; "sum": both are added; "concat": Eq. 10.
- The heads return logits; sigmoid belongs to the loss and to inference. The side path's output is `side`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from AttnSegLib.errors import InputError
from AttnSegLib.networks.attention import ChannelCoefficients, SelfAttention
from AttnSegLib.networks.blocks import ConvBlock, DoubleConv, UpConv, halve
from AttnSegLib.networks.output import SegmentationOutput

LEVELS = 4  # with skip connections; the bottom lies below them
SCALE = 16.0  # over the number of channels
FUSIONS = ("concat", "sum", "series")


class EnhancedConv(nn.Module):
    """EC block: 3x3, 1x3 and 3x1 convolution, each normalised, added, ReLU: (N, in, H, W) to (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel, padding=(kernel[0] // 2, kernel[1] // 2), bias=False),
                nn.BatchNorm2d(out_channels),
            )
            for kernel in ((3, 3), (1, 3), (3, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branches[0](x) + self.branches[1](x) + self.branches[2](x))

    def folded(self) -> nn.Sequential:
        """One 3x3 convolution with bias, and ReLU, that does the same; for evaluation mode only."""
        branches = [cast(nn.Sequential, branch) for branch in self.branches]
        singles = [fuse_conv_bn_eval(cast(nn.Conv2d, b[0]), cast(nn.BatchNorm2d, b[1])) for b in branches]
        out_channels, in_channels = singles[0].weight.shape[:2]
        fused = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        kernels = torch.stack([_padded_to_3x3(single.weight) for single in singles])
        biases = torch.stack([cast(Tensor, single.bias) for single in singles])
        fused.load_state_dict({"weight": kernels.sum(dim=0), "bias": biases.sum(dim=0)})
        return nn.Sequential(fused, nn.ReLU(inplace=True))


def _padded_to_3x3(kernel: Tensor) -> Tensor:
    rows, columns = kernel.shape[2:]
    return nn.functional.pad(kernel, ((3 - columns) // 2, (3 - columns) // 2, (3 - rows) // 2, (3 - rows) // 2))


class ChannelWeights(nn.Module):
    """Channel correlation, Eq. 5-8: one weight in (0, 1) for each channel of (N, C, H, W); returns (N, C, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv1d(1, 8, 3, padding=1, bias=False), nn.BatchNorm1d(8), nn.ReLU(inplace=True)),
            *(nn.Conv1d(8, 8, 7, stride=2, padding=3, bias=False), nn.BatchNorm1d(8), nn.ReLU(inplace=True)),
        )
        self.decoder = nn.Sequential(
            *(nn.ConvTranspose1d(8, 8, 2, stride=2, bias=False), nn.BatchNorm1d(8), nn.ReLU(inplace=True)),
            nn.Conv1d(8, 1, 3, padding=1),
        )
        self.coefficients = ChannelCoefficients("bottom channel weights")

    def forward(self, e: Tensor) -> Tensor:
        theta = e.mean(dim=(2, 3))[:, None]
        weights = torch.sigmoid(self.decoder(self.encoder(theta))[:, 0])
        return self.coefficients(weights)[:, :, None, None]


class CollaborativeAttention(nn.Module):
    """CoA block, Eq. 4: every position gathers channel-weighted features from where it looks. (N, C, H, W) to the
    same."""

    def __init__(self, channels: int, *, cc: bool, sc: bool, scale: float | None):
        super().__init__()
        self.weights = ChannelWeights() if cc else None
        self.attend = (
            SelfAttention("bottom spatial attention", SCALE / channels if scale is None else scale) if sc else None
        )

    def forward(self, e: Tensor) -> Tensor:
        value = e if self.weights is None else self.weights(e) * e
        if self.attend is not None:
            query = e.flatten(2).transpose(1, 2)  # Eq. 9: no learned projections
            gathered = self.attend(query, query, value.flatten(2).transpose(1, 2), (e.shape[2], e.shape[3]))
            value = gathered.transpose(1, 2).reshape(e.shape)
        return value + e


class MultiScale(nn.Module):
    """MuS block: atrous spatial pyramid pooling with rates 6, 12, 18: (N, C, H, W) to the same."""

    def __init__(self, channels: int):
        super().__init__()
        inner = max(channels // 4, 1)
        self.branches = nn.ModuleList(
            [
                ConvBlock(channels, inner, kernel_size=1, bias=False),
                *(ConvBlock(channels, inner, dilation=rate, bias=False) for rate in (6, 12, 18)),
            ]
        )
        self.pooled = ConvBlock(channels, inner, kernel_size=1, bias=False)
        self.merge = ConvBlock(5 * inner, channels, kernel_size=1, bias=False)

    def forward(self, e: Tensor) -> Tensor:
        pooled = self.pooled(e.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *e.shape[2:])
        return self.merge(torch.cat([*(branch(e) for branch in self.branches), pooled], dim=1))


class Bottom(nn.Module):
    """Attention and multi-scale features at the bottom, fused as Table III compares: (N, C, H, W) to the same."""

    def __init__(self, channels: int, attention: nn.Module | None, mus: bool, fusion: str):
        super().__init__()
        self.attention = attention
        self.multi_scale = MultiScale(channels) if mus else None
        self.fusion = fusion
        both = attention is not None and mus
        self.merge = (
            ConvBlock(2 * channels, channels, kernel_size=1, bias=False) if both and fusion == "concat" else None
        )

    def forward(self, e: Tensor) -> Tensor:
        if self.attention is None or self.multi_scale is None:
            return next((block(e) for block in (self.attention, self.multi_scale) if block is not None), e)
        attended = self.attention(e)
        if self.fusion == "series":
            return self.multi_scale(attended)
        if self.merge is None:
            return attended + self.multi_scale(e)
        return self.merge(torch.cat([attended, self.multi_scale(e)], dim=1))  # Eq. 10


class ECCaMUNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    In training a batch needs two slices at least: the multi-scale block normalises one value per slice and channel.

    Args:
        width: channels of the first level; each further level doubles them (paper: 64).
        cc: whether there is the channel correlation. This and the next four are the columns of Table II.
        sc: whether there is the spatial correlation.
        mus: whether there is the multi-scale block.
        ec: whether the encoder is made of enhanced convolutions.
        dws: whether there is the side output.
        fusion: how attention and multi-scale block are joined, "concat", "sum" or "series".
        scale: what the spatial correlation's products are multiplied by; None takes 16 over the number of channels.

    Raises:
        InputError: for a fusion that does not exist, or a fusion or scale whose parts are switched off.
    """

    published = "none printed"

    size_multiple = 2**LEVELS

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 1,
        *,
        width: int = 64,
        cc: bool = True,
        sc: bool = True,
        mus: bool = True,
        ec: bool = True,
        dws: bool = True,
        fusion: str = "concat",
        scale: float | None = None,
    ):
        if fusion not in FUSIONS:
            raise InputError(f"EC-CaM-UNet's fusion can be {', '.join(FUSIONS)}, not '{fusion}'.")
        if fusion != "concat" and not (mus and (cc or sc)):
            raise InputError("EC-CaM-UNet's fusion needs both: multi-scale (mus) and an attention (cc or sc).")
        if scale is not None and not sc:
            raise InputError("EC-CaM-UNet's scale belongs to the spatial correlation (sc), which is switched off.")
        super().__init__()
        channels = [width * 2**level for level in range(LEVELS + 1)]
        self.encoder = nn.ModuleList(
            nn.Sequential(EnhancedConv(i, o), EnhancedConv(o, o)) if ec else DoubleConv(i, o, bias=False)
            for i, o in zip([in_channels, *channels], channels, strict=False)
        )
        attention = CollaborativeAttention(channels[-1], cc=cc, sc=sc, scale=scale) if cc or sc else None
        self.bottom = Bottom(channels[-1], attention, mus, fusion)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, kernel_size=2, stride=2) for c in channels[:-1])
        self.blocks = nn.ModuleList(DoubleConv(2 * c, c, bias=False) for c in channels[:-1])
        self.head = nn.Conv2d(width, num_classes, 1)
        self.side = _side_path(width, num_classes) if dws else None

    def forward(self, x: Tensor) -> SegmentationOutput:
        features = [self.encoder[0](x)]
        for block in self.encoder[1:]:
            features.append(block(halve(features[-1])))
        fused = self.bottom(features.pop())
        y = fused
        for level in reversed(range(LEVELS)):
            y = self.blocks[level](torch.cat([features[level], self.ups[level](y)], dim=1))
        return SegmentationOutput(self.head(y), side=None if self.side is None else self.side(fused))


class PlainECCaMUNet(ECCaMUNet):
    """The U-Net that all parts of Table V are compared on, with another attention (N, C, H, W) to the same at its
    bottom, and with no part of EC-CaM-UNet."""

    def __init__(self, in_channels: int, num_classes: int, width: int, attention: nn.Module):
        super().__init__(in_channels, num_classes, width=width, cc=False, sc=False, mus=False, ec=False, dws=False)
        self.bottom.attention = attention


def _side_path(width: int, num_classes: int) -> nn.Sequential:
    """Fig. 2d: from the bottom to full size by 2, 2 and 4."""
    inner = max(width // 4, 1)
    return nn.Sequential(
        UpConv(16 * width, 4 * width, bias=False),
        UpConv(4 * width, width, bias=False),
        UpConv(width, inner, factor=4, bias=False),
        nn.Conv2d(inner, num_classes, 1),
    )


Network = ECCaMUNet
