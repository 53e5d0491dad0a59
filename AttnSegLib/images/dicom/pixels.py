"""Turns the stored bytes of slices into intensities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from pydicom import encaps
from pydicom.pixels import apply_modality_lut, get_decoder

from AttnSegLib.images.dicom import decoding, faults, files
from AttnSegLib.images.dicom.faults import DAMAGE, Unusable
from AttnSegLib.images.dicom.files import StoredPixels
from AttnSegLib.images.dicom.frames import Frame, Scale

_NATURAL = 0.01  # padding no farther than this share of the intensity range from the darkest voxel is treated as air


class Intensities(NamedTuple):
    """The voxels (D, H, W) of a volume.

    padding: the value of voxels that were not measured, None if there are none or they look like air; share: how many
    they are of all voxels, 0 to 1."""

    voxels: np.ndarray
    padding: float | None
    share: float


def intensities(frames: list[Frame]) -> Intensities:
    """Read the intensities of slices of one size, in their order. Raises `InputError` with the name of a file that
    can't be decoded."""
    voxels = np.empty((len(frames), *frames[0].size), np.result_type(*{_dtype(frame) for frame in frames}))
    padded: dict[int, np.ndarray] = {}
    for k, stored in _stored(frames):
        scale = frames[k].scale
        voxels[k] = _scaled(stored, scale, voxels.dtype)
        if scale.padding is not None and (is_padding := _between(stored, scale.padding)).any():
            padded[k] = is_padding
    return _without_natural(voxels, padded, frames)


def same(one: Frame, other: Frame) -> bool:
    """Whether two slices have the same intensities."""
    if one.size != other.size:
        return False
    (_, first), (_, second) = (next(_stored([frame])) for frame in (one, other))
    wide = np.dtype(np.int64)
    return bool(np.array_equal(_scaled(first, one.scale, wide), _scaled(second, other.scale, wide)))


def _stored(frames: list[Frame]) -> Iterator[tuple[int, np.ndarray]]:
    """Read file by file; gives each slice's index in `frames` with its stored values (H, W). Raises `InputError` for
    damaged files."""
    wanted: dict[Path, dict[int, int]] = defaultdict(dict)
    for k, frame in enumerate(frames):
        wanted[frame.path][frame.index] = k
    with TemporaryDirectory(prefix="attnseg-") as scratch, files.quiet():
        for path, places in wanted.items():
            pixels = frames[next(iter(places.values()))].pixels
            read = _unpacked if pixels.syntax.is_encapsulated else _native
            try:
                for index, values in read(path, pixels, sorted(places), Path(scratch)):
                    yield places[index], values
            except Unusable as error:
                raise faults.refusal([path], error.fault) from error
            except DAMAGE as error:
                raise faults.refusal([path], faults.UNDECODABLE) from error


def _native(path: Path, pixels: StoredPixels, indices: list[int], _: Path) -> Iterator[tuple[int, np.ndarray]]:
    decoder = get_decoder(pixels.syntax)
    options: Any = {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "number_of_frames": pixels.frames,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "pixel_representation": int(pixels.is_signed),
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "pixel_vr": "OW",
        "transfer_syntax_uid": pixels.syntax,
    }
    with pixels.opened(path) as file:
        begin = file.tell()
        for index in indices:
            file.seek(begin)
            yield index, decoder.as_array(file, index=index, raw=True, **options)[0]


def _unpacked(path: Path, pixels: StoredPixels, indices: list[int], scratch: Path) -> Iterator[tuple[int, np.ndarray]]:
    wanted = set(indices)
    with pixels.opened(path) as file:
        packed = encaps.generate_frames(file, number_of_frames=pixels.frames)
        for index, frame in enumerate(packed):
            if index in wanted:
                wanted.remove(index)
                yield index, decoding.unpack(frame, pixels, scratch)
    if wanted:
        raise Unusable(faults.CUT_PIXELS)


def _scaled(stored: np.ndarray, scale: Scale, dtype: np.dtype) -> np.ndarray:
    """The intensities of stored values, as pydicom computes them. dtype: the type if slope and intercept are whole."""
    if scale.table is not None:
        return apply_modality_lut(stored, scale.table)
    if (scale.slope, scale.intercept) == (1, 0):
        return stored
    if _is_whole(scale):
        return stored.astype(dtype) * int(scale.slope) + int(scale.intercept)
    return stored * scale.slope + scale.intercept


def _is_whole(scale: Scale) -> bool:
    return float(scale.slope).is_integer() and float(scale.intercept).is_integer()


def _dtype(frame: Frame) -> np.dtype:
    """The smallest type that can hold every intensity that a slice could have."""
    pixels, scale = frame.pixels, frame.scale
    if scale.table is not None:
        return np.dtype(np.int32)
    if not _is_whole(scale):
        return np.dtype(np.float64)
    lowest = -(1 << (pixels.bits_stored - 1)) if pixels.is_signed else 0
    ends = [int(scale.slope) * (lowest + end) + int(scale.intercept) for end in (0, (1 << pixels.bits_stored) - 1)]
    for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.int64):
        if np.iinfo(dtype).min <= min(ends) and max(ends) <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    return np.dtype(np.float64)


def _between(stored: np.ndarray, ends: tuple[int, int]) -> np.ndarray:
    return (stored >= ends[0]) & (stored <= ends[1])


def _without_natural(voxels: np.ndarray, padded: dict[int, np.ndarray], frames: list[Frame]) -> Intensities:
    """Give padding the same value in all slices. If it is about as dark as air, it is not treated as padding.

    padded: for each slice that has padding, by its index, which pixels (H, W) are."""
    if not padded:
        return Intensities(voxels, None, 0.0)
    measured = [voxels[k][~padded[k]] if k in padded else voxels[k] for k in range(len(voxels))]
    ends = [(part.min(), part.max()) for part in measured if part.size]
    scale = frames[min(padded)].scale
    padding = float(_scaled(np.array([scale.padding[0]]), scale, voxels.dtype)[0]) if scale.padding else 0.0
    lowest, highest = float(min(e[0] for e in ends)), float(max(e[1] for e in ends))
    if abs(padding - lowest) <= _NATURAL * (highest - lowest):
        return Intensities(voxels, None, 0.0)
    for k, is_padding in padded.items():
        voxels[k][is_padding] = padding
    return Intensities(voxels, padding, sum(mask.sum() for mask in padded.values()) / voxels.size)
