import struct
from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, from_image, read_label_map, read_volume, to_image

SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"]
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
LPS_TO_RAS = np.array([-1, -1, 1])


def write(path, voxels, affine=None, compressed=False):
    sitk.WriteImage(to_image(voxels, np.eye(4) if affine is None else affine), str(path), compressed)
    return path


def patched(path, *fields):
    """NIfTI file with header fields (offset, format, values...) overwritten."""
    content = bytearray(path.read_bytes())
    for offset, form, *values in fields:
        struct.pack_into("<" + form, content, offset, *values)
    path.write_bytes(content)
    return path


# NIfTI header fields as arguments of `patched`
def forms(qform_code, sform_code):
    return 252, "2h", qform_code, sform_code


@pytest.fixture
def a_nifti(tmp_path, a_volume):
    return write(tmp_path / "image.nii", a_volume.voxels, a_volume.affine)


# grids


@st.composite
def directions(draw):
    """Rotations about any axis, times flips and permutations of the axes."""
    part = st.floats(-1, 1, width=32)
    quaternion = draw(st.tuples(part, part, part, part).filter(lambda q: np.linalg.norm(q) > 0.1))
    w, x, y, z = np.array(quaternion) / np.linalg.norm(quaternion)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    flips = draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    return rotation[:, draw(st.permutations(range(3)))] * flips


@st.composite
def images(draw):
    """SimpleITK images on random grids, built without the code under test."""
    shape = draw(st.tuples(*[st.integers(2, 5)] * 3))
    voxels = np.arange(np.prod(shape)).reshape(shape).astype(draw(st.sampled_from(DTYPES)))
    image = sitk.GetImageFromArray(voxels)
    image.SetDirection(draw(directions()).ravel())
    image.SetSpacing(draw(st.tuples(*[st.floats(0.1, 10)] * 3)))
    image.SetOrigin(draw(st.tuples(*[st.floats(-500, 500)] * 3)))
    return image


def assert_same_places(volume, image, atol):
    for index in product(*[(0, n - 1) for n in image.GetSize()]):
        expected = image.TransformIndexToPhysicalPoint(index) * LPS_TO_RAS
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], expected, rtol=0, atol=atol)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(image=images())
def test_any_grid_is_read_as_written(tmp_path_factory, suffix, image):
    path = tmp_path_factory.mktemp("grid") / f"image{suffix}"
    sitk.WriteImage(image, str(path))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(image), strict=True)
    assert_same_places(volume, image, atol=3e-4 if "nii" in suffix else 1e-9)
    assert volume.affine.dtype == np.float64
    assert (volume.modality, volume.notices) == (None, ())


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(image=images())
def test_image_and_volume_turn_into_each_other(image):
    volume = from_image(image)
    assert_same_places(volume, image, atol=1e-9)
    again = from_image(to_image(volume.voxels, volume.affine))
    np.testing.assert_allclose(again.affine, volume.affine, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(again.voxels, volume.voxels, strict=True)


def test_nrrd_in_ras_keeps_its_places(tmp_path):
    path = tmp_path / "image.nrrd"
    header = (
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 3\nspace: right-anterior-superior\n"
        "space directions: (0,3,0) (2,0,0) (0,0,-4)\nspace origin: (5,6,7)\nencoding: raw\n\n"
    )
    path.write_bytes(header.encode() + bytes(range(12)))
    volume = read_volume(path)
    np.testing.assert_allclose(volume.affine, [[0, 2, 0, 5], [3, 0, 0, 6], [0, 0, -4, 7], [0, 0, 0, 1]], atol=1e-12)
    np.testing.assert_array_equal(volume.voxels.ravel(), range(12))


def test_spacing_and_voxel_volume(a_volume):
    assert a_volume.spacing == pytest.approx((0.5, 1.5, 2.0))
    assert a_volume.voxel_volume == pytest.approx(0.0015)


def test_nifti_without_qform_and_sform_is_read(a_nifti):
    volume = read_volume(patched(a_nifti, forms(0, 0)))
    np.testing.assert_array_equal(volume.voxels.ravel(), range(60))
    assert volume.spacing == pytest.approx((0.5, 1.5, 2.0))


def test_nifti_intensities_are_scaled(a_nifti):
    volume = read_volume(patched(a_nifti, (112, "2f", 0.5, 10)))
    np.testing.assert_array_equal(volume.voxels.ravel(), np.arange(60) * 0.5 + 10)


def test_unpacked_nifti_named_gz_is_read(a_nifti):
    assert read_volume(a_nifti.rename(a_nifti.with_suffix(".nii.gz"))).voxels.shape == (5, 4, 3)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_a_single_frame_is_a_volume(tmp_path, suffix, a_volume):
    path = tmp_path / f"image{suffix}"
    sitk.WriteImage(sitk.JoinSeries([to_image(a_volume.voxels, a_volume.affine)]), str(path))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.voxels, a_volume.voxels, strict=True)
    np.testing.assert_allclose(volume.affine, a_volume.affine, atol=1e-5)


# label maps


def labels(value=2, dtype=np.uint8):
    """(5, 4, 3), one voxel labelled."""
    array = np.zeros((5, 4, 3), dtype)
    array[1, 2, 0] = value
    return array


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_a_label_map_on_the_grid_is_read(tmp_path, a_volume, dtype):
    path = write(tmp_path / "labels.nii.gz", labels(dtype=dtype), a_volume.affine)
    np.testing.assert_array_equal(read_label_map(path, a_volume), labels(), strict=True)


@pytest.mark.parametrize("value", [-1, 0.5, 256, np.nan])
def test_values_that_are_no_labels_are_refused(tmp_path, a_volume, value):
    path = write(tmp_path / "labels.nrrd", labels(value, np.float32), a_volume.affine)
    with pytest.raises(InputError, match="whole numbers from 0 to 255"):
        read_label_map(path, a_volume)


def test_a_label_map_on_another_grid_is_refused(tmp_path, a_volume):
    shifted = a_volume.affine.copy()
    shifted[0, 3] += 0.1
    moved = write(tmp_path / "moved.nrrd", labels(), shifted)
    cropped = write(tmp_path / "cropped.nrrd", labels()[:4], a_volume.affine)
    for path in (moved, cropped):
        with pytest.raises(InputError, match="not on the grid"):
            read_label_map(path, a_volume)


def test_a_missing_label_map_is_refused(tmp_path, a_volume):
    with pytest.raises(InputError, match="No such file"):
        read_label_map(tmp_path / "nothing.nii.gz", a_volume)


def test_an_empty_label_map_is_read(tmp_path):
    volume = Volume(np.arange(60).reshape(5, 4, 3), np.eye(4))
    path = write(tmp_path / "labels.nrrd", labels(0))
    assert not read_label_map(path, volume).any()
