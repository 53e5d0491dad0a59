"""NIfTI files: every type of voxel, and where a header places them, by the standard or with a notice."""

import gzip

import numpy as np
import pytest
from made_up.files import SFORM, nifti, some_voxels, write_nifti
from made_up.refusals import refusal

from AttnSegLib.images.volume import read_label_map, read_volume

FLOATS = ["<f4", ">f4", "<f8", ">f8"]
SCANNER, ALIGNED = 1, 2
AFFINE = np.vstack([np.reshape(SFORM, (3, 4)), [0, 0, 0, 1]])
MIRRORED = (-0.5, 0, 0, 40, 0, 1.5, 0, 0, 0, 0, 2, 40)


# voxels


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, suffix, dtype, value):
    voxels = some_voxels(dtype)
    voxels[4, 3, 2] = value
    message = refusal(write_nifti(tmp_path / f"image{suffix}", voxels))
    assert message == f"'image{suffix}' has NaN or infinite voxels; replace them before segmenting."


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", [*FLOATS, "u1", "i1", "<i2", ">i2", "<u2", "<i4", "<u4", "<i8", "<u8", ">i8"])
def test_voxels_of_all_types_and_both_versions_are_read(tmp_path, dtype, version):
    voxels = some_voxels(dtype)
    volume = read_volume(write_nifti(tmp_path / "image.nii.gz", voxels, version, scl_slope=np.nan))
    np.testing.assert_array_equal(volume.voxels, voxels.astype(voxels.dtype.newbyteorder("=")), strict=True)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_few_bytes_behind_the_voxels_are_told_and_a_slice_is_refused(tmp_path, suffix):
    """A length of the header that is wrong by one leaves a slice."""
    voxels = some_voxels()
    for many, behind in [(False, 8), (True, voxels[0].nbytes)]:
        path = tmp_path / f"image{suffix}"
        content = nifti(voxels) + b"\xff" * behind
        path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
        if many:
            assert "holds more voxels than its header says" in refusal(path)
        else:
            volume = read_volume(path)
            np.testing.assert_array_equal(volume.voxels, voxels)
            assert volume.notices == ("The 8 bytes behind the voxels were left out.",)


def test_several_packed_parts_and_zeros_behind_them_are_one_file(tmp_path):
    content = nifti(some_voxels())
    path = tmp_path / "image.nii.gz"
    path.write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]) + bytes(50_000))
    np.testing.assert_array_equal(read_volume(path).voxels, some_voxels())
    path.write_bytes(gzip.compress(content) + b"more")
    assert "do not match their checksum" in refusal(path)


@pytest.mark.parametrize("kind", [1, 1536])
def test_types_that_are_not_read_are_not_called_damaged(tmp_path, kind):
    message = refusal(write_nifti(tmp_path / "image.nii", some_voxels(), datatype=kind))
    assert "is not read; save it as float32" in message


@pytest.mark.parametrize(("kind", "values"), [(32, 2), (128, 3), (2304, 4)])
def test_complex_numbers_and_colours_are_refused(tmp_path, kind, values):
    assert f"{values} values per voxel" in refusal(write_nifti(tmp_path / "image.nii", some_voxels(), datatype=kind))


