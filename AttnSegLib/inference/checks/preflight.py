"""Does a volume fit a model, and what will the run cost? Sentences to read before the result is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from AttnSegLib.images import decathlon
from AttnSegLib.images.orientation import has_largest_spacing, slice_orientation
from AttnSegLib.images.planes import ACQUIRED, PLANES
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference import cost
from AttnSegLib.inference.checks.contrast import lacks_contrast
from AttnSegLib.inference.cost import Load, Place
from AttnSegLib.models.card import ModelSpec

# HU; MR has no such intensities, and a CT without 0.5 % of air or lung is rare. Not a whole number: some releases of
# numpy 2.0 to 2.2 crash where unsigned voxels are compared with a whole number that is none of theirs (numpy#28117).
_AIR = -300.0
_AIR_SHARE = 0.005
_LOOKED_AT = 200_000  # voxels: enough for shares of 0.5 %, and the panel does not wait
_COARSE = 1.75  # times the pixels that the model was trained on
_SMALL_MM = 60.0  # field of view in which no organ of ours can be told from its neighbours
# Times the slices that the model was trained on: the original slices of MSD Heart are 1.25 times the crops that our
# left atrium models saw, a head is four times those of the hippocampus models.
_LARGE = 1.5
_VIEWS = {"sagittal": "from the side", "coronal": "from the front", "axial": "in cross-section"}
# Share of equal neighbours: up to 0.40 in 215 real scans reduced to 8 bits, from 0.81 in their label maps. A scan
# enlarged by repeating voxels has more, too: in 8 bits it is taken for a label map.
_UNIFORM = 0.65
_MOST_LABELS = 256
_MOSTLY = 0.8  # of the scans of a model that is taken to know only CT with contrast
_ONE_CPU = Place("cpu")


@dataclass(frozen=True)
class Remark:
    """A sentence for the user; a warning says what is wrong and what to do. is_cost: time and memory of the run."""

    sentence: str
    is_warning: bool = False
    is_cost: bool = False


@dataclass(frozen=True)
class Effort:
    """How a run is done.

    Args:
        place: where.
        flips, batch_size: as in `PredictionOptions` and `ComputeOptions`.
        gmacs_per_second: thousands of millions of multiply-accumulates in a second, measured here in an earlier run;
            None if there was none.
    """

    place: Place = _ONE_CPU
    flips: bool = False
    batch_size: int | None = None
    gmacs_per_second: float | None = None


def warnings(volume: Volume, spec: ModelSpec) -> list[str]:
    """What speaks against giving this volume to this model, besides its own notices; empty if nothing does."""
    return [remark.sentence for remark in _fit(volume, spec) if remark.is_warning]


def inspect(volume: Volume, spec: ModelSpec, effort: Effort) -> list[Remark]:
    """Everything to read before Apply: modality and intensities, spacing, slices, what was assumed of the volume,
    expected cost, licence.

    Raises `InputError` for a spacing that makes slices of an absurd size, as the run itself would.
    """
    assumed = [Remark(notice, is_warning=True) for notice in volume.notices]
    licence = Remark(f"Weights: {spec.licence}; not a medical device.")
    return [*_fit(volume, spec), *assumed, _cost(volume, spec, effort), licence]


def _fit(volume: Volume, spec: ModelSpec) -> list[Remark]:
    return [*(_label_map(volume) or _content(volume, spec)), *_geometry(volume, spec)]


def _content(volume: Volume, spec: ModelSpec) -> list[Remark]:
    modality = _modality(volume, spec)
    return [modality] if modality.is_warning else [modality, *_contrast(volume, spec)]


def _label_map(volume: Volume) -> list[Remark]:
    """A warning if the volume is no scan: few whole numbers, and inside of something most neighbours are equal."""
    rows = _rows(volume.voxels)
    here, neighbours = rows[..., :-1], rows[..., 1:]
    inside = here > rows.min()  # the air of a scan may be as uniform as the background of a label map
    if volume.padding is not None:
        inside &= here != volume.padding
    if inside.any() and np.mean((here == neighbours)[inside]) < _UNIFORM:
        return []
    values = np.unique(rows)
    if len(values) > _MOST_LABELS or np.any(values != np.round(values)):
        return []
    return [
        Remark(
            f"The volume looks like a label map, not a scan: a sample of its voxels has few different values "
            f"({len(values)}), in uniform areas. Give the scan itself.",
            is_warning=True,
        )
    ]


def _modality(volume: Volume, spec: ModelSpec) -> Remark:
    sample = volume.measured(_sample(volume.voxels))
    if volume.modality is not None and volume.modality != spec.modality:
        evidence = f"is {volume.modality} by its DICOM header"
    elif volume.modality is not None:
        evidence = ""
    elif spec.modality == "MR" and float(np.mean(sample < _AIR)) > _AIR_SHARE:
        evidence = f"looks like CT (many voxels below {_AIR:g})"
    elif spec.modality == "CT" and sample.min() >= 0 and not spec.training.pictures:
        evidence = "does not look like CT in HU (no voxel is negative)"
    else:
        evidence = ""
    if not evidence:
        return Remark(f"{spec.modality}, intensities {sample.min():.4g} to {sample.max():.4g}: fits the model.")
    return Remark(
        f"The volume {evidence}, but the model '{spec.id}' was trained on {spec.modality}: "
        f"expect a wrong result and choose a model for the right modality.",
        is_warning=True,
    )


def _contrast(volume: Volume, spec: ModelSpec) -> Iterator[Remark]:
    if (spec.training.share_with_contrast or 0) > _MOSTLY and lacks_contrast(volume):
        yield Remark(
            "The CT looks as if no contrast agent was given, and nearly all scans that the model was trained on had "
            "one: check the result with care, or give a scan with contrast in the portal venous phase.",
            is_warning=True,
        )


def _geometry(volume: Volume, spec: ModelSpec) -> list[Remark]:
    orientation = slice_orientation(volume.affine, spec.plane)
    spacing = [volume.spacing[2 - axis] for axis in orientation.axes]
    size = [volume.voxels.shape[axis] for axis in orientation.axes]
    lie = Remark(
        f"{size[0]} slices, {orientation.plane_name} by the scan's header, of {size[1]} x {size[2]} pixels, "
        f"{spacing[1]:.3g} x {spacing[2]:.3g} mm, {spacing[0]:.3g} mm apart."
    )
    sides = [n * mm for n, mm in zip(size[1:], spacing[1:], strict=True)]
    sentences = [*_plane(volume, spec, orientation.plane_name), *_pixels(max(spacing[1:]), spec), *_sides(sides, spec)]
    return [lie, *(Remark(sentence, is_warning=True) for sentence in sentences)]


def _plane(volume: Volume, spec: ModelSpec, plane_name: str) -> Iterator[str]:
    known = spec.known_plane
    if decathlon.is_mislabelled_heart(volume.voxels.shape, volume.affine):
        yield from _mislabelled(volume, spec)
    elif spec.plane == ACQUIRED and not has_largest_spacing(volume.spacing):
        yield (
            "No spacing of the voxels is the largest, so the plane that the scan was acquired in can't be told. The "
            f"slices that its header calls {plane_name} are taken, and the model may not know them: check the result "
            "with care, or give the original scan."
        )
    elif known in _VIEWS and known != plane_name:
        yield (
            f"The model knows {known} slices, and by the scan's header the chosen ones are {plane_name}: go on only if "
            f"the header is wrong and they show the body {_VIEWS[known]}; else leave the plane to the model (in "
            "Slicer: Advanced, Plane)."
        )


def _mislabelled(volume: Volume, spec: ModelSpec) -> Iterator[str]:
    """Of a heart scan of the Decathlon, unless the model gets the slices that it knows in spite of the header."""
    right = slice_orientation(decathlon.true_affine(volume.affine), spec.known_plane)

    def is_right(plane: str) -> bool:
        taken = slice_orientation(volume.affine, plane)
        return (taken.axes, taken.flips) == (right.axes, right.flips)

    if is_right(spec.plane):
        return
    cure = "correct its header first"
    if plane := next(filter(is_right, PLANES), ""):
        cure = f"choose {plane} slices (in Slicer: Advanced, Plane)"
    yield (
        "This looks like a heart scan straight from the Medical Segmentation Decathlon, whose header wrongly calls its "
        f"sagittal slices axial: {cure}."
    )


def _pixels(coarsest: float, spec: ModelSpec) -> Iterator[str]:
    trained = spec.training.largest_pixel_mm or spec.preprocessing.pixel_spacing
    if trained and coarsest > _COARSE * trained:
        yield (
            f"The pixels of {coarsest:.3g} mm are much coarser than the {trained:.3g} mm that the model was trained "
            "on: check the result with care, or give a finer scan."
        )


def _sides(sides: list[float], spec: ModelSpec) -> Iterator[str]:
    smallest = min(_SMALL_MM, spec.training.smallest_slice_mm or _SMALL_MM)
    if min(sides) < smallest:
        yield (
            f"The slices show less than {smallest:.0f} mm: the model needs the surroundings of an organ; give the "
            "uncropped scan, or check its spacing."
        )
    largest = spec.training.largest_slice_mm or max(sides)
    if max(sides) > _LARGE * largest:
        yield (
            f"The slices show {max(sides):.0f} mm, and the model was trained on about {largest:.0f} mm around the "
            f"{spec.organ}: crop the scan first (in Slicer: module Crop Volume)."
        )


def _cost(volume: Volume, spec: ModelSpec, effort: Effort) -> Remark:
    place = effort.place
    load = Load.of(volume, spec.preprocessing, spec.facts, flips=effort.flips)
    seconds = cost.seconds(place, load, effort.gmacs_per_second)
    memory = cost.memory_bytes(place, load, effort.batch_size)
    basis = "by the last run here" if effort.gmacs_per_second else "a first guess, measured by the first run"
    sentence = f"About {_duration(seconds)} on {place.kind.upper()} ({basis}) and {_amount(memory)} of memory."
    return Remark(sentence, is_cost=True)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _amount(count: float) -> str:
    return f"{max(1, round(count / 1e6))} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _sample(voxels: np.ndarray) -> np.ndarray:
    """About `_LOOKED_AT` voxels, evenly from everywhere."""
    step = max(1, round((voxels.size / _LOOKED_AT) ** (1 / 3)))
    return voxels[::step, ::step, ::step]


def _rows(voxels: np.ndarray) -> np.ndarray:
    """Whole rows along the longest axis, of about `_LOOKED_AT` voxels in all, evenly from everywhere."""
    longest = max(range(3), key=lambda axis: (voxels.shape[axis], axis))
    voxels = np.moveaxis(voxels, longest, -1)
    step = max(1, round((voxels.size / _LOOKED_AT) ** 0.5))
    return voxels[::step, ::step]
