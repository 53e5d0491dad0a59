"""HR-Net: four resolutions side by side that exchange their features again and again.

J. Wang et al.: "Deep high-resolution representation learning for visual recognition", IEEE Transactions on Pattern
Analysis and Machine Intelligence 43(10) (2021). The segmentation network of the paper (HRNetV2): the four
resolutions are enlarged to the finest, H/4, concatenated, and mixed by one 1x1 convolution before the head.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from AttnSegLib.networks.blocks import ConvBlock, resize
from AttnSegLib.networks.output import SegmentationOutput
from AttnSegLib.networks.resnet import BasicBlock, Bottleneck

MODULES = (1, 4, 3)  # with two, three and four resolutions
BLOCKS = 4  # on each resolution of a module
STEM, FIRST = 64, 256


class Merge(nn.ModuleList):
    """What one resolution receives from all, one path each: added, then ReLU."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        return relu(reduce(torch.add, [path(x) for path, x in zip(self, maps, strict=True)]))


class Module(nn.Module):
    """Blocks on every resolution, then every resolution receives from all: Fig. 3. Maps (N, C_i, H/2^i, W/2^i)."""

    def __init__(self, channels: list[int]):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(*[BasicBlock(c, c) for _ in range(BLOCKS)]) for c in channels)
        places = range(len(channels))
        self.merges = nn.ModuleList(Merge(_path(channels, start, end) for start in places) for end in places)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [blocks(x) for blocks, x in zip(self.blocks, maps, strict=True)]
        return [merge(maps) for merge in self.merges]


class Stage(nn.Module):
    """One resolution more than before, made from the coarsest so far, and some modules."""

    def __init__(self, before: list[int], channels: list[int], modules: int):
        super().__init__()
        self.entries = nn.ModuleList(
            nn.Identity() if here == there else ConvBlock(here, there, bias=False)
            for here, there in zip(before, channels, strict=False)
        )
        self.coarser = nn.Sequential(*_stride(before[-1], channels[-1]), nn.ReLU(inplace=True))
        self.chain = nn.Sequential(*[Module(channels) for _ in range(modules)])

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        coarsest = self.coarser(maps[-1])
        return self.chain([*(entry(x) for entry, x in zip(self.entries, maps, strict=True)), coarsest])


class HRNet(nn.Module):
    """Slices (N, in_channels, H, W), H and W divisible by 32, to logits (N, num_classes, H, W).

    width: channels of the finest resolution; each coarser one doubles them (paper: 18, 32 or 48).
    """

    published = "none printed"

    size_multiple = 32

    def __init__(self, in_channels: int = 1, num_classes: int = 1, *, width: int = 18):
        super().__init__()
        channels = [width * 2**i for i in range(4)]
        self.stem = nn.Sequential(
            *_stride(in_channels, STEM),
            nn.ReLU(inplace=True),
            *_stride(STEM, STEM),
            nn.ReLU(inplace=True),
            Bottleneck(STEM, FIRST, FIRST // 4),
            *[Bottleneck(FIRST, FIRST, FIRST // 4) for _ in range(1, BLOCKS)],
        )
        earlier = ([FIRST], channels[:2], channels[:3])
        self.stages = nn.ModuleList(
            Stage(before, channels[: len(before) + 1], modules)
            for before, modules in zip(earlier, MODULES, strict=True)
        )
        self.head = nn.Sequential(
            ConvBlock(sum(channels), sum(channels), kernel_size=1), nn.Conv2d(sum(channels), num_classes, 1)
        )

    def forward(self, x: Tensor) -> SegmentationOutput:
        maps = [self.stem(x)]
        for stage in self.stages:
            maps = stage(maps)
        finest = (maps[0].shape[2], maps[0].shape[3])
        logits = self.head(torch.cat([maps[0], *(resize(y, finest) for y in maps[1:])], dim=1))
        return SegmentationOutput(resize(logits, (x.shape[2], x.shape[3])))


def _path(channels: list[int], start: int, end: int) -> nn.Module:
    """What brings the features of one resolution to another: strides, or a 1x1 convolution and nearest neighbours."""
    if start == end:
        return nn.Identity()
    if start > end:
        project = nn.Conv2d(channels[start], channels[end], 1, bias=False)
        return nn.Sequential(project, nn.BatchNorm2d(channels[end]), nn.Upsample(scale_factor=2 ** (start - end)))
    layers: list[nn.Module] = []
    for _ in range(end - start - 1):
        layers += [*_stride(channels[start], channels[start]), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *_stride(channels[start], channels[end]))


def _stride(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(out_channels)


Network = HRNet
