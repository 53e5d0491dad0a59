"""Volumes: voxels with their place in the patient, read and written through SimpleITK."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from AttnSegLib.errors import InputError
from AttnSegLib.images import dicom, nifti

_LPS_TO_RAS = np.array([[-1.0], [-1.0], [1.0]])  # ITK counts towards left and posterior, Slicer towards right, anterior

_IMAGE_IOS = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar 3D image.

    voxels: (D, H, W) in stored order, index (k, j, i).
    affine: 4x4, index (i, j, k, 1) to patient position in mm, RAS.
    modality: DICOM modality ("CT", "MR", ...) where the file says it, else None.
    notices: sentences about decisions taken while reading, for the user.
    stored_affine: the affine in the file, where the reader of a data set corrected it, else None. Label maps that were
        made for the file have it, too.
    """

    voxels: np.ndarray
    affine: np.ndarray
    modality: str | None = None
    notices: tuple[str, ...] = ()
    stored_affine: np.ndarray | None = None

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxels along i, j, k."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0


def read_volume(path: Path | str, *, series: str | None = None) -> Volume:
    """Read a scalar 3D image (NIfTI, NRRD or MetaImage) or a folder with a DICOM series.

    series: number of the DICOM series to take if the folder holds several. Raises `InputError` for whatever can't be
    segmented: missing, unreadable or truncated files, colour, 4D or single-slice images, NaN, constant images, sheared
    grids, and DICOM folders with missing slices.
    """
    path = Path(path).absolute()  # "." has no name to tell
    if series is not None and path.is_file():
        raise InputError(f"'{path.name}' is a file and has no series to choose from; leave the series out.")
    with _opening(path):
        volume = Volume(*dicom.read_series(path, series)) if path.is_dir() else from_image(_read_file(path))
    check_volume(volume, f"'{path.name}'")
    return volume


def check_volume(volume: Volume, name: str) -> None:
    """Raises `InputError` for what can't be segmented: sheared axes, NaN, a constant image. name: for the sentence."""
    _check_axes(volume.affine, name)
    _check_voxels(volume.voxels, name)


def read_label_map(path: Path | str, volume: Volume) -> np.ndarray:
    """Labels (D, H, W), uint8, of a label map that lies on the grid of `volume`, or of the file that it came from.

    Raises `InputError` if it lies on another grid: labels are never resampled.
    """
    path = Path(path)
    with _opening(path):
        label_map = from_image(_read_file(path))
    same_shape = label_map.voxels.shape == volume.voxels.shape
    grids = [grid for grid in (volume.affine, volume.stored_affine) if grid is not None]
    if not same_shape or not any(np.allclose(label_map.affine, grid, atol=1e-3) for grid in grids):
        raise InputError(f"The label map '{path.name}' is not on the grid of its image; resample it first.")
    values = np.unique(label_map.voxels)
    if values.min() < 0 or values.max() > 255 or np.any(values != np.round(values)):
        raise InputError(f"The label map '{path.name}' holds values other than whole numbers from 0 to 255.")
    return label_map.voxels.astype(np.uint8)


def from_image(image: sitk.Image, modality: str | None = None, notices: tuple[str, ...] = ()) -> Volume:
    """The volume in a scalar 3D SimpleITK image."""
    affine = np.eye(4)
    direction = np.reshape(image.GetDirection(), (3, 3))
    affine[:3, :3] = direction * np.array(image.GetSpacing()) * _LPS_TO_RAS
    affine[:3, 3] = np.array(image.GetOrigin()) * _LPS_TO_RAS[:, 0]
    return Volume(sitk.GetArrayFromImage(image), affine, modality, notices)


