"""How well two label maps agree. Every function takes boolean masks (reference, prediction) of one shape."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

Spacing = tuple[float, float, float]  # mm along i, j, k


def dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN); 1 if both masks are empty."""
    total = int(reference.sum()) + int(prediction.sum())
    return 2 * int((reference & prediction).sum()) / total if total else 1.0


def iou(reference: np.ndarray, prediction: np.ndarray) -> float:
    """TP / (TP + FP + FN); 1 if both masks are empty."""
    union = int((reference | prediction).sum())
    return int((reference & prediction).sum()) / union if union else 1.0


def precision(reference: np.ndarray, prediction: np.ndarray) -> float:
    """TP / (TP + FP); NaN if nothing was predicted."""
    return _ratio(reference & prediction, prediction)


def recall(reference: np.ndarray, prediction: np.ndarray) -> float:
    """TP / (TP + FN); NaN if there is nothing to find."""
    return _ratio(reference & prediction, reference)


def volume_similarity(reference: np.ndarray, prediction: np.ndarray) -> float:
    """1 - |A - B| / (A + B) of the numbers of voxels A and B; 1 if both masks are empty."""
    a, b = int(reference.sum()), int(prediction.sum())
    return 1 - abs(a - b) / (a + b) if a + b else 1.0


def slice_dice(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Dice of each slice (N,) of masks (N, H, W); NaN where both are empty, so that a mean can leave those out."""
    reference_area, prediction_area = reference.sum(axis=(1, 2)), prediction.sum(axis=(1, 2))
    overlap = (reference & prediction).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return 2 * overlap / (reference_area + prediction_area)


def surface_distances(reference: np.ndarray, prediction: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm from each surface voxel of a mask to the surface of the other: reference to prediction (R,), and
    prediction to reference (P,). Surface voxels have a face neighbour outside the mask. Both masks must be filled."""
    box = _joint_box(reference, prediction)
    surfaces = [_surface(np.pad(mask[box], 1)) for mask in (reference, prediction)]
    to_prediction, to_reference = (_distance_to(surface, spacing) for surface in surfaces[::-1])
    return to_prediction[surfaces[0]], to_reference[surfaces[1]]


def mean_surface_distance(reference: np.ndarray, prediction: np.ndarray, spacing: Spacing) -> float:
    """Mean over the surface voxels of both masks together, in mm; 0 if both are empty, NaN if one is."""
    if not reference.any() or not prediction.any():
        return 0.0 if reference.any() == prediction.any() else float("nan")
    return float(np.concatenate(surface_distances(reference, prediction, spacing)).mean())


def hd95(reference: np.ndarray, prediction: np.ndarray, spacing: Spacing) -> float:
    """95 % Hausdorff distance in mm: the larger of the 95th percentiles of the two directions; 0 if both masks are
    empty, NaN if one is."""
    if not reference.any() or not prediction.any():
        return 0.0 if reference.any() == prediction.any() else float("nan")
    return max(float(np.percentile(d, 95)) for d in surface_distances(reference, prediction, spacing))


def compare(reference: np.ndarray, prediction: np.ndarray, spacing: Spacing) -> dict[str, float | None]:
    """All of these by name; None where a value is undefined."""
    scores = {
        "dice": dice(reference, prediction),
        "iou": iou(reference, prediction),
        "precision": precision(reference, prediction),
        "recall": recall(reference, prediction),
        "volume_similarity": volume_similarity(reference, prediction),
        "mean_surface_distance_mm": mean_surface_distance(reference, prediction, spacing),
        "hd95_mm": hd95(reference, prediction, spacing),
    }
    return {name: None if np.isnan(value) else value for name, value in scores.items()}


def _ratio(part: np.ndarray, whole: np.ndarray) -> float:
    count = int(whole.sum())
    return int(part.sum()) / count if count else float("nan")


def _joint_box(reference: np.ndarray, prediction: np.ndarray) -> tuple[slice, ...]:
    """The box around both masks: outside of it is no surface, and distance maps of whole volumes are slow."""
    either = reference | prediction
    box = []
    for axis in range(either.ndim):
        filled = np.flatnonzero(either.any(axis=tuple(a for a in range(either.ndim) if a != axis)))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


def _surface(mask: np.ndarray) -> np.ndarray:
    """Voxels of a mask with a face neighbour outside of it; the mask must not touch the border of its array."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    return mask & ~inner


def _distance_to(surface: np.ndarray, spacing: Spacing) -> np.ndarray:
    image = sitk.GetImageFromArray(surface.astype(np.uint8))
    image.SetSpacing(spacing)
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    return np.maximum(sitk.GetArrayFromImage(distance), 0.0)
