"""Reads NIfTI-1 and NIfTI-2 files (.nii, .nii.gz), after the standards: nifti.nimh.nih.gov/nifti-1 and -2.

If a header names two places for the voxels, the one in the scanner is taken, as ITK does. Slicer reads files by ITK, so
results lie on the scan there. Needs only numpy.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Literal

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.grid import SKEW, check_axes
from AttnSegLib.images.packing import Damaged, Packing, unpacked
from AttnSegLib.images.stored import Contents, Stored, check_sizes, opened, voxels_of

_FIRST, _SECOND = 348, 540  # bytes of the headers of NIfTI-1 and NIfTI-2
_Order = Literal["<", ">"]
_ORDERS: tuple[_Order, ...] = ("<", ">")
_FIELDS = {  # byte offset and type of each field, in NIfTI-1 and in NIfTI-2
    "magic": ((344, "S4"), (4, "S8")),
    "dim": ((40, "8i2"), (16, "8i8")),
    "datatype": ((70, "i2"), (12, "i2")),
    "pixdim": ((76, "8f4"), (104, "8f8")),
    "vox_offset": ((108, "f4"), (168, "i8")),
    "scl_slope": ((112, "f4"), (176, "f8")),
    "scl_inter": ((116, "f4"), (184, "f8")),
    "xyzt_units": ((123, "u1"), (500, "i4")),
    "qform_code": ((252, "i2"), (344, "i4")),
    "sform_code": ((254, "i2"), (348, "i4")),
    "quatern": ((256, "3f4"), (352, "3f8")),
    "qoffset": ((268, "3f4"), (376, "3f8")),
    "srow": ((280, "(3,4)f4"), (400, "(3,4)f8")),
}
_MAGICS = (b"n+1", b"n+2\0\r\n\032\n")  # numpy drops zeros at the end
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_VALUES = {32: 2, 1792: 2, 2048: 2, 128: 3, 2304: 4}  # values in one voxel of complex numbers and of colours
_UNREAD = {1: "single bits", 1536: "numbers of 128 bits"}
_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # mm; 0: the header names no unit
_FLOAT32_STEP = float(np.finfo(np.float32).eps)
_SCANNER = 1  # the code of a qform or sform that gives the place in the scanner


_UNPLACED = (
    "The header does not say how the patient lies (neither qform nor sform): the axes were taken as left, anterior, "
    "superior, as the standard has it; check left and right."
)


def read_nifti(path: Path) -> Contents:
    """Read a file. Raises `InputError` if it is no scalar volume, and `Damaged` if it is damaged."""
    start, is_packed = _beginning(path)
    header = _header(start)
    shape = _shape(header, path)
    dtype = np.dtype(header["dim"].dtype.byteorder + _TYPES[int(header["datatype"])])
    affine, others, notices = _place(header, shape, f"'{path.name}'")
    packing = Packing.GZIP if is_packed else Packing.NONE
    voxels, left_out = voxels_of(Stored((path,), shape, dtype, packing, skip=_offset(header)))
    return Contents(_scaled(voxels, header), affine, (*notices, *left_out), others)


def _beginning(path: Path) -> tuple[bytes, bool]:
    """The first bytes, unpacked, and whether the file is packed by gzip. The content says so: names are often wrong."""
    with opened(path) as file:
        start = file.read(_SECOND)
        if not start.startswith(b"\x1f\x8b"):
            return start, False
        file.seek(0)
        start = b""
        for piece in unpacked(file, Packing.GZIP):
            start += piece
            if len(start) >= _SECOND:
                break
        return start, True


def _header(start: bytes) -> np.void:
    """The fields of the header, in the byte order of the file."""
    for (number, size), order in itertools.product(enumerate((_FIRST, _SECOND)), _ORDERS):
        if len(start) >= size and np.frombuffer(start, f"{order}i4", 1)[0] == size:
            places = {name: both[number] for name, both in _FIELDS.items()}
            offsets, formats = zip(*places.values(), strict=True)
            fields = np.dtype(
                {"names": list(places), "formats": list(formats), "offsets": list(offsets), "itemsize": size}
            )
            header: np.void = np.frombuffer(start, fields.newbyteorder(order), 1)[0]
            if header["magic"] != _MAGICS[number]:
                raise Damaged("it has no mark of a NIfTI file that holds its voxels")
            return header
    raise Damaged("it has no NIfTI header")


def _shape(header: np.void, path: Path) -> tuple[int, int, int]:
    axes, *sizes = header["dim"].tolist()
    if not 1 <= axes <= 7:
        raise Damaged(f"its header says that it has {axes} axes")
    sizes = sizes[:axes] + [1] * (7 - axes)
    kind = int(header["datatype"])
    if kind in _UNREAD:
        raise InputError(f"'{path.name}' stores its voxels as {_UNREAD[kind]}, which is not read; save it as float32.")
    if kind not in _TYPES and kind not in _VALUES:
        raise Damaged(f"its header says a type of voxels that does not exist ({kind})")
    frames = sizes[3] * sizes[5] * sizes[6]
    return check_sizes(path, sizes[: max(2, min(axes, 3))], sizes[4] * _VALUES.get(kind, 1), frames)


def _offset(header: np.void) -> int:
    """The byte at which the voxels begin."""
    offset, least = float(header["vox_offset"]), header.dtype.itemsize
    if offset == 0:  # some programs write 0 for "right behind the header"
        return least + 4
    if not (least <= offset < 1 << 40 and offset.is_integer()):
        raise Damaged("its header does not say where the voxels begin")
    return int(offset)


def _place(
    header: np.void, shape: tuple[int, int, int], name: str
) -> tuple[np.ndarray, tuple[np.ndarray, ...], list[str]]:
    """The affine that is taken, affines of other places that the header names, and notices."""
    unit = _UNITS.get(int(header["xyzt_units"]) & 7)
    notices = [] if unit else ["The header gives lengths in a unit that does not exist; they were taken as mm."]
    spacing = np.asarray(header["pixdim"][1:4], np.float64)
    forms = _forms(header, spacing, name)
    if not forms:
        return *_unplaced(spacing * (unit or 1.0), shape), [*notices, _UNPLACED]
    if not _is_spacing(spacing):
        notices.append("The spacing in the header (pixdim) is not above 0; that of its sform was taken.")
    elif header["qform_code"] > 0 and "qform" not in forms:
        notices.append("The qform in the header is not valid; its sform was taken.")
    to_mm = np.array([[unit or 1.0]] * 3 + [[1.0]])  # a factor for each row
    affine, *others = (form * to_mm for form in forms.values())
    if others:
        notices += _two_places(affine, others[0], shape, list(forms))
    return affine, tuple(others), notices


def _forms(header: np.void, spacing: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """The affines in a header by name, the one to take first; empty if it has none.

    Raises `InputError` for a sform that is not valid, or, without a sform, for a qform that is not valid."""
    sform, qform = _sform(header, spacing, name), _qform(header, spacing)
    if sform is None and not _is_spacing(spacing):
        raise InputError(f"The spacing of {name} (pixdim) is not above 0; correct its header.")
    if sform is None and qform is None and header["qform_code"] > 0:
        raise InputError(f"The qform of {name} is not valid; correct its header.")
    words = ("sform", "qform") if header["sform_code"] == _SCANNER else ("qform", "sform")
    found = {"sform": sform, "qform": qform}
    return {word: form for word in words if (form := found[word]) is not None}


def _is_spacing(spacing: np.ndarray) -> bool:
    return bool((np.isfinite(spacing) & (spacing > 0)).all())


def _sform(header: np.void, spacing: np.ndarray, name: str) -> np.ndarray | None:
    """The sform; None if the header has none. Raises `InputError` if it is no valid grid or contradicts the spacing."""
    if header["sform_code"] <= 0:
        return None
    sform = np.vstack([np.asarray(header["srow"], np.float64), [0.0, 0.0, 0.0, 1.0]])
    check_axes(sform, name)
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    is_said = np.isfinite(spacing) & (spacing != 0)
    if not np.allclose(lengths[is_said], np.abs(spacing[is_said]), rtol=SKEW):
        raise InputError(f"Spacing (pixdim) and sform of {name} contradict each other; correct its header.")
    return sform


def _qform(header: np.void, spacing: np.ndarray) -> np.ndarray | None:
    """The qform; None if the header has none, or one that is not valid."""
    if header["qform_code"] <= 0 or not _is_spacing(spacing):
        return None
    b, c, d = header["quatern"].tolist()
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -SKEW or not np.isfinite(header["qoffset"]).all():  # written so that NaN is refused, too
        return None
    too_long = max(1.0, np.sqrt(1.0 - rest))  # rounding in the file can make the vector longer than 1
    a, b, c, d = np.sqrt(max(rest, 0.0)), b / too_long, c / too_long, d / too_long
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing * [1, 1, -1 if header["pixdim"][0] < 0 else 1]
    affine[:3, 3] = header["qoffset"]
    return affine


def _unplaced(spacing: np.ndarray, shape: tuple[int, int, int]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The affine by "method 1" of the standard, centred as other readers do it; and the affine that ITK uses, on which
    label maps lie that ITK saved for the file. spacing: mm; shape: (D, H, W)."""
    affine, of_itk = np.diag([*spacing * [-1, 1, 1], 1.0]), np.diag([*spacing * [-1, -1, 1], 1.0])
    affine[:3, 3] = affine[:3, :3] @ (1 - np.array(shape[::-1])) / 2
    return affine, (of_itk,)


