"""How well two masks agree. Every function takes a reference and a prediction, boolean arrays of the same shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk

from AttnSegLib.images.orientation import Region

Spacing = tuple[float, float, float]  # mm along i, j, k


@dataclass(frozen=True)
class Counts:
    """Numbers of true positive, false positive, false negative and true negative voxels.

    The sum of the counts of several cases gives their pooled scores."""

    tp: int
    fp: int
    fn: int
    tn: int

    @classmethod
    def of(cls, reference: np.ndarray, prediction: np.ndarray) -> Counts:
        """The counts of two masks."""
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
        """TP / (TP + FP), also called PPV. If the prediction is empty: 1 if the reference is empty, too, else 0."""
        return _share(self.tp, self.tp + self.fp, float(self.fn == 0))

    @property
    def recall(self) -> float:
        """TP / (TP + FN), also called sensitivity. If the reference is empty: 1 if the prediction is, too, else 0."""
        return _share(self.tp, self.tp + self.fn, float(self.fp == 0))

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all. For a small organ, it is high even if the organ was not found."""
        return _share(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)


def dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """The Dice of two masks, as `Counts.dice`."""
    return Counts.of(reference, prediction).dice


def volume_similarity(reference: np.ndarray, prediction: np.ndarray) -> float:
    """1 - |A - B| / (A + B), where A and B are the numbers of voxels in the masks; 1 if both masks are empty."""
    a, b = int(np.count_nonzero(reference)), int(np.count_nonzero(prediction))
    return 1 - _share(abs(a - b), a + b, 0.0)


def relative_volume_difference(reference: np.ndarray, prediction: np.ndarray) -> float:
    """|A - B| / A, where A and B are the numbers of voxels in reference and prediction; NaN for an empty reference.

    It is the RAVD of the CHAOS challenge, not in percent."""
    a, b = int(np.count_nonzero(reference)), int(np.count_nonzero(prediction))
    return _share(abs(a - b), a)


def roc_auc(reference: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve. Both arrays may have any shape, but the same. Ties count half.

    NaN if the reference is the same everywhere."""
    values, place = np.unique(probability, return_inverse=True)
    positive = np.bincount(place.ravel(), weights=reference.ravel(), minlength=len(values))
    negative = np.bincount(place.ravel(), minlength=len(values)) - positive
    below = np.cumsum(negative) - negative
    return _share(float((positive * (below + negative / 2)).sum()), float(positive.sum() * negative.sum()))


def slice_dice(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Dice (N,) of each slice of masks (N, H, W). NaN if both slices are empty, so that a mean can leave them out."""
    reference_area, prediction_area = reference.sum(axis=(1, 2)), prediction.sum(axis=(1, 2))
    overlap = (reference & prediction).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * overlap / (reference_area + prediction_area))


def surface_distances(
    reference: np.ndarray, prediction: np.ndarray, spacing: Spacing, *, open_border: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Distances from each surface voxel of one mask to the surface of the other, in the unit of `spacing`.

    A surface voxel is a voxel of the mask with a face neighbour outside of it.

    Args:
        reference, prediction: masks (D, H, W), not empty.
        spacing: along i, j, k.
        open_border: treat the mask as if it went on beyond the array, as CHAOS does; else it ends there.

    Returns:
        The distances from reference to prediction (R,), and from prediction to reference (P,).

    Raises:
        ValueError: if both masks are empty.
    """
    box = Region.around(reference | prediction, True, margin=1)  # no surface lies outside, and distance maps are slow
    if box is None:
        raise ValueError("both masks must be filled")
    surfaces = [_surface(mask[box.slices], open_border=open_border) for mask in (reference, prediction)]
    to_prediction, to_reference = (_distance_to(surface, spacing) for surface in surfaces[::-1])
    return to_prediction[surfaces[0]], to_reference[surfaces[1]]


@dataclass(frozen=True)
class MaskComparison:
    """All scores of two masks, as the functions above and `Counts` define them. NaN if a score is undefined.

    The four distances are 0 if both masks are empty, and undefined if only one is.

    Args:
        slice_dice: mean Dice of the slices in which at least one mask is not empty.
        slice_dice_all: mean Dice of all slices. A slice that is empty in both masks counts as 1.
        mean_surface_distance_mm: mean over the surface voxels of both masks together, also called ASSD.
        mean_surface_distance_voxels: the same with a spacing of 1.
        max_surface_distance_mm: the largest distance, also called Hausdorff distance, and MSSD by CHAOS.
        hd95_mm: the 95th percentile of the distances in each direction, the larger of the two.
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
        """The scores by name. Undefined ones are None, since JSON has no NaN."""
        return {name: None if np.isnan(value) else value for name, value in asdict(self).items()}


def compare_masks(
    reference: np.ndarray, prediction: np.ndarray, spacing: Spacing, slice_axis: int = 0
) -> MaskComparison:
    """Compare two masks (D, H, W). slice_axis: the array axis along which slices are counted."""
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
    """As `surface_distances`; but 0 if both masks are empty, and NaN if one is."""
    if reference.any() and prediction.any():
        return surface_distances(reference, prediction, spacing)
    nothing = np.array([0.0 if reference.any() == prediction.any() else np.nan])
    return nothing, nothing


def _surface(mask: np.ndarray, *, open_border: bool) -> np.ndarray:
    """Where a mask has a face neighbour outside of it. Cropping with a margin, as above, does not change the result."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        if mask.shape[axis] == 1:
            continue  # along this axis, a single slice has no neighbours
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
