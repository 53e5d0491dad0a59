"""One temperature for a model with one label: its logits are divided by it. Probabilities change, but labels do not,
since 0.5 stays 0.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from training.scoring.trust.calibration import Reliability

_BITS_OF_ONE = 0x3C00
_VALUES = np.arange(_BITS_OF_ONE + 1, dtype=np.uint16).view(np.float16).astype(np.float64)  # all float16 from 0 to 1
_BEFORE_ROUNDING = _VALUES.clip(2.0**-25, 1 - 2.0**-12)  # 0 and 1 were not exactly so before rounding to float16
_MOST = 8.0  # temperatures from 1 / 8 to 8 are tried


@dataclass(frozen=True, eq=False)
class Tally:
    """How many voxels (V,) have each of the V probabilities from 0 to 1 that a float16 can hold, and how many of these
    (V,) have the label. So any temperature can be tried exactly, without keeping the voxels."""

    voxels: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, reference: np.ndarray, probability: np.ndarray) -> Tally:
        """From a mask and probabilities, float16, which may have any shape, but the same."""
        place = np.ascontiguousarray(probability, np.float16).ravel().view(np.uint16)
        return cls(*(np.bincount(part, minlength=len(_VALUES)) for part in (place, place[reference.ravel()])))

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.voxels + other.voxels, self.positive + other.positive)

    def reliability(self, temperature: float = 1.0) -> Reliability:
        """The reliability of the probabilities at a temperature."""
        return Reliability.of_counts(_tempered(temperature), self.voxels, self.positive)

    def loss(self, temperature: float = 1.0) -> float:
        """The mean cross-entropy over the voxels at a temperature, in nats. NaN without voxels."""
        if not self.voxels.any():
            return float("nan")
        logits = logit(_BEFORE_ROUNDING) / temperature
        right, wrong = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
        total = self.positive @ right + (self.voxels - self.positive) @ wrong
        return float(-total / self.voxels.sum())


def best_temperature(tally: Tally) -> float:
    """The temperature from 1/8 to 8 with the least cross-entropy: above 1 if the model is too sure, below 1 if it is
    not sure enough."""
    edge = np.log(_MOST)
    found = minimize_scalar(lambda power: tally.loss(np.exp(power)), bounds=(-edge, edge), method="bounded")
    return float(np.exp(found.x))


def _tempered(temperature: float) -> np.ndarray:
    """The probabilities (V,) of `_VALUES` at a temperature. At 1, they do not change, not even 0 and 1."""
    if temperature == 1:
        return _VALUES
    return np.asarray(expit(logit(_BEFORE_ROUNDING) / temperature))
