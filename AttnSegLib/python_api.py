"""The library for scripts and notebooks: an image in, a label map, attention and volumes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from AttnSegLib.errors import InputError
from AttnSegLib.images.grid import SILENT_AXES, SILENT_ORIGIN, SILENT_SPACING, affine_of, not_said
from AttnSegLib.images.volume import Volume, check_volume, from_image, read_volume, to_image
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import Prediction, PredictionOptions, chosen_maps
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model
from AttnSegLib.results.measures import measure_segments
from AttnSegLib.results.report import doubtful_slices
from AttnSegLib.results.results_folder import result_file, writing
from AttnSegLib.results.run_files import WantedFormat, format_of_file, write_one_file
from AttnSegLib.results.run_report import nothing_found

_NAME = "The image"


def segment(
    image: Any,
    model: str,
    attention: str | Sequence[str] = "default",
    spacing: Sequence[float] | None = None,
    affine: np.ndarray | None = None,
) -> SegmentedImage:
    """Segment one image; for several, keep a `Segmenter`, whose network stays warm.

    Args:
        image: a path (NIfTI, NRRD, MetaImage, folder of DICOM slices), a SimpleITK image, a nibabel image, or an array
            (D, H, W), indexed [k, j, i] as `SimpleITK.GetArrayFromImage` gives it. For models that were trained on
            pictures also PNG, TIFF, JPEG, one slice, or an array (H, W).
        model: id of a model, as `attnseg models` lists them, or a model folder.
        attention: title of a map, or several, or "default" (those of the model's card), "all", "none".
        spacing: of an array: distance in mm between voxels along i, j, k.
        affine: of an array, in place of a spacing: 4x4, index (i, j, k, 1) to patient position in mm, RAS.

    Raises:
        InputError: with one sentence, for whatever can't be segmented.
    """
    return Segmenter(model)(image, attention, spacing, affine)


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """What a model says of an image.

    label_map: uint8, on the grid of the image and with its axes: (D, H, W), and of a nibabel image (i, j, k).
    attention: title to coefficients, float32, 0 to 1, of the same shape. volumes_ml: id of a segment to mL.
    slices_to_check: the most doubtful first, as in `report.json`. notices: what to read before this is believed.
    """

    label_map: np.ndarray
    attention: dict[str, np.ndarray]
    volumes_ml: dict[str, float]
    slices_to_check: list[dict[str, Any]]
    notices: tuple[str, ...]
    spec: ModelSpec
    prediction: Prediction

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the label map: .nii.gz, .nii, or .seg.nrrd with names and colours for 3D Slicer. Raises `InputError` if
        it can't be written, or if something is there and is not to be overwritten."""
        path = Path(path)
        kind = format_of_file(path)
        if kind is None or kind == "dicom-seg":  # for which the scan's own files are needed
            raise InputError(f"'{path.name}' is no name for a label map; end it in .nii.gz or .seg.nrrd.")
        with result_file(path, overwrite=overwrite) as folder, writing(path):
            write_one_file(folder / path.name, self.spec, self.prediction, WantedFormat(kind, path))
        return path

    def to_sitk(self) -> sitk.Image:
        """The label map as a SimpleITK image."""
        return to_image(self.prediction.label_map, self.prediction.stack.volume.affine)


class Segmenter:
    """A model that is loaded once and used often.

    Args:
        model: id of a model, or a model folder.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        level: to which an ANU-Net is pruned.
        flips: mean over flips, four times slower.
        plane: of the slices to take, instead of the one on the model's card.

    Raises:
        InputError: if there is no such model, device, level or plane.
    """

    def __init__(
        self, model: str, *, device: str = "auto", level: int | None = None, flips: bool = False, plane: str = ""
    ):
        spec = find_model(model)
        self.spec = spec.in_plane(plane) if plane else spec
        self._predictor = SlicePredictor.from_model(self.spec, Compute(device), level=level)
        self._flips = flips

    def __call__(
        self,
        image: Any,
        attention: str | Sequence[str] = "default",
        spacing: Sequence[float] | None = None,
        affine: np.ndarray | None = None,
    ) -> SegmentedImage:
        """As `segment`."""
        volume = _volume_of(image, spacing, affine, pictures=self.spec.training.pictures)
        wanted = (attention,) if isinstance(attention, str) else tuple(attention)
        titles = chosen_maps(wanted, self.spec, self._predictor.attention_titles)
        prediction = self._predictor.predict(volume, PredictionOptions(titles, flips=self._flips))
        stack, label_map = prediction.stack, prediction.label_map
        warnings = preflight.warnings(volume, self.spec)
        return SegmentedImage(
            label_map=_as_given(label_map, image),
            attention={
                title: _as_given(values, image).astype(np.float32) for title, values in prediction.attention.items()
            },
            volumes_ml={one.id: one.volume_ml for one in measure_segments(stack, label_map, self.spec.labels)},
            slices_to_check=doubtful_slices(stack, label_map, prediction.expected_error),
            notices=(*volume.notices, *warnings, *prediction.notices, *nothing_found(self.spec, prediction)),
            spec=self.spec,
            prediction=prediction,
        )


def _as_given(values: np.ndarray, image: Any) -> np.ndarray:
    """A map (D, H, W) with the axes of the image."""
    if isinstance(image, np.ndarray) and image.ndim == 2:
        return np.asarray(values[0])
    return values.T if _is_nibabel(image) else values


def _volume_of(image: Any, spacing: Sequence[float] | None, affine: np.ndarray | None, *, pictures: bool) -> Volume:
    if not isinstance(image, np.ndarray) and (spacing is not None or affine is not None):
        raise InputError("Spacing and affine are for arrays; this image has its own: leave them out.")
    if isinstance(image, str | Path):
        return read_volume(image, pictures=pictures)
    if isinstance(image, np.ndarray):
        _check_kind(image)
        array = image[None] if image.ndim == 2 and pictures else image
        _check_shape(array.shape, 1, pictures=pictures)
        volume = _volume_of_array(array, spacing, affine)
    elif isinstance(image, sitk.Image):
        _check_shape(image.GetSize(), image.GetNumberOfComponentsPerPixel(), pictures=pictures)
        volume = from_image(image)
    elif _is_nibabel(image):
        array = np.asanyarray(image.dataobj)
        _check_kind(array)
        _check_shape(array.shape, 1, pictures=pictures)
        volume = Volume(array.T, np.asarray(image.affine, float))
    else:
        raise InputError(
            f"A {type(image).__name__} is no image; give a path, a SimpleITK or nibabel image, or a numpy array."
        )
    check_volume(volume, _NAME.lower())
    return volume


def _volume_of_array(array: np.ndarray, spacing: Sequence[float] | None, affine: np.ndarray | None) -> Volume:
    if affine is not None:
        affine = np.asarray(affine, float)
        if spacing is not None or affine.shape != (4, 4):
            raise InputError("Give an array either a spacing, of three numbers, or an affine of 4 x 4.")
        return Volume(array, affine)
    sides = [1.0] * 3 if spacing is None else [float(side) for side in spacing]
    if len(sides) != 3:
        raise InputError("The spacing of an array is three numbers, in mm, along i, j, k.")
    silent = [*([SILENT_SPACING] if spacing is None else []), SILENT_AXES, SILENT_ORIGIN]
    notices = tuple(notice.replace("The file", _NAME) for notice in not_said(*silent))
    return Volume(array, affine_of(np.diag(sides), np.zeros(3)), notices=notices)


def _check_kind(array: np.ndarray) -> None:
    if array.dtype.kind not in "uif":
        raise InputError(f"{_NAME} holds no plain numbers but {array.dtype}; convert it first.")


def _check_shape(shape: Sequence[int], components: int, *, pictures: bool) -> None:
    if len(shape) != 3 or components != 1 or sum(n < 2 for n in shape) > (1 if pictures else 0) or min(shape) < 1:
        raise InputError(
            f"{_NAME} has {' x '.join(map(str, shape))} voxels of {components} numbers; it needs three dimensions, at "
            "least two voxels along each, and one number in each."
        )


def _is_nibabel(image: Any) -> bool:
    """By what it can do: nibabel itself need not be there."""
    return hasattr(image, "dataobj") and hasattr(image, "affine")
