"""Reading a DICOM folder: slices sorted by position, series told apart, gaps found. SimpleITK (GDCM) only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from AttnSegLib.errors import InputError

_JITTER = 0.05  # unevenness of the slices, as a share of their distance, that is treated as even (and said)
_NEGLIGIBLE = 0.001  # the same, not worth a word: rounding in the headers


@dataclass(frozen=True, eq=False)
class _Slice:
    """What sorting needs to know of one DICOM file; lengths in mm, LPS."""

    path: str
    instance: str
    series: str
    number: str
    modality: str
    pixel_type: int
    size: tuple[int, ...]
    spacing: np.ndarray  # (2,) along i, j
    position: np.ndarray  # (3,)
    axes: np.ndarray  # (3, 3), columns: directions of i, j and the slice normal

    @property
    def distance(self) -> float:
        """Position along the slice normal, mm."""
        return float(self.axes[:, 2] @ self.position)


def read_series(folder: Path, number: str | None = None) -> tuple[np.ndarray, np.ndarray, str | None, tuple[str, ...]]:
    """Voxels (D, H, W), affine to RAS, modality and notices of the DICOM series in a folder.

    number: SeriesNumber to take if there are several. Raises `InputError` for a folder without DICOM slices, with
    several stacks and no choice, with missing, doubled or unevenly spaced slices, or with a tilted gantry.
    """
    slices, unusable = _headers(folder)
    slices, copies = _without_copies(slices)
    slices, others = _choose(_stacks(slices), folder, number)
    slices.sort(key=lambda s: s.distance)
    _check_planes(slices)
    notices = (*unusable, *copies, *others, *_check_distances(slices))
    return _voxels(slices, folder), _affine(slices), slices[0].modality or None, notices


def _headers(folder: Path) -> tuple[list[_Slice], list[str]]:
    """The slices in a folder, and a notice about DICOM files that are none."""
    found, unusable = [], 0
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.name != "DICOMDIR"):
        header = _header(path)
        if header is not None:
            found.append(header)
        elif _is_dicom(path):
            unusable += 1
    if not found:
        raise InputError(
            f"The folder '{folder.name}' holds no DICOM slices with a position; give the folder in which the slice "
            "files themselves lie, one slice per file."
        )
    return found, [f"{unusable} DICOM file(s) without a usable slice were left out."] if unusable else []


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _header(path: Path) -> _Slice | None:
    """None for a file that is no scalar slice with a place in space: a report, a screenshot, a text file."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        place = _place(reader)
    except (RuntimeError, ValueError):  # not DICOM, damaged, or numbers that are none
        return None
    if place is None or reader.GetSize()[2:] != (1,) or reader.GetNumberOfComponents() != 1:
        return None
    return _Slice(
        path=str(path),
        instance=_tag(reader, "0008|0018"),
        series=_tag(reader, "0020|000e"),
        number=_tag(reader, "0020|0011"),
        modality=_tag(reader, "0008|0060"),
        pixel_type=reader.GetPixelID(),
        size=reader.GetSize()[:2],
        spacing=place[0],
        position=place[1],
        axes=place[2],
    )


