"""The settings by which a volume becomes slices for a network, as in a model's card. Standard library only.

`inference.preprocess` applies them, in training and in prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.images.planes import check_plane

LARGEST = 8192  # pixels a side; scans of a body have far fewer, but a scan whose spacing is not in mm would have more
_FINEST, _COARSEST = 1e-3, 1e3  # mm
_BRIGHTEST = 1e9  # intensity
_NARROWEST = 1e-9, 1e-6  # narrowest window, absolute and as a share of its ends; float32 can't resolve a narrower one


@dataclass(frozen=True)
class Preprocessing:
    """How a volume becomes slices.

    Within a slice, rows and columns are counted along the two other anatomical axes, towards right, anterior or
    superior. Rows follow the one that comes later in this list. So it does not matter how a file stores its axes.

    Args:
        plane: "axial", "coronal" or "sagittal", by the volume's affine; or "acquired": slices are stacked along the
            axis with the largest spacing, so that their pixels are the finest. If no spacing is the largest, axial.
        pixel_spacing: side of a pixel after resampling, mm; None keeps the volume's own.
        window: intensities (lower, upper) that become 0 and 1, in HU for CT. Those outside are clipped.
        percentiles: instead of a window, percentiles (lower, upper) of the volume's own intensities, for MR.
        multiple: height and width are padded with 0 at the far ends to a multiple of this.
        size: instead of a pixel_spacing, height and width in pixels after resampling, as in most papers. The shape of
            the field of view does not matter.
        per_slice: take the percentiles of each slice by itself.
        adaptive_threshold: an odd number of pixels. Each pixel is compared with the mean of a square of this side
            around it, and the slice becomes the mean of itself and of the result. AF-Net describes such a step for more
            contrast, but gives no formula.
        channels: how often a slice is repeated as channels, for networks that expect colour.
        neighbours: how many slices before and after a slice are further channels, in their order, with the slice itself
            in the middle. Beyond the ends of the volume, the first and the last slice are repeated.

    Raises:
        InputError: for settings that contradict each other or make no slices.
    """

    plane: str
    pixel_spacing: float | None = None
    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    multiple: int = 16
    size: tuple[int, int] | None = None
    per_slice: bool = False
    adaptive_threshold: int | None = None
    channels: int = 1
    neighbours: int = 0

    def __post_init__(self) -> None:
        check_plane(self.plane)
        self._check_size()
        self._check_intensities()
        self._check_channels()

    @property
    def in_channels(self) -> int:
        """Number of channels that the network gets for a slice."""
        return self.channels * (2 * self.neighbours + 1)

    def resampled_size(self, native: tuple[int, int], spacing: tuple[float, float]) -> tuple[int, int]:
        """Height and width of a slice in pixels after resampling. The field of view stays the same.

        Args:
            native: height and width on the volume's grid, pixels.
            spacing: height and width of a pixel on the volume's grid, mm.

        Raises:
            InputError: if the spacing would make slices of an impossible size.
        """
        if self.size is not None:
            return self.size[0], self.size[1]
        if self.pixel_spacing is None:
            return native
        height, width = (max(1, round(n * mm / self.pixel_spacing)) for n, mm in zip(native, spacing, strict=True))
        if max(height, width) > LARGEST:
            raise InputError(
                f"The spacing of {spacing[0]:.5g} x {spacing[1]:.5g} mm makes slices of {height} x {width} pixels; "
                "check it."
            )
        return height, width

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that the network sees of a slice with this size after resampling: padded to `multiple`."""
        height, width = (-(-n // self.multiple) * self.multiple for n in size)
        return height, width

    def _check_size(self) -> None:
        if self.pixel_spacing is not None and not _is_number(self.pixel_spacing, _FINEST, _COARSEST):
            raise InputError(f"The pixel_spacing {self.pixel_spacing!r} is not a number of mm above 0.")
        if self.size is not None and not (_is_pair(self.size) and all(map(_is_side, self.size))):
            raise InputError(f"The size {self.size!r} is not a height and a width in pixels, such as [256, 256].")
        if self.size is not None and self.pixel_spacing is not None:
            raise InputError("Preprocessing needs either a pixel_spacing or a size, not both.")
        if not _is_side(self.multiple):
            raise InputError(f"The multiple {self.multiple!r} is not a number of pixels: 1, 2, 3, ...")

    def _check_intensities(self) -> None:
        if (self.window is None) == (self.percentiles is None):
            raise InputError("Preprocessing needs either a window or percentiles.")
        if self.per_slice and self.percentiles is None:
            raise InputError("Only percentiles can be taken per slice; leave per_slice out, or give percentiles.")
        ends: Any = self.percentiles if self.window is None else self.window
        if not (_is_pair(ends) and all(_is_number(end, -_BRIGHTEST, _BRIGHTEST) for end in ends)):
            raise InputError(f"The intensities {ends!r} are not two numbers, such as [-200, 200].")
        lower, upper = ends
        if upper - lower < max(_NARROWEST[0], _NARROWEST[1] * max(abs(lower), abs(upper))):
            raise InputError(f"The intensities from {lower} to {upper} are no range; the first must be the smaller.")
        if self.percentiles is not None and not (lower >= 0 and upper <= 100):
            raise InputError(f"The percentiles {lower} and {upper} are not within 0 and 100.")
        side = self.adaptive_threshold
        if side is not None and not (_is_side(side) and side % 2):
            raise InputError(f"The adaptive_threshold {side!r} is not an odd number of pixels, such as 31.")

    def _check_channels(self) -> None:
        if not (isinstance(self.neighbours, int) and self.neighbours >= 0):
            raise InputError(f"The neighbours {self.neighbours!r} are not a number of slices: 0, 1, 2, ...")
        if not (isinstance(self.channels, int) and self.channels >= 1):
            raise InputError(f"The channels {self.channels!r} are not a number of times: 1, 2, 3, ...")
        if self.neighbours and self.channels > 1:
            raise InputError("A slice is given either with its neighbours or several times; leave out one of them.")


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and low <= value <= high


def _is_side(value: object) -> bool:
    return isinstance(value, int) and 1 <= value <= LARGEST
