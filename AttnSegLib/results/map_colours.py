"""Which colours an attention map gets, so that it can be seen: coefficients from 0.03 to 0.15 would all be black on a
scale from 0 to 1. Needs only numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_PERCENTILES = (2.0, 98.0)
_ENOUGH = 2_000_000  # voxels from which percentiles are taken
_NARROWEST = 1e-3  # share of the highest: float16 tells no smaller steps


@dataclass(frozen=True)
class MapColours:
    """The coefficients that get the first and the last colour.

    subtracted: whether the network subtracts what the map has gathered, since its gamma is negative. Then the colours
    are cold instead of warm, as in a diverging scale that is dark in the middle, and the numbers are negative.
    """

    low: float
    high: float
    subtracted: bool = False

    @classmethod
    def of(cls, coefficients: np.ndarray, gamma: float | None = None) -> MapColours:
        """From the map's own 2nd to its 98th percentile; a map that is the same everywhere gets a narrow range."""
        step = max(1, coefficients.size // _ENOUGH)
        low, high = np.percentile(coefficients.ravel()[::step].astype(np.float32), _PERCENTILES)
        narrowest = _NARROWEST * (float(high) or 1.0)
        return cls(float(low), max(float(high), float(low) + narrowest), gamma is not None and gamma < 0)

    def shares(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients to where they lie in the colour scale, from 0 to 1."""
        shares: np.ndarray = np.clip((coefficients.astype(np.float32) - self.low) / (self.high - self.low), 0, 1)
        return shares

    @property
    def ends(self) -> tuple[str, str]:
        """The two numbers to print at the dark and the bright end of the scale."""
        sign = -1 if self.subtracted else 1
        return self.printed(sign * self.low), self.printed(sign * self.high)

    def printed(self, value: float) -> str:
        """A coefficient, with as many digits as tell both ends apart."""
        return f"{value:z.{self.digits}f}"

    @property
    def digits(self) -> int:
        """After the point, at least two."""
        return max(2, 2 - math.floor(math.log10(self.high - self.low)))
