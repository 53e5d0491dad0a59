"""How well two label maps agree. Every function takes boolean masks (reference, prediction) of one shape."""

from __future__ import annotations

import numpy as np


def dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN); 1 if both masks are empty."""
    total = int(reference.sum()) + int(prediction.sum())
    return 2 * int((reference & prediction).sum()) / total if total else 1.0


def precision(reference: np.ndarray, prediction: np.ndarray) -> float:
    """TP / (TP + FP); NaN if nothing was predicted."""
    return _ratio(reference & prediction, prediction)


def recall(reference: np.ndarray, prediction: np.ndarray) -> float:
    """TP / (TP + FN); NaN if there is nothing to find."""
    return _ratio(reference & prediction, reference)


def slice_dice(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Dice of each slice (N,) of masks (N, H, W); NaN where both are empty, so that a mean can leave those out."""
    reference_area, prediction_area = reference.sum(axis=(1, 2)), prediction.sum(axis=(1, 2))
    overlap = (reference & prediction).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return 2 * overlap / (reference_area + prediction_area)


def _ratio(part: np.ndarray, whole: np.ndarray) -> float:
    count = int(whole.sum())
    return int(part.sum()) / count if count else float("nan")