@pytest.mark.parametrize(
    "fields",
    [
        {"dim": (3, 3, 4, 0, 1, 1, 1, 1)},
        {"dim": (3, 3, -4, 5, 1, 1, 1, 1)},
        {"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)},
        {"dim": (9, 3, 4, 5, 1, 1, 1, 1)},
        {"datatype": 3},
        {"datatype": 64},
        {"magic": b"\0\0\0\0"},
        {"magic": b"ni1\0"},
        {"sizeof_hdr": 349},
    ],
)
def test_headers_that_do_not_fit_their_file_are_refused(tmp_path, fields):
    for suffix in (".nii", ".nii.gz"):
        assert "is damaged" in refusal(write_nifti(tmp_path / f"image{suffix}", some_voxels(), **fields))


@pytest.mark.parametrize("offset", [-1.0, 100.0, 352.5, 353.0, 1e30, np.inf, np.nan])
def test_an_offset_of_the_voxels_that_is_none_is_refused(tmp_path, offset):
    path = tmp_path / "image.nii"
    content = bytearray(nifti(some_voxels()))
    content[108:112] = np.float32(offset).tobytes()
    path.write_bytes(content)
    assert "is damaged" in refusal(path)


# scaling


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<i4", "<f4"])
def test_intensities_are_scaled(tmp_path, dtype):
    volume = read_volume(write_nifti(tmp_path / "image.nii", some_voxels(dtype), scl_slope=0.5, scl_inter=10.0))
    np.testing.assert_array_equal(volume.voxels, some_voxels("f8") * 0.5 + 10)
    assert volume.voxels.dtype == (np.float32 if dtype in ("u1", "<i2") else np.float64)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_is_none_scales_nothing(tmp_path, slope):
    """The standard: "if scl_slope is 0, the intercept is not used"."""
    volume = read_volume(write_nifti(tmp_path / "image.nii", some_voxels(), scl_slope=slope, scl_inter=7.0))
    np.testing.assert_array_equal(volume.voxels, some_voxels("i2"), strict=True)


def test_an_intercept_that_is_no_number_is_refused(tmp_path):
    path = write_nifti(tmp_path / "image.nii", some_voxels(), scl_slope=2.0, scl_inter=np.nan)
    assert "scales voxels by what is no number" in refusal(path)


def test_small_steps_on_a_large_intercept_stay_apart(tmp_path):
    volume = read_volume(write_nifti(tmp_path / "image.nii", some_voxels("u1"), scl_slope=1 / 64, scl_inter=1e9))
    np.testing.assert_array_equal(volume.voxels, some_voxels("f8") / 64 + 1e9)


# places


def test_without_qform_and_sform_axes_are_those_of_the_standard(tmp_path):
    """x = pixdim * i to the left, as Analyze had it; centred, as nibabel does."""
    path = write_nifti(tmp_path / "image.nii", some_voxels(), sform_code=0)
    volume = read_volume(path)
    expected = [[-0.5, 0, 0, 0.5], [0, 1.5, 0, -2.25], [0, 0, 2, -4], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected, atol=1e-12)
    assert len(volume.notices) == 1
    assert "neither qform nor sform" in volume.notices[0]
    labels = write_nifti(tmp_path / "labels.nii", some_voxels("u1"), srow=tuple(np.ravel(expected[:3])))
    by_itk = write_nifti(tmp_path / "by_itk.nii", some_voxels("u1"), srow=(-0.5, 0, 0, 0, 0, -1.5, 0, 0, 0, 0, 2, 0))
    for label_map in (path, labels, by_itk):
        np.testing.assert_array_equal(read_label_map(label_map, volume), some_voxels("u1"))


def test_a_qform_places_voxels(tmp_path):
    """A quarter turn about the third axis, which runs backwards."""
    half = np.sqrt(0.5)
    fields = {"qform_code": 1, "sform_code": 0, "quatern": (0.0, 0.0, half), "qoffset": (1.0, 2.0, 3.0)}
    volume = read_volume(
        write_nifti(tmp_path / "image.nii", some_voxels(), pixdim=(-1, 0.5, 1.5, 2, 0, 0, 0, 0), **fields)
    )
    expected = [[0, -1.5, 0, 1], [0.5, 0, 0, 2], [0, 0, -2, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.affine, expected, atol=1e-6)
    assert volume.notices == ()


@pytest.mark.parametrize(
    ("qform_code", "sform_code", "taken"),
    [
        (SCANNER, ALIGNED, "qform"),
        (ALIGNED, ALIGNED, "qform"),
        (ALIGNED, SCANNER, "sform"),
        (SCANNER, SCANNER, "sform"),
    ],
)
def test_two_places_give_one_notice_and_label_maps_on_either_fit(tmp_path, qform_code, sform_code, taken):
    """That of the scanner is taken, as by ITK, so that results lie on the scan in Slicer."""
    forms = {"qform_code": qform_code, "qoffset": SFORM[3::4], "sform_code": sform_code, "srow": MIRRORED}
    volume = read_volume(write_nifti(tmp_path / "image.nii", some_voxels(), **forms))
    other = np.vstack([np.reshape(MIRRORED, (3, 4)), [0, 0, 0, 1]])
    np.testing.assert_allclose(volume.affine, AFFINE if taken == "qform" else other, atol=1e-6)
    (notice,) = volume.notices
    assert f"the {taken} was taken" in notice
    assert "apart and mirrored" in notice
    for rows in (SFORM, MIRRORED):
        path = write_nifti(tmp_path / "labels.nii", some_voxels("u1"), srow=rows)
        np.testing.assert_array_equal(read_label_map(path, volume), some_voxels("u1"))


def test_a_qform_and_an_sform_that_agree_are_one_place(tmp_path):
    volume = read_volume(write_nifti(tmp_path / "image.nii", some_voxels(), qform_code=1, qoffset=(10.1, 20.0, 30.0)))
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ()


@pytest.mark.parametrize("pixdim", [(1, -0.5, -1.5, -2), (1, 0, 0, 0), (1, np.nan, 1.5, 2), (1, 0.5, np.inf, 2)])
@pytest.mark.parametrize("qform_code", [0, 1])
def test_spacing_that_is_none_gives_way_to_the_sform(tmp_path, pixdim, qform_code):
    path = write_nifti(tmp_path / "image.nii", some_voxels(), pixdim=(*pixdim, 0, 0, 0, 0), qform_code=qform_code)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ("The spacing in the header (pixdim) is not above 0; that of its sform was taken.",)
    path = write_nifti(path, some_voxels(), pixdim=(*pixdim, 0, 0, 0, 0), qform_code=qform_code, sform_code=0)
    assert "(pixdim) is not above 0; correct its header" in refusal(path)


@pytest.mark.parametrize("quatern", [(3.0, 0.0, 0.0), (np.nan, 0.0, 0.0)])
def test_a_qform_that_is_none_gives_way_to_the_sform(tmp_path, quatern):
    volume = read_volume(
        write_nifti(tmp_path / "image.nii", some_voxels(), quatern=quatern, qform_code=1, sform_code=2)
    )
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ("The qform in the header is not valid; its sform was taken.",)
    path = write_nifti(tmp_path / "image.nii", some_voxels(), quatern=quatern, qform_code=1, sform_code=0)
    assert "The qform of 'image.nii' is not valid" in refusal(path)


@pytest.mark.parametrize(("skew", "is_read"), [(0.0004, True), (0.0009, True), (0.0011, False)])
def test_a_shear_below_a_thousandth_is_read_as_it_is(tmp_path, skew, is_read):
    rows = (0.5, 0, 2 * skew, 10, *SFORM[4:])
    path = write_nifti(tmp_path / "image.nii", some_voxels(), srow=rows)
    if is_read:
        np.testing.assert_allclose(read_volume(path).affine[:3].ravel(), rows, rtol=1e-6)
    else:
        assert "sheared" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, 0.0])
def test_an_sform_that_is_nonsense_is_refused(tmp_path, value):
    path = write_nifti(tmp_path / "image.nii", some_voxels(), srow=(value, 0, 0, 10, *SFORM[4:]), qform_code=1)
    assert "sheared or not valid" in refusal(path)


@pytest.mark.parametrize(("units", "mm"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (10, 1)])
def test_lengths_are_read_in_their_unit(tmp_path, units, mm):
    for forms in ({"sform_code": 1}, {"sform_code": 0, "qform_code": 1, "qoffset": SFORM[3::4]}):
        volume = read_volume(write_nifti(tmp_path / "image.nii", some_voxels(), xyzt_units=units, **forms))
        np.testing.assert_allclose(volume.affine, np.diag([mm, mm, mm, 1]) @ AFFINE)
        assert volume.notices == ()


def test_a_unit_that_does_not_exist_is_taken_as_mm_and_told(tmp_path):
    volume = read_volume(write_nifti(tmp_path / "image.nii", some_voxels(), xyzt_units=5))
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ("The header gives lengths in a unit that does not exist; they were taken as mm.",)
