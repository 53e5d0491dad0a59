"""Chooses the range of the colours of an attention map. On a scale from 0 to 1, a map with coefficients from 0.03 to
0.15 would look all black. Needs only numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_PERCENTILES = (2.0, 98.0)
_ENOUGH = 2_000_000  # voxels are enough for the percentiles
_NARROWEST = 1e-3  # share of the highest: float16 tells no smaller steps


@dataclass(frozen=True)
class MapColours:
    """The range of the colours of an attention map.

    Args:
        low, high: the coefficients that get the first and the last colour.
        subtracted: whether the network subtracts what the map has gathered, since its gamma is negative. Then the
            colours are cold instead of warm, and the numbers at the scale are negative.
    """

    low: float
    high: float
    subtracted: bool = False

    @classmethod
    def of(cls, coefficients: np.ndarray, gamma: float | None = None) -> MapColours:
        """The range from the 2nd to the 98th percentile of a map; a narrow range if it is the same everywhere.

        Args:
            coefficients: the map, of any shape.
            gamma: the learnt weight of its branch; None if it has none.
        """
        step = max(1, coefficients.size // _ENOUGH)
        low, high = np.percentile(coefficients.ravel()[::step].astype(np.float32), _PERCENTILES)
        narrowest = _NARROWEST * (float(high) or 1.0)
        return cls(float(low), max(float(high), float(low) + narrowest), gamma is not None and gamma < 0)

    def shares(self, coefficients: np.ndarray) -> np.ndarray:
        """The places of coefficients in the colour scale, from 0 to 1; same shape."""
        shares: np.ndarray = np.clip((coefficients.astype(np.float32) - self.low) / (self.high - self.low), 0, 1)
        return shares

    @property
    def ends(self) -> tuple[str, str]:
        """The two numbers to print at the dark end and at the bright end of the scale."""
        sign = -1 if self.subtracted else 1
        return self.printed(sign * self.low), self.printed(sign * self.high)

    def printed(self, value: float) -> str:
        """A coefficient, with as many digits as tell both ends apart."""
        return f"{value:z.{self.digits}f}"

    @property
    def digits(self) -> int:
        """After the point, at least two."""
        return max(2, 2 - math.floor(math.log10(self.high - self.low)))
