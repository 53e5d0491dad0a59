"""What ITK does not say of NIfTI files: voxels that are NaN or infinite, which it reads as 0."""

import gzip
import struct

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.images.nifti import voxels_are_finite
from AttnSegLib.images.volume import read_volume

FLOATS = ["<f4", ">f4", "<f8", ">f8"]


def write_nifti(path, voxels, header_size=348, offset=560):
    """A NIfTI-1 or (540) NIfTI-2 file in the byte order of its voxels, without the code under test or ITK."""
    order = ">" if voxels.dtype.byteorder == ">" else "<"
    datatype = {"i2": 4, "f4": 16, "f8": 64}[voxels.dtype.str[1:]]
    kind = datatype, voxels.dtype.itemsize * 8
    dim, pixdim = [3, *voxels.shape[::-1], 1, 1, 1, 1], [1.0] * 8
    first = [(40, "8h", *dim), (70, "2h", *kind), (76, "8f", *pixdim), (108, "f", offset)]
    first += [(112, "f", np.nan), (252, "h", 1), (344, "4s", b"n+1\0")]
    second = [(4, "8s", b"n+2\0\r\n\032\n"), (12, "2h", *kind), (16, "8q", *dim), (104, "8d", *pixdim)]
    second += [(168, "q", offset), (176, "d", np.nan), (344, "i", 1)]
    content = bytearray(offset) + voxels.tobytes()
    for place, form, *values in [(0, "i", header_size), *(first if header_size == 348 else second)]:
        struct.pack_into(order + form, content, place, *values)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_voxels_that_are_no_numbers_are_refused(tmp_path, suffix, dtype, value):
    """ITK reads them as 0."""
    voxels = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    voxels[2, 3, 4] = value
    path = write_nifti(tmp_path / f"image{suffix}", voxels)
    with pytest.raises(InputError) as caught:
        read_volume(path)
    assert str(caught.value) == f"'{path.name}' has NaN or infinite voxels; replace them before segmenting."


@pytest.mark.parametrize("dtype", [*FLOATS, "<i2", ">i2"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_voxels_that_are_numbers_are_read(tmp_path, suffix, dtype):
    """In the other byte order or as floats, some of them, or what follows, are NaN."""
    voxels = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    voxels.reshape(-1)[[7, 9]] = np.frombuffer(np.array([0x7FC0, -64], "<i2"), ">i2") if "i" in dtype else [-1e30, 1e30]
    path = write_nifti(tmp_path / f"image{suffix}", voxels)
    behind = np.full(4, np.nan, dtype if "f" in dtype else "<f4").tobytes()
    path.write_bytes(path.read_bytes() + (gzip.compress(behind) if suffix == ".nii.gz" else behind))
    np.testing.assert_array_equal(read_volume(path).voxels, voxels)


@pytest.mark.parametrize("dtype", FLOATS)
def test_nifti_2_is_looked_through_for_readers_that_know_it(tmp_path, dtype):
    """ITK 5 does not."""
    voxels = np.arange(60, dtype=dtype).reshape(3, 4, 5)
    kind = 60, {4: 16, 8: 64}[voxels.itemsize], 8 * voxels.itemsize
    assert voxels_are_finite(write_nifti(tmp_path / "image.nii", voxels, 540), *kind)
    voxels[2, 3, 4] = np.nan
    assert not voxels_are_finite(write_nifti(tmp_path / "image.nii", voxels, 540), *kind)


def test_a_nan_anywhere_in_a_large_nifti_is_found(tmp_path):
    """It is looked through in parts."""
    voxels = np.zeros((9, 256, 256), np.float32)
    voxels[0, 0, 0] = 1
    for place in (0, 1 << 18, voxels.size - 1):
        spoilt = voxels.copy()
        spoilt.reshape(-1)[place] = np.nan
        path = write_nifti(tmp_path / "image.nii", spoilt, offset=352)
        with pytest.raises(InputError, match="NaN or infinite"):
            read_volume(path)
    np.testing.assert_array_equal(read_volume(write_nifti(tmp_path / "image.nii", voxels, offset=352)).voxels, voxels)
