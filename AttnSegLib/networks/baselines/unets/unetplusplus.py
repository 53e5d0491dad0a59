"""U-Net++, the nested U-Net with deep supervision.

Z. Zhou, M. M. R. Siddiquee, N. Tajbakhsh, J. Liang: "UNet++: A nested U-Net architecture for medical image
segmentation", Deep Learning in Medical Image Analysis and Multimodal Learning for Clinical Decision Support (2018)
3-11. With the layers of the usual public implementation (github.com/4uiiurz1/pytorch-nested-unet); this file is
written from a description of it:

- Convolutions with bias, batch normalisation and ReLU, twice a block.
- Levels are enlarged bilinearly, corners kept, without layers of their own.

Block X[i, j] lies on level i and gets all blocks before it on its level, and the enlarged X[i+1, j-1] from below.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from AttnSegLib.networks.blocks import DoubleConv, halve, resize
from AttnSegLib.networks.output import SegmentationOutput

LEVELS = 5


class UNetPlusPlus(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 16, to logits (N, num_classes, H, W).

    width: channels of the first of five levels; each further level doubles them.

    logits: the head on X[0, 4]. auxiliary: those on X[0, 1] to X[0, 3].
    """

    published = "none printed"

    size_multiple = 2 ** (LEVELS - 1)

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 32):
        super().__init__()
        channels = [width * 2**i for i in range(LEVELS)]
        before = [in_channels, *channels]
        self.levels = nn.ModuleList(
            nn.ModuleList(DoubleConv(j * c + channels[i + 1] if j else before[i], c) for j in range(LEVELS - i))
            for i, c in enumerate(channels)
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for _ in range(LEVELS - 1))

    def forward(self, x: Tensor) -> SegmentationOutput:
        below: list[Tensor] = []  # X[i+1, 0], X[i+1, 1], ... of the level below
        encoded = [self._block(0, 0)(x)]
        for i in range(1, LEVELS):
            encoded.append(self._block(i, 0)(halve(encoded[-1])))
        for i in reversed(range(LEVELS)):
            blocks = [encoded[i]]
            for j, deeper in enumerate(below, start=1):
                size = (blocks[0].shape[2], blocks[0].shape[3])
                blocks.append(self._block(i, j)(torch.cat([*blocks, resize(deeper, size, align_corners=True)], dim=1)))
            below = blocks
        *auxiliary, logits = (head(block) for head, block in zip(self.heads, below[1:], strict=True))
        return SegmentationOutput(logits, tuple(auxiliary))

    def _block(self, i: int, j: int) -> nn.Module:
        level = self.levels[i]
        assert isinstance(level, nn.ModuleList)
        return level[j]


Network = UNetPlusPlus