def _two_places(used: np.ndarray, other: np.ndarray, shape: tuple[int, int, int], words: list[str]) -> tuple[str, ...]:
    """The notice that a header names two places, unless they are the same for every voxel."""
    corners = np.array([[*np.multiply(corner, np.array(shape[::-1]) - 1), 1] for corner in np.ndindex(2, 2, 2)])
    apart = np.linalg.norm((corners @ (used - other).T)[:, :3], axis=1).max()
    if apart < np.linalg.norm(used[:3, :3], axis=0).min() / 2:
        return ()
    mirrored = np.linalg.det(used[:3, :3]) * np.linalg.det(other[:3, :3]) < 0
    sides, check = (" and mirrored", "left and right") if mirrored else ("", "that it is right")
    return (
        f"The header names two places for the voxels, {words[0]} and {words[1]}, up to {apart:.3g} mm apart{sides}: "
        f"the {words[0]} was taken, as Slicer does; check {check}.",
    )


def _scaled(voxels: np.ndarray, header: np.void) -> np.ndarray:
    """The stored numbers times slope plus intercept. If the slope is 0 or no number, they are not changed."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0 or (slope, intercept) == (1.0, 0.0):
        return voxels
    if not np.isfinite(intercept):
        raise Damaged("its header scales voxels by what is no number")
    scaled: np.ndarray = np.empty(voxels.shape, _wide_enough(voxels.dtype, slope, intercept))
    with np.errstate(over="ignore"):  # infinite voxels are refused later
        for one, values in zip(scaled, voxels, strict=True):
            one[...] = np.float64(slope) * values + intercept
    return scaled


def _wide_enough(dtype: np.dtype, slope: float, intercept: float) -> type:
    """The type for scaled voxels: float32, or float64 where float32 would make two neighbouring values equal."""
    if dtype.itemsize > 2:
        return np.float64
    info = np.iinfo(dtype)
    largest = abs(slope) * max(-float(info.min), float(info.max)) + abs(intercept)
    return np.float32 if largest * _FLOAT32_STEP < abs(slope) / 32 else np.float64
