"""Intensities that float32 can't hold. Networks compute in it, so these are scaled before they become it."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from AttnSegLib.images.volume import Volume

_WHOLE = 2**53  # up to here, float64 holds every whole number
_HUGE = 1e300  # from here on, a difference may be too large for float64
_SHRUNK = 2.0**-16  # exact
_STEPS = 1024  # a range of intensities lies at most so many times its width from 0, or float32 loses steps in it
_LARGEST = 1e38  # of which float32 holds three
_EXACT: WeakKeyDictionary[Volume, Exact] = WeakKeyDictionary()  # looking for the largest voxel is slow


@dataclass(frozen=True)
class Exact:
    """Intensities as float64 without loss: minus a whole number `base`, times `factor`. largest: magnitude of the
    largest one, so counted, or 0 where the type of the voxels says enough."""

    base: int = 0
    factor: float = 1.0
    largest: float = 0.0

    @classmethod
    def of(cls, volume: Volume) -> Exact:
        """For the voxels of a volume, and of the scan that it may be a part of."""
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
        """Voxels as float64, so counted."""
        if self.base:  # modulo 2 to the 64, and so without a limit
            voxels = voxels.astype(np.uint64) - np.uint64(self.base % 2**64)
        return voxels.astype(np.float64) * self.factor

    def number(self, intensity: float) -> float:
        """An intensity, so counted."""
        return (intensity - self.base) * self.factor

    def intensity(self, number: float) -> float:
        """What `number` is made of."""
        return number / self.factor + self.base

    def fits_float32(self, lower: float, upper: float) -> bool:
        """Whether float32 holds all voxels, and the steps between two intensities, so counted."""
        farthest = max(abs(lower), abs(upper))
        return self.is_plain and max(farthest, self.largest) < _LARGEST and farthest <= _STEPS * (upper - lower)


def above(lower: np.ndarray) -> np.ndarray:
    """Numbers that are larger, as the upper ends of ranges without any width."""
    larger: np.ndarray = lower + np.maximum(1.0, np.abs(lower) * 2.0**-20)
    return larger