def to_image(voxels: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """The SimpleITK image with voxels (D, H, W) on the grid of an RAS affine."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    matrix = affine[:3, :3] * _LPS_TO_RAS
    spacing = np.linalg.norm(matrix, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix / spacing).ravel().tolist())
    image.SetOrigin((affine[:3, 3] * _LPS_TO_RAS[:, 0]).tolist())
    return image


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"'{path}' can't be opened ({error.strerror}); check the path and permissions.") from error


def _read_file(path: Path) -> sitk.Image:
    path.open("rb").close()  # ITK says the same of a file that it may not open as of a damaged one
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_image_io(path))
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_header(reader, path)
        if reader.GetImageIO() != "NiftiImageIO":
            return _image_of(reader)
        _check_nifti_axes(reader, path)
        stored = math.prod(reader.GetSize()), int(_field(reader, "datatype")), int(_field(reader, "bitpix"))
        with ThreadPoolExecutor(1) as beside:
            finite = beside.submit(nifti.voxels_are_finite, path, *stored)
            image = _image_of(reader)
        if not finite.result():
            raise InputError(_not_finite(f"'{path.name}'"))
        return image
    except (RuntimeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        if "orthonormal" in str(error):
            raise InputError(_sheared(f"'{path.name}'")) from error
        raise InputError(f"'{path.name}' is damaged, truncated or not what its name says; copy it again.") from error


def _image_of(reader: sitk.ImageFileReader) -> sitk.Image:
    image: sitk.Image = reader.Execute()
    return image


def _image_io(path: Path) -> str:
    """Name of the ITK reader. By suffix: of the formats that ITK guesses, most have no place in the patient."""
    for suffix, image_io in _IMAGE_IOS.items():
        if path.name.lower().endswith(suffix):
            return image_io
    raise InputError(
        f"'{path.name}' is not a NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file; convert "
        "it, or give the folder of a DICOM series."
    )


def _check_header(reader: sitk.ImageFileReader, path: Path) -> None:
    size = reader.GetSize()
    values, frames = reader.GetNumberOfComponents(), math.prod(size[3:])
    if values != 1:
        raise InputError(
            f"'{path.name}' has {values} values per voxel (colour, vectors or frames); export one of them."
        )
    if frames != 1:
        raise InputError(f"'{path.name}' is a 4D image of {frames} frames; export the frame to segment as a volume.")
    if len(size) < 3 or min(size[:3]) < 2:
        raise InputError(f"'{path.name}' is a single slice ({'x'.join(map(str, size))}); give a whole volume.")
    if len(size) > 3:
        reader.SetExtractSize([*size[:3], *[0] * (len(size) - 3)])


def _check_nifti_axes(reader: sitk.ImageFileReader, path: Path) -> None:
    """ITK mixes pixdim with an sform that contradicts it."""
    if _field(reader, "sform_code") > 0:
        sform = np.array([reader.GetMetaData(f"srow_{axis}").split() for axis in "xyz"], dtype=np.float64)
        _check_axes(sform, f"'{path.name}'")
        spacing = [abs(_field(reader, f"pixdim[{n}]")) for n in (1, 2, 3)]
        if not np.allclose(np.linalg.norm(sform[:, :3], axis=0), spacing, rtol=1e-3):
            raise InputError(f"Spacing (pixdim) and sform of '{path.name}' contradict each other; correct its header.")


def _field(reader: sitk.ImageFileReader, key: str) -> float:
    return float(reader.GetMetaData(key))


def _check_axes(affine: np.ndarray, name: str) -> None:
    """Raises `InputError` unless the axes are at right angles, within 0.001."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    skew = np.abs(affine[:3, :3].T @ affine[:3, :3] - np.diag(lengths**2))
    if not np.isfinite(affine).all() or lengths.min() == 0 or (skew > 1e-3 * np.outer(lengths, lengths)).any():
        raise InputError(_sheared(name))


def _sheared(name: str) -> str:
    return f"The voxel axes of {name} are sheared or not valid; resample it to a rectangular grid."


def _check_voxels(voxels: np.ndarray, name: str) -> None:
    lowest, highest = voxels.min(), voxels.max()  # NaN if a voxel is
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise InputError(_not_finite(name))
    if lowest == highest:
        raise InputError(
            f"{name[0].upper()}{name[1:]} is constant (every voxel is {lowest}); there is nothing to segment."
        )


def _not_finite(name: str) -> str:
    return f"{name[0].upper()}{name[1:]} has NaN or infinite voxels; replace them before segmenting."
