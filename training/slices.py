"""Slices of labelled volumes as a torch data set, kept in memory as the network will see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from AttnSegLib.preprocess import Preprocessing
from training.case import Case


class Sample(NamedTuple):
    """A slice (1, H, W), float32 in [0, 1], and its labels (1, H, W), int64."""

    image: Tensor
    target: Tensor


class SliceDataset(Dataset[Sample]):
    """All slices of some cases, empty ones included, in order of cases and slices."""

    def __init__(
        self,
        cases: Sequence[Case],
        preprocessing: Preprocessing,
        num_labels: int,
        augment: Callable[[Sample], Sample],
    ):
        self.samples: list[Sample] = []
        self.augment = augment
        for case in cases:
            stack = preprocessing.stack(case.volume)
            indices = list(range(len(stack)))
            targets = stack.targets(case.label_map, indices, num_labels)[:, None]
            self.samples += [Sample(*pair) for pair in zip(stack.slices(indices), targets, strict=True)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.augment(self.samples[index])


def one_hot(target: Tensor, channels: int) -> Tensor:
    """Labels (N, 1, H, W) to float targets (N, C, H, W) for a network's channels: the foreground for one channel, else
    one channel a class, background first."""
    if channels == 1:
        return (target > 0).float()
    return torch.nn.functional.one_hot(target[:, 0], channels).permute(0, 3, 1, 2).float()
