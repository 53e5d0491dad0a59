"""How well two label maps agree. Every function takes boolean masks (reference, prediction) of one shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk

from AttnSegLib.images.orientation import Region

Spacing = tuple[float, float, float]  # mm along i, j, k


@dataclass(frozen=True)
class Counts:
    """True and false, positive and negative voxels. Their sum over cases gives pooled scores."""

    tp: int
    fp: int
    fn: int
    tn: int

    @classmethod
    def of(cls, reference: np.ndarray, prediction: np.ndarray) -> Counts:
        """The counts of one pair of masks."""
        tp = int(np.count_nonzero(reference & prediction))
        fp, fn = int(np.count_nonzero(prediction)) - tp, int(np.count_nonzero(reference)) - tp
        return cls(tp, fp, fn, reference.size - tp - fp - fn)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN), which is also F1; 1 if both masks are empty."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn, 1.0)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN); 1 if both masks are empty."""
        return _share(self.tp, self.tp + self.fp + self.fn, 1.0)

    @property
    def precision(self) -> float:
        """TP / (TP + FP), also called PPV; if nothing was predicted, 1 if there was nothing to find, else 0."""
        return _share(self.tp, self.tp + self.fp, float(self.fn == 0))

    @property
    def recall(self) -> float:
        """TP / (TP + FN), also called sensitivity; if there is nothing to find, 1 if nothing was, else 0."""
        return _share(self.tp, self.tp + self.fn, float(self.fp == 0))

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all: high for every small organ, found or not."""
        return _share(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)


def dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """As `Counts.dice`."""
    return Counts.of(reference, prediction).dice


def volume_similarity(reference: np.ndarray, prediction: np.ndarray) -> float:
    """1 - |A - B| / (A + B) of the numbers of voxels A and B; 1 if both masks are empty."""
    a, b = int(np.count_nonzero(reference)), int(np.count_nonzero(prediction))
    return 1 - _share(abs(a - b), a + b, 0.0)


def relative_volume_difference(reference: np.ndarray, prediction: np.ndarray) -> float:
    """|A - B| / A of the numbers of voxels A (reference) and B; NaN for an empty reference. CHAOS's RAVD as a share."""
    a, b = int(np.count_nonzero(reference)), int(np.count_nonzero(prediction))
    return _share(abs(a - b), a)


def roc_auc(reference: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve of probabilities of any shape; ties count half. NaN unless both classes are there."""
    values, place = np.unique(probability, return_inverse=True)
    positive = np.bincount(place.ravel(), weights=reference.ravel(), minlength=len(values))
    negative = np.bincount(place.ravel(), minlength=len(values)) - positive
    below = np.cumsum(negative) - negative
    return _share(float((positive * (below + negative / 2)).sum()), float(positive.sum() * negative.sum()))


def slice_dice(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Dice of each slice (N,) of masks (N, H, W); NaN where both are empty, so that a mean can leave those out."""
    reference_area, prediction_area = reference.sum(axis=(1, 2)), prediction.sum(axis=(1, 2))
    overlap = (reference & prediction).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * overlap / (reference_area + prediction_area))


def surface_distances(
    reference: np.ndarray, prediction: np.ndarray, spacing: Spacing, *, open_border: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm from each surface voxel of a mask to the surface of the other: reference to prediction (R,), and
    prediction to reference (P,). Both masks must be filled.

    Surface voxels have a face neighbour outside the mask. Beyond the array there is nothing, or with `open_border`,
    which is CHAOS's way, the mask goes on.
    """
    box = Region.around(reference | prediction, True, margin=1)  # outside is no surface, and distance maps are slow
    if box is None:
        raise ValueError("both masks must be filled")
    surfaces = [_surface(mask[box.slices], open_border=open_border) for mask in (reference, prediction)]
    to_prediction, to_reference = (_distance_to(surface, spacing) for surface in surfaces[::-1])
    return to_prediction[surfaces[0]], to_reference[surfaces[1]]


@dataclass(frozen=True)
class MaskComparison:
    """All scores of one pair of masks, as the functions and `Counts` define them; NaN where a value is undefined.

    mean_surface_distance: over the surface voxels of both masks together, also called ASSD, in mm or with a spacing of
    1. max_surface_distance: the largest of all (Hausdorff, CHAOS's MSSD). hd95: the larger of the 95th percentiles of
    the two directions. All three are 0 if both masks are empty and undefined if one is.

    slice_dice: mean Dice of the slices where either mask is filled; slice_dice_all: of all slices, a slice that is
    empty in both counting 1.
    """

    dice: float
    iou: float
    precision: float
    recall: float
    accuracy: float
    volume_similarity: float
    relative_volume_difference: float
    slice_dice: float
    slice_dice_all: float
    mean_surface_distance_mm: float
    mean_surface_distance_voxels: float
    max_surface_distance_mm: float
    hd95_mm: float

    def as_dict(self) -> dict[str, float | None]:
        """By name; None where a value is undefined, since JSON has no NaN."""
        return {name: None if np.isnan(value) else value for name, value in asdict(self).items()}


def compare_masks(
    reference: np.ndarray, prediction: np.ndarray, spacing: Spacing, slice_axis: int = 0
) -> MaskComparison:
    """Compare masks (D, H, W). slice_axis: the array axis that the slices are counted along."""
    counts = Counts.of(reference, prediction)
    per_slice = slice_dice(np.moveaxis(reference, slice_axis, 0), np.moveaxis(prediction, slice_axis, 0))
    in_mm, in_voxels = (_distances(reference, prediction, unit) for unit in (spacing, (1.0, 1.0, 1.0)))
    return MaskComparison(
        dice=counts.dice,
        iou=counts.iou,
        precision=counts.precision,
        recall=counts.recall,
        accuracy=counts.accuracy,
        volume_similarity=volume_similarity(reference, prediction),
        relative_volume_difference=relative_volume_difference(reference, prediction),
        slice_dice=_share(float(np.nansum(per_slice)), int(np.isfinite(per_slice).sum())),
        slice_dice_all=float(np.nan_to_num(per_slice, nan=1.0).mean()),
        mean_surface_distance_mm=float(np.concatenate(in_mm).mean()),
        mean_surface_distance_voxels=float(np.concatenate(in_voxels).mean()),
        max_surface_distance_mm=float(np.concatenate(in_mm).max()),
        hd95_mm=max(float(np.percentile(d, 95)) for d in in_mm),
    )


def _share(part: float, whole: float, otherwise: float = float("nan")) -> float:
    return float(part / whole) if whole else otherwise


def _distances(reference: np.ndarray, prediction: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """`surface_distances`, and what they are for empty masks: 0 if both are, NaN if one is."""
    if reference.any() and prediction.any():
        return surface_distances(reference, prediction, spacing)
    nothing = np.array([0.0 if reference.any() == prediction.any() else np.nan])
    return nothing, nothing


def _surface(mask: np.ndarray, *, open_border: bool) -> np.ndarray:
    """Voxels of a mask with a face neighbour outside of it. A border that the box made holds no voxel of the mask."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        if mask.shape[axis] == 1:
            continue  # a single slice has no neighbours that it could be without
        along, within = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        within[1:] &= along[:-1]
        within[:-1] &= along[1:]
        if not open_border:
            within[[0, -1]] = False
    return np.asarray(mask & ~inner)


def _distance_to(surface: np.ndarray, spacing: Spacing) -> np.ndarray:
    image = sitk.GetImageFromArray(surface.astype(np.uint8))
    image.SetSpacing(spacing)
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    return np.asarray(np.maximum(sitk.GetArrayFromImage(distance), 0.0))
