"""Which of many values are far from the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FEWEST = 5  # values, of which fewer have no outliers
_REACH = 1.5  # times the distance between the quartiles (Tukey's fences)


def fences(values: Sequence[float]) -> tuple[float, float]:
    """What is below the first or above the second is an outlier: 1.5 times the distance between the quartiles beyond
    them (Tukey, Exploratory Data Analysis, 1977). Of fewer than five values, none is."""
    if len(values) < _FEWEST:
        return -np.inf, np.inf
    lower, upper = (float(value) for value in np.percentile(values, [25, 75]))
    return lower - _REACH * (upper - lower), upper + _REACH * (upper - lower)