def _place(reader: sitk.ImageFileReader) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Spacing (2,), position (3,) and axes (3, 3) of a slice, if its header has them."""
    spacing = _numbers(reader, "0028|0030")[::-1]  # the tag counts rows first
    position = _numbers(reader, "0020|0032")
    orientation = _numbers(reader, "0020|0037")
    if (len(spacing), len(position), len(orientation)) != (2, 3, 6) or not np.isfinite(position).all():
        return None
    rows, normal = orientation[:3], np.cross(orientation[:3], orientation[3:])
    if not (0.9 < np.linalg.norm(rows) < 1.1 and 0.9 < np.linalg.norm(normal) < 1.1 and (spacing > 0).all()):
        return None
    rows, normal = rows / np.linalg.norm(rows), normal / np.linalg.norm(normal)  # exact: the tag is rounded
    return spacing, position, np.column_stack([rows, np.cross(normal, rows), normal])


def _tag(reader: sitk.ImageFileReader, key: str) -> str:
    return reader.GetMetaData(key).strip("\0 ") if reader.HasMetaDataKey(key) else ""


def _numbers(reader: sitk.ImageFileReader, key: str) -> np.ndarray:
    return np.array([float(x) for x in _tag(reader, key).split("\\") if x])


def _without_copies(slices: list[_Slice]) -> tuple[list[_Slice], list[str]]:
    """The same instance stored twice is one slice; one instance number at two positions is a careless export."""
    unique = list({(s.instance or s.path, *s.position): s for s in slices}.values())
    copies = len(slices) - len(unique)
    return unique, [f"{copies} file(s) that repeat a slice were left out."] if copies else []


def _stacks(slices: list[_Slice]) -> list[list[_Slice]]:
    """Slices of one series and one orientation, largest stack first."""
    stacks: list[list[_Slice]] = []
    for s in slices:
        same = [t for t in stacks if t[0].series == s.series and np.allclose(t[0].axes, s.axes, atol=1e-3)]
        if same:
            same[0].append(s)
        else:
            stacks.append([s])
    return sorted(stacks, key=len, reverse=True)


def _choose(stacks: list[list[_Slice]], folder: Path, number: str | None) -> tuple[list[_Slice], list[str]]:
    """The one stack of several slices (with that number), and a notice about single slices beside it."""
    listing = ", ".join(_in_words(stack) for stack in stacks)
    if number is not None:
        stacks = [s for s in stacks if s[0].number == str(number)]
        if not stacks:
            raise InputError(f"'{folder.name}' has no series with number {number}; choose one of: {listing}.")
    several = [s for s in stacks if len(s) > 1]
    if not several:
        raise InputError(f"'{folder.name}' holds single slices only: {listing}; give a folder with a whole series.")
    if len({s[0].number for s in several}) > 1:
        raise InputError(
            f"'{folder.name}' mixes {len(several)} series: {listing}; choose one by its number (--series)."
        )
    if len(several) > 1:
        raise InputError(
            f"'{folder.name}' holds several stacks with one series number: {listing}; put each in its own folder."
        )
    singles = len(stacks) - 1
    return several[0], [f"{singles} single slice(s) beside the series (localizers) were left out."] if singles else []


def _in_words(stack: list[_Slice]) -> str:
    number = f"number {stack[0].number}" if stack[0].number else "without a number"
    return f"{number} ({len(stack)} slice{'s' * (len(stack) > 1)})"


def _check_planes(slices: list[_Slice]) -> None:
    """Raises `InputError` unless all slices have one pixel grid, each exactly above the other."""
    first = slices[0]
    if any(s.size != first.size or not np.allclose(s.spacing, first.spacing, rtol=1e-3) for s in slices):
        raise InputError("The slices of the series differ in size or pixel spacing; export slices of one grid only.")
    shifts = (np.array([s.position for s in slices]) - first.position) @ first.axes[:, :2]
    if (np.abs(shifts) > first.spacing).any():
        raise InputError("The slices are sheared against each other (tilted gantry); resample the series first.")


def _check_distances(slices: list[_Slice]) -> list[str]:
    """Notices about the distances between sorted slices; raises `InputError` where they can't be one volume."""
    distances = np.array([s.distance for s in slices])
    steps = np.diff(distances)
    step = float(np.quantile(steps, 0.5, method="lower"))
    if steps.min() < 1e-3:
        raise InputError("Several slices lie at one position (several time points or echoes); export one of them.")
    widest = int(np.argmax(steps))
    if steps[widest] > 1.5 * step:
        raise InputError(
            f"A slice is missing: between slices {widest + 1} and {widest + 2} of {len(slices)}, by position, there "
            f"is a gap of {steps[widest]:.2f} mm where {step:.2f} mm is usual; copy the series again."
        )
    drift = distances - np.linspace(distances[0], distances[-1], len(distances))
    off = max(np.abs(steps - step).max(), np.abs(drift).max()) / step
    if off > _JITTER:
        raise InputError(
            f"The slices are unevenly spaced ({steps.min():.2f} to {steps.max():.2f} mm); resample the series first."
        )
    if off > _NEGLIGIBLE:
        return [f"Slice distances vary by up to {100 * off:.1f} %; each is taken as {steps.mean():.3f} mm."]
    return []


def _voxels(slices: list[_Slice], folder: Path) -> np.ndarray:
    """Voxels (D, H, W), rescaled. File by file: ITK's own series reader warns on stderr and trusts the first type."""
    types = {s.pixel_type for s in slices}  # each slice may have its own slope
    pixel_type = types.pop() if len(types) == 1 else sitk.sitkFloat32
    try:
        return np.concatenate(
            [sitk.GetArrayFromImage(sitk.ReadImage(s.path, pixel_type, "GDCMImageIO")) for s in slices]
        )
    except RuntimeError as error:
        raise InputError(f"A slice in '{folder.name}' can't be decoded; export the series uncompressed.") from error


def _affine(slices: list[_Slice]) -> np.ndarray:
    """From the positions themselves: SliceThickness is often something else."""
    first, last = slices[0], slices[-1]
    step = (last.distance - first.distance) / (len(slices) - 1)
    affine = np.eye(4)
    affine[:3, :3] = first.axes * [*first.spacing, step]
    affine[:3, 3] = first.position
    affine[:2] *= -1  # LPS to RAS
    return affine
