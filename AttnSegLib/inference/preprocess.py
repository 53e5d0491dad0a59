"""The one place where a volume becomes slices for a network, and where maps of those slices come back.

Training and inference share it; a model's `Preprocessing` says how.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import SliceOrientation, slice_orientation
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.intensities import Exact, above, percentiles_of
from AttnSegLib.models.preprocessing import Preprocessing

Range = tuple[float, float]


def with_neighbours(neighbours: int, indices: list[int], count: int) -> np.ndarray:
    """Indices (n, 2 neighbours + 1) of the slices that the network gets together for each of `indices`.

    count: number of slices; beyond the first and the last, these are repeated.
    """
    return np.clip(np.add.outer(indices, np.arange(-neighbours, neighbours + 1)), 0, count - 1)


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The slices of one volume, and the way back to its grid.

    Keep it if a volume is used several times: the percentiles of a large volume take a second, and it keeps them.
    """

    preprocessing: Preprocessing
    volume: Volume
    orientation: SliceOrientation

    @classmethod
    def of(cls, volume: Volume, preprocessing: Preprocessing) -> SliceStack:
        """The slices of a volume, made batch by batch."""
        return cls(preprocessing, volume, slice_orientation(volume.affine, preprocessing.plane))

    def __len__(self) -> int:
        return int(self.volume.voxels.shape[self.axes[0]])

    @property
    def axes(self) -> tuple[int, int, int]:
        """Array axes of (slice, row, column) in the volume."""
        return self.orientation.axes

    def view(self, array: np.ndarray) -> np.ndarray:
        """(N, H, W) view of an array (D, H, W) on the volume's grid, see `SliceOrientation.view`."""
        return self.orientation.view(array)

    @cached_property
    def native_size(self) -> tuple[int, int]:
        """Height and width of a slice on the volume's grid."""
        return self.volume.voxels.shape[self.axes[1]], self.volume.voxels.shape[self.axes[2]]

    @cached_property
    def resampled_size(self) -> tuple[int, int]:
        """Height and width after resampling; the field of view stays what it is. Raises `InputError` for a spacing that
        makes them absurd."""
        rows, columns = (self.volume.spacing[2 - axis] for axis in self.axes[1:])
        return self.preprocessing.resampled_size(self.native_size, (rows, columns))

    @cached_property
    def model_size(self) -> tuple[int, int]:
        """Height and width of what the network sees."""
        return self.preprocessing.padded_size(self.resampled_size)

    @property
    def intensity_range(self) -> Range:
        """The two intensities that become 0 and 1. With percentiles for each slice: those of all."""
        exact, (lower, upper) = Exact.of(self.volume), self._exact_range
        return exact.intensity(lower), exact.intensity(upper)

    def slices(self, indices: list[int]) -> Tensor:
        """(n, in_channels, H, W) float32 in [0, 1], as the network sees them."""
        return self.prepare(*self.read(indices))

    def single_slices(self, indices: list[int]) -> Tensor:
        """(n, 1, H, W) float32 in [0, 1], each slice once and without neighbours."""
        return self.prepare(*self._with_ranges(self.view(self.volume.voxels)[indices][:, None]))[:, :1]

    def at_native_size(self, number: int) -> np.ndarray:
        """(H, W) in [0, 1]: a slice on the volume's own grid, as bright as the network sees it."""
        return np.from_dlpack(_scaled(*self._with_ranges(self.view(self.volume.voxels)[number][None, None]))[0, 0])

    def read(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Slices with their neighbours, as the volume holds them, (n, 2 neighbours + 1, H, W) float32; and for each the
        two intensities that become 0 and 1, (n, 2 neighbours + 1, 2). Intensities that float32 can't hold come scaled.
        """
        together = with_neighbours(self.preprocessing.neighbours, indices, len(self))
        return self._with_ranges(self.view(self.volume.voxels)[together])

    def prepare(self, pixels: Tensor, ranges: Tensor) -> Tensor:
        """Slices (n, in_channels, H, W) as the network sees them, from what `read` gives, on any device."""
        resampled = _resize(_scaled(pixels, ranges), self.resampled_size)
        if self.preprocessing.adaptive_threshold:
            resampled = _contrasted(resampled, self.preprocessing.adaptive_threshold)
        return self._pad(resampled).expand(-1, self.preprocessing.in_channels, -1, -1)

    def targets(self, label_map: np.ndarray, indices: list[int], num_labels: int) -> Tensor:
        """(n, H, W) int64 labels 0..num_labels at the size the network sees: at each pixel the label with the largest
        share. Raises `InputError` for a label above `num_labels`."""
        if label_map.max() > num_labels:
            raise InputError(f"The label map holds {label_map.max()}, but the model knows labels 0 to {num_labels}.")
        labels = torch.from_dlpack(self.view(label_map)[indices].astype(np.int64))
        shares = torch.nn.functional.one_hot(labels, num_labels + 1).permute(0, 3, 1, 2).float()
        return self._pad(_resize(shares, self.resampled_size).argmax(dim=1))

    def place(self, voxel: tuple[int, int, int]) -> tuple[float, float]:
        """Where a voxel (k, j, i) lies in a slice that the network sees: shares of its height and width, in [0, 1)."""
        shares = []
        for axis, flip, native, resampled, seen in zip(
            self.axes[1:],
            self.orientation.flips[1:],
            self.native_size,
            self.resampled_size,
            self.model_size,
            strict=True,
        ):
            index = native - 1 - voxel[axis] if flip else voxel[axis]
            shares.append((index + 0.5) / native * resampled / seen)
        return shares[0], shares[1]

    def restore(self, maps: Tensor) -> Tensor:
        """Maps (n, C, h, w) of any resolution over model slices to (n, C, H, W) on the volume's grid."""
        if tuple(maps.shape[-2:]) != self.model_size:
            maps = _resize(maps, self.model_size)
        height, width = self.resampled_size
        return _resize(maps[..., :height, :width], self.native_size)

    def at_model_size(self, maps: Tensor) -> Tensor:
        """Maps (n, C, H, W) on the volume's grid to (n, C, h, w) as the network sees slices: the way back from
        `restore`."""
        return self._pad(_resize(maps, self.resampled_size))

    def _with_ranges(self, stored: np.ndarray) -> tuple[Tensor, Tensor]:
        is_padding = None if self.volume.padding is None else stored == self.volume.padding
        if self._fits_float32:
            pixels = stored.astype(np.float32)
            ranges = self._ranges(pixels, is_padding)
        else:
            exact = Exact.of(self.volume)(stored)
            lower, upper = (ends[:, :, None, None] for ends in np.moveaxis(self._ranges(exact, is_padding), 2, 0))
            pixels = np.clip((exact - lower) / (upper - lower), 0.0, 1.0).astype(np.float32)
            ranges = np.broadcast_to([0.0, 1.0], (*pixels.shape[:2], 2))
        if is_padding is not None:  # background, however bright
            np.copyto(pixels, ranges[..., :1, None], where=is_padding, casting="same_kind")
        return torch.from_dlpack(pixels), torch.from_dlpack(ranges.astype(np.float32))

    def _ranges(self, pixels: np.ndarray, is_padding: np.ndarray | None) -> np.ndarray:
        """(n, C, 2); a slice that has one value only becomes 0 if ranges are taken per slice."""
        if not self.preprocessing.per_slice or self.preprocessing.percentiles is None:
            return np.broadcast_to(self._exact_range, (*pixels.shape[:2], 2))
        lower, upper = _percentiles(pixels, self.preprocessing.percentiles, is_padding)
        return np.stack([lower, np.where(upper > lower, upper, above(lower))], axis=2)

    @cached_property
    def _exact_range(self) -> Range:
        """`intensity_range`, counted as `Exact` does."""
        exact = Exact.of(self.volume)
        if self.preprocessing.percentiles is None:
            lower, upper = self.preprocessing.window or (0.0, 1.0)
            return exact.number(lower), exact.number(upper)
        voxels = self.volume.measured(self.volume.whole)
        voxels = voxels if exact.is_plain else exact(voxels)
        lower, upper = percentiles_of(voxels, self.preprocessing.percentiles)
        if lower == upper:  # nearly all voxels are equal: the percentiles say nothing
            lower, upper = float(voxels.min()), float(voxels.max())
        return lower, upper if upper > lower else float(above(np.array(lower)))  # 0 all over, and no NaN

    @cached_property
    def _fits_float32(self) -> bool:
        if self.volume.voxels.dtype.itemsize <= 2:
            return True
        lower, upper = self._exact_range
        if self.preprocessing.per_slice:  # a slice may have a small part of the range; so of a CT
            upper = min(upper, lower + 8.0)
        return Exact.of(self.volume).fits_float32(lower, upper)

    def _pad(self, pixels: Tensor) -> Tensor:
        height, width = self.model_size
        return torch.nn.functional.pad(pixels, (0, width - pixels.shape[-1], 0, height - pixels.shape[-2]))


def _scaled(pixels: Tensor, ranges: Tensor) -> Tensor:
    """Pixels (n, C, H, W) with the intensities (n, C, 2) that become 0 and 1, clipped."""
    lower, upper = ranges[:, :, :, None, None].unbind(dim=2)
    return ((pixels - lower) / (upper - lower)).clamp_(0.0, 1.0)


def _percentiles(pixels: np.ndarray, wanted: Range, is_padding: np.ndarray | None) -> np.ndarray:
    """(2, n, C) of each slice (n, C, H, W), but for its padding; of a slice that is all padding, with it."""
    if is_padding is None:
        of_all: np.ndarray = np.percentile(pixels, wanted, axis=(2, 3))
        return of_all
    found = np.empty((2, *pixels.shape[:2]))
    for n, c in np.ndindex(pixels.shape[:2]):
        measured = pixels[n, c][~is_padding[n, c]]
        found[:, n, c] = np.percentile(measured if measured.size else pixels[n, c], wanted)
    return found


def _contrasted(slices: Tensor, side: int) -> Tensor:
    threshold = torch.nn.functional.avg_pool2d(slices, side, stride=1, padding=side // 2, count_include_pad=False)
    return (slices + (slices > threshold)) / 2


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear, over the same field of view; averages where it shrinks. (n, C, h, w) to (n, C, *size)."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return torch.nn.functional.interpolate(maps, size, mode="bilinear", align_corners=False, antialias=True)
