"""Which colours an attention map gets, so that it can be seen: coefficients from 0.03 to 0.15 would all be black on a
scale from 0 to 1. Needs only numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_PERCENTILES = (2.0, 98.0)
_ENOUGH = 2_000_000  # voxels from which percentiles are taken
_NARROWEST = 1e-3  # float16 tells no smaller steps between 0.5 and 1


@dataclass(frozen=True)
class MapColours:
    """The coefficients that get the first and the last colour.

    subtracted: whether the network subtracts what the map has gathered, since its gamma is negative. Then the signed
    coefficients, from -high to high, get the colours of a diverging scale with 0 in the middle.
    """

    low: float
    high: float
    subtracted: bool = False

    @classmethod
    def of(cls, coefficients: np.ndarray, gamma: float | None = None) -> MapColours:
        """From the map's own 2nd to its 98th percentile; a map that is the same everywhere gets a narrow range."""
        step = max(1, coefficients.size // _ENOUGH)
        low, high = np.percentile(coefficients.ravel()[::step].astype(np.float32), _PERCENTILES)
        return cls(float(low), max(float(high), float(low) + _NARROWEST), gamma is not None and gamma < 0)

    def shares(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients to where they lie in the colour scale, from 0 to 1."""
        values = coefficients.astype(np.float32)
        signed = 0.5 - 0.5 * values / self.high
        shares: np.ndarray = np.clip(signed if self.subtracted else (values - self.low) / (self.high - self.low), 0, 1)
        return shares

    @property
    def ends(self) -> tuple[str, str]:
        """The two numbers to print at the ends of the part of the scale that is used."""
        if self.subtracted:
            return _printed(-self.high), _printed(-self.low)
        return _printed(self.low), _printed(self.high)


def _printed(value: float) -> str:
    return f"{value:z.{3 if abs(value) < 0.1 else 2}f}"
