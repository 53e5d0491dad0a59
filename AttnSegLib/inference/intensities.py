"""Intensities that float32 can't hold. Networks compute in it, so these are scaled before they become it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from AttnSegLib.images.volume import Volume

_WHOLE = 2**53  # up to here, float64 holds every whole number
_HUGE = 1e300  # from here on, a difference may be too large for float64
_SHRUNK = 2.0**-16  # exact
_STEPS = 1024  # a range of intensities lies at most so many times its width from 0, or float32 loses steps in it
_LARGEST = 1e38  # of which float32 holds three
_PART = 2**20  # voxels that are counted at a time, so that their 64-bit copies stay small
_EXACT: WeakKeyDictionary[Volume, Exact] = WeakKeyDictionary()  # looking for the largest voxel is slow


@dataclass(frozen=True)
class Exact:
    """A way to hold the intensities of a volume in float64 without loss: (intensity - base) * factor.

    Args:
        base: a whole number; not 0 only for whole numbers that are too large for float64.
        factor: not 1 only for numbers whose differences would be infinite.
        largest: the largest magnitude of a converted voxel; 0 for types of less than 64 bits.
    """

    base: int = 0
    factor: float = 1.0
    largest: float = 0.0

    @classmethod
    def of(cls, volume: Volume) -> Exact:
        """The way for a volume; if it is a part of a scan, then for the whole scan."""
        if volume not in _EXACT:
            _EXACT[volume] = cls._looked_for(volume.whole)
        return _EXACT[volume]

    @classmethod
    def _looked_for(cls, voxels: np.ndarray) -> Exact:
        if voxels.dtype.itemsize < 8:
            return cls()
        lowest, highest = voxels.min().item(), voxels.max().item()
        largest = max(abs(lowest), abs(highest))
        if voxels.dtype.kind in "iu":
            return cls(lowest, 1.0, float(highest - lowest)) if largest > _WHOLE else cls(largest=float(largest))
        return cls(0, _SHRUNK, largest * _SHRUNK) if largest > _HUGE else cls(largest=largest)

    @property
    def is_plain(self) -> bool:
        """Whether these are the intensities themselves."""
        return (self.base, self.factor) == (0, 1.0)

    def __call__(self, voxels: np.ndarray) -> np.ndarray:
        """Voxels as converted numbers, float64."""
        if self.base:  # modulo 2 to the 64, and so without a limit
            voxels = voxels.astype(np.uint64) - np.uint64(self.base % 2**64)
        return voxels.astype(np.float64) * self.factor

    def number(self, intensity: float) -> float:
        """One intensity as a converted number."""
        return (intensity - self.base) * self.factor

    def intensity(self, number: float) -> float:
        """The intensity that a converted number stands for."""
        return number / self.factor + self.base

    def fits_float32(self, lower: float, upper: float) -> bool:
        """Whether float32 holds all voxels, and the steps between them in a range of converted numbers."""
        farthest = max(abs(lower), abs(upper))
        return self.is_plain and max(farthest, self.largest) < _LARGEST and farthest <= _STEPS * (upper - lower)


def percentiles_of(voxels: np.ndarray, wanted: tuple[float, float]) -> tuple[float, float]:
    """What `np.percentile` gives. Of whole numbers of up to 16 bits by counting them, in a fifth of the time."""
    if voxels.dtype.kind not in "iu" or voxels.dtype.itemsize > 2:
        lower, upper = map(float, np.percentile(voxels, wanted))
        return lower, upper
    lowest = int(voxels.min())
    values = np.arange(lowest, int(voxels.max()) + 1)
    flat = voxels.ravel()
    parts = (flat[first : first + _PART] for first in range(0, flat.size, _PART))
    counted = sum(np.bincount(part.astype(np.int64) - lowest, minlength=len(values)) for part in parts)
    up_to = np.cumsum(counted)  # how many voxels have this value or a smaller one
    lower, upper = (_between(values, up_to, percentile) for percentile in wanted)
    return lower, upper


def _between(values: np.ndarray, up_to: np.ndarray, percentile: float) -> float:
    """The value at a share of the way through all voxels in order, linear between neighbours."""
    place = (int(up_to[-1]) - 1) * (percentile / 100)
    before = math.floor(place)
    first, second = (float(values[np.searchsorted(up_to, n, side="right")]) for n in (before, math.ceil(place)))
    return first + (second - first) * (place - before)


def above(lower: np.ndarray) -> np.ndarray:
    """For ranges of no width: upper ends that are a little above the lower ones, so that nothing is divided by 0."""
    larger: np.ndarray = lower + np.maximum(1.0, np.abs(lower) * 2.0**-20)
    return larger
