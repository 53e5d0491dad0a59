"""Does a volume fit a model, and what will the run cost? Sentences to read before the result is believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from AttnSegLib.catalog import ModelSpec
from AttnSegLib.orientation import has_largest_spacing, slice_orientation
from AttnSegLib.volume import Volume

_AIR = -300  # HU; MR has no such intensities, and a CT without 0.5 % of air or lung is rare
_AIR_SHARE = 0.005
_LOOKED_AT = 200_000  # voxels: enough for shares of 0.5 %, and the panel does not wait
_COARSE = 1.75  # times the pixels that the model was trained on
_SMALL_MM = 60.0  # field of view in which no organ of ours can be told from its neighbours
_FIRST_GUESS = {"cpu": 30.0, "cuda": 2000.0, "mps": 400.0}  # GMAC/s, until a run here has been measured
_FLIPS = 4


@dataclass(frozen=True)
class Remark:
    """A sentence for the user; a warning says what is wrong and what to do."""

    sentence: str
    is_warning: bool = False


@dataclass(frozen=True)
class Effort:
    """What a run does. gmacs_per_second: measured here in an earlier run, else None."""

    device: str = "cpu"
    flips: bool = False
    gmacs_per_second: float | None = None


def warnings(volume: Volume, spec: ModelSpec) -> list[str]:
    """What speaks against giving this volume to this model; empty if nothing does."""
    return [r.sentence for r in (_modality(volume, spec), *_geometry(volume, spec)) if r.is_warning]


def inspect(volume: Volume, spec: ModelSpec, effort: Effort) -> list[Remark]:
    """Everything to read before Apply: modality and intensities, spacing, slices, expected cost, licence."""
    licence = Remark(f"Weights: {spec.licence}; not a medical device.")
    return [_modality(volume, spec), *_geometry(volume, spec), _cost(volume, spec, effort), licence]


def expected_gmacs(volume: Volume, spec: ModelSpec, *, flips: bool = False) -> float:
    """Multiply-accumulates of a run over the whole volume, in thousands of millions."""
    pixels = len_slices(volume, spec) * np.prod(_model_pixels(volume, spec)) / 1e6
    return float(spec.facts.gmacs_per_megapixel * pixels * (_FLIPS if flips else 1))


def len_slices(volume: Volume, spec: ModelSpec) -> int:
    """Number of slices that the model sees."""
    return volume.voxels.shape[slice_orientation(volume.affine, spec.plane).axes[0]]


def _modality(volume: Volume, spec: ModelSpec) -> Remark:
    sample = _sample(volume.voxels)
    if volume.modality is not None and volume.modality != spec.modality:
        evidence = f"is {volume.modality} by its DICOM header"
    elif volume.modality is not None:
        evidence = ""
    elif spec.modality == "MR" and float(np.mean(sample < _AIR)) > _AIR_SHARE:
        evidence = f"looks like CT (many voxels below {_AIR})"
    elif spec.modality == "CT" and sample.min() >= 0:
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


def _geometry(volume: Volume, spec: ModelSpec) -> list[Remark]:
    orientation = slice_orientation(volume.affine, spec.plane)
    spacing = [volume.spacing[2 - axis] for axis in orientation.axes]
    size = [volume.voxels.shape[axis] for axis in orientation.axes]
    remarks = [
        Remark(
            f"{size[0]} {orientation.plane_name} slices of {size[1]} x {size[2]} pixels, "
            f"{spacing[1]:.3g} x {spacing[2]:.3g} mm, {spacing[0]:.3g} mm apart."
        )
    ]
    if spec.plane == "acquired" and not has_largest_spacing(volume.spacing):
        remarks.append(
            Remark(
                "No spacing of the voxels is the largest, so the plane that the scan was acquired in can't be told, "
                f"and {orientation.plane_name} slices are taken; the model was trained on slices as they were "
                "acquired: give the original scan, or check the result with care.",
                is_warning=True,
            )
        )
    trained = spec.training.get("largest_pixel_mm") or spec.preprocessing.get("pixel_spacing")
    if trained and max(spacing[1:]) > _COARSE * trained:
        remarks.append(
            Remark(
                f"The pixels of {max(spacing[1:]):.3g} mm are much coarser than the {trained:.3g} mm that the model "
                "was trained on: check the result with care, or give a finer scan.",
                is_warning=True,
            )
        )
    smallest = min(_SMALL_MM, spec.training.get("smallest_slice_mm", _SMALL_MM))
    if min(n * mm for n, mm in zip(size[1:], spacing[1:], strict=True)) < smallest:
        remarks.append(
            Remark(
                f"The slices show less than {smallest:.0f} mm: the model needs the surroundings of an organ; give "
                "the uncropped scan, or check its spacing.",
                is_warning=True,
            )
        )
    return remarks


def _cost(volume: Volume, spec: ModelSpec, effort: Effort) -> Remark:
    kind = effort.device.split(":")[0]
    speed = effort.gmacs_per_second or _FIRST_GUESS.get(kind, _FIRST_GUESS["cpu"])
    seconds = expected_gmacs(volume, spec, flips=effort.flips) / speed
    memory = spec.facts.mb_per_megapixel * np.prod(_model_pixels(volume, spec)) / 1e6 * 4  # slices at once
    basis = "by the last run here" if effort.gmacs_per_second else "a first guess, measured by the first run"
    return Remark(f"About {_duration(seconds)} on {kind.upper()} ({basis}) and {memory:.0f} MB of memory.")


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _model_pixels(volume: Volume, spec: ModelSpec) -> tuple[float, float]:
    """Height and width that the network sees, but for the padding."""
    axes = slice_orientation(volume.affine, spec.plane).axes[1:]
    if spec.preprocessing.get("size"):
        height, width = spec.preprocessing["size"]
        return height, width
    scale = spec.preprocessing.get("pixel_spacing")
    return tuple(volume.voxels.shape[a] * (volume.spacing[2 - a] / scale if scale else 1.0) for a in axes)


def _sample(voxels: np.ndarray) -> np.ndarray:
    """About `_LOOKED_AT` voxels, evenly from everywhere."""
    step = max(1, round((voxels.size / _LOOKED_AT) ** (1 / 3)))
    return voxels[::step, ::step, ::step]
