"""Volumes: voxels with their place in the patient, and the one way to read them from files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from AttnSegLib.errors import InputError, cause_of
from AttnSegLib.images.dicom.signs import is_dicom
from AttnSegLib.images.grid import LPS_TO_RAS, affine_of, check_axes, same_place
from AttnSegLib.images.metaimage import read_metaimage
from AttnSegLib.images.nifti import read_nifti
from AttnSegLib.images.nrrd import read_nrrd
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.packing import Damaged
from AttnSegLib.images.picture import IMAGE_IOS, is_picture, read_picture_file
from AttnSegLib.images.stored import Contents

if TYPE_CHECKING:  # the import takes 0.3 s, by which 3D Slicer would start later
    import SimpleITK as sitk

_READERS: dict[str, Callable[[Path], Contents]] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
}
_PICTURES = dict.fromkeys(IMAGE_IOS, read_picture_file)
_WHOLE = "give a whole volume, or a model that was trained on pictures"
SUFFIXES = tuple(_READERS)  # files with these endings can be read, and DICOM


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar 3D image.

    Args:
        voxels: (D, H, W) in stored order, index (k, j, i).
        affine: 4x4, from index (i, j, k, 1) to patient position in mm, RAS.
        modality: DICOM modality ("CT", "MR", ...); None if the file does not say it.
        notices: what the reader assumed or left out. Each is a whole sentence for the user, without the name of the
            file or the case. Whoever reads a volume shows them.
        other_affines: other affines on which label maps made for this file may lie: a second place that its header
            names, the place that other programs give it, or the file's own if the reader of a data set corrected it.
        padding: value of the voxels outside of what was measured; None if there are none, or they look like air.
        scan: (D, H, W), voxels of the whole scan if this volume is a part of one; else None.
    """

    voxels: np.ndarray
    affine: np.ndarray
    modality: str | None = None
    notices: tuple[str, ...] = ()
    other_affines: tuple[np.ndarray, ...] = ()
    padding: float | None = None
    scan: np.ndarray | None = None

    @property
    def whole(self) -> np.ndarray:
        """Voxels of the whole scan. Percentiles are taken of them, so that a part looks as bright as in the scan."""
        return self.voxels if self.scan is None else self.scan

    @property
    def digest(self) -> str:
        """SHA-256 of the voxels. It identifies a scan, whatever its file is called."""
        return hashlib.sha256(np.ascontiguousarray(self.voxels).data).hexdigest()

    def part(self, region: Region) -> Volume:
        """The voxels in a box, at the same place in the patient."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ region.start[::-1]
        return replace(self, voxels=self.voxels[region.slices], affine=affine, other_affines=(), scan=self.whole)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxels along i, j, k."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mL."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def measured(self, voxels: np.ndarray) -> np.ndarray:
        """The values (n,) of `voxels` that are not padding. If none or all are padding, `voxels` as it is."""
        if self.padding is None or (is_padding := voxels == self.padding).all():
            return voxels
        inside: np.ndarray = voxels[~is_padding]
        return inside


def read_volume(path: Path | str, *, series: str | None = None, pictures: bool = False) -> Volume:
    """Read a scalar 3D image (NIfTI, NRRD or MetaImage), a folder with a DICOM series, or a DICOM file of many frames.

    Args:
        path: of the file or folder.
        series: number of the DICOM series to take if there are several.
        pictures: whether PNG, TIFF and JPEG files, and volumes of one slice, are taken, too.

    Raises:
        InputError: for whatever can't be segmented: missing, unreadable or truncated files, 4D images, colour in
            volumes, NaN, constant images, sheared grids, and DICOM series with damaged, missing or odd slices.
    """
    path = Path(path).absolute()  # messages show its name, and "." has none
    with _opening(path):
        if path.is_dir() or is_dicom(path):
            volume = _read_dicom(path, series)
        elif series is not None and path.is_file():
            raise InputError(f"'{path.name}' has no series to choose from; leave the series out.")
        else:
            if is_picture(path) and not pictures:
                path.stat()  # what is not there is told as that
                raise InputError(f"'{path.name}' is a picture; {_WHOLE}.")
            volume = _read_file(path)
    check_volume(volume, f"'{path.name}'")
    _check_slices(volume.voxels.shape, path.name, pictures=pictures)
    return volume


def _check_slices(shape: tuple[int, ...], name: str, *, pictures: bool) -> None:
    if sum(n < 2 for n in shape) > (1 if pictures else 0):
        kind = "single slice" if sum(n < 2 for n in shape) == 1 else "line of voxels"
        raise InputError(f"'{name}' is a {kind} ({'x'.join(map(str, reversed(shape)))}); {_WHOLE}.")


def _read_dicom(path: Path, series: str | None) -> Volume:
    from AttnSegLib.images.dicom.series import read_file, read_series  # here, since pydicom is slow to import

    found = (read_series if path.is_dir() else read_file)(path, series)
    return Volume(found.voxels, found.affine, found.modality, found.notices, padding=found.padding)


def check_volume(volume: Volume, name: str) -> None:
    """Raises `InputError` for sheared axes, NaN and constant images. name: what the message calls the volume."""
    check_axes(volume.affine, name)
    _check_voxels(volume.voxels, name)


def read_label_map(path: Path | str, volume: Volume) -> np.ndarray:
    """Read a label map for a volume, as uint8 (D, H, W). Labels are never resampled.

    It must lie on the volume's grid, or on one of its `other_affines`. Raises `InputError` if it does not, if it can't
    be read, or if its values are not whole numbers from 0 to 255.
    """
    path = Path(path)
    with _opening(path):
        label_map = _read_file(path)
    grids = (volume.affine, *volume.other_affines)
    lies_there = any(same_place(own, grid) for own in (label_map.affine, *label_map.other_affines) for grid in grids)
    if label_map.voxels.shape != volume.voxels.shape or not lies_there:
        raise InputError(f"The label map '{path.name}' is not on the grid of its image; resample it first.")
    values = np.unique(label_map.voxels)
    if values.min() < 0 or values.max() > 255 or np.any(values != np.round(values)):
        raise InputError(
            f"The label map '{path.name}' holds values other than whole numbers from 0 to 255; give the labels, not "
            "the scan, nor probabilities."
        )
    return label_map.voxels.astype(np.uint8)


def from_image(image: sitk.Image) -> Volume:
    """A scalar 3D SimpleITK image as a volume."""
    import SimpleITK as sitk

    directions = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    return Volume(sitk.GetArrayFromImage(image), affine_of(directions, np.array(image.GetOrigin())))


def to_image(voxels: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """Voxels (D, H, W) on the grid of an affine (4x4, RAS, mm) as a SimpleITK image."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    matrix = affine[:3, :3] * LPS_TO_RAS
    spacing = np.linalg.norm(matrix, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix / spacing).ravel().tolist())
    image.SetOrigin((affine[:3, 3] * LPS_TO_RAS[:, 0]).tolist())
    return image


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"'{path}' can't be opened ({cause_of(error)}); check the path and permissions.") from error
    except MemoryError as error:
        raise InputError(f"There is not enough memory for '{path.name}'; close other programs, or crop it.") from error


def _read_file(path: Path) -> Volume:
    """Read a file by the reader of its suffix. The content does not decide: a damaged header may look like another
    format."""
    read = next(
        (reader for suffix, reader in (_READERS | _PICTURES).items() if path.name.lower().endswith(suffix)), None
    )
    if read is None:
        path.stat()  # raises if the file is missing, which is then what the user is told
        raise InputError(
            f"'{path.name}' is not a NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd) file; "
            "convert or unpack it, or give the folder of a DICOM series."
        )
    try:
        contents = read(path)
    except Damaged as error:
        raise InputError(
            f"'{path.name}' is damaged, truncated or not what its name says ({error}); copy it again."
        ) from error
    return Volume(contents.voxels, contents.affine, None, contents.notices, contents.other_affines)


def _check_voxels(voxels: np.ndarray, name: str) -> None:
    lowest, highest = voxels.min(), voxels.max()  # NaN if any voxel is NaN
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise InputError(f"{name[0].upper()}{name[1:]} has NaN or infinite voxels; replace them before segmenting.")
    if lowest == highest:
        raise InputError(
            f"{name[0].upper()}{name[1:]} is constant (every voxel is {lowest}); there is nothing to segment."
        )
