"""Reading a DICOM folder: what is read, and where its voxels lie in the patient."""

from itertools import product

import numpy as np
import pytest
from made_up.dicom import (
    AXIAL,
    CORONAL,
    OBLIQUE,
    VOXELS,
    pack,
    place_of,
    refusal,
    write_series,
    write_slice,
)
from pydicom import dcmread

from AttnSegLib.images.volume import read_volume

# what is read


def test_slices_are_sorted_by_position(a_ct_folder):
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.spacing == pytest.approx((0.75, 1.5, 2.0))  # not 3.2, the SliceThickness
    assert volume.modality == "CT"
    assert volume.notices == ()


@pytest.mark.parametrize("step", [2, -2], ids=["upwards", "downwards"])
@pytest.mark.parametrize("orientation", [AXIAL, (0, 1, 0, 0, 0, -1), OBLIQUE], ids=["axial", "sagittal", "oblique"])
def test_every_voxel_lies_where_the_tags_say(a_folder, orientation, step):
    write_series(a_folder, step * np.arange(5), Modality="MR", ImageOrientationPatient=list(orientation))
    volume = read_volume(a_folder)
    assert volume.modality == "MR"
    rows, columns = np.array(orientation[:3]), np.array(orientation[3:])
    for path in a_folder.iterdir():
        file = dcmread(path)
        pixels = file.pixel_array
        k = int(np.flatnonzero((volume.voxels == pixels).all(axis=(1, 2)))[0])
        for j, i in product(range(4), range(3)):
            lps = place_of(path) + i * 0.75 * rows + j * 1.5 * columns
            np.testing.assert_allclose(volume.affine @ [i, j, k, 1], [*lps * [-1, -1, 1], 1], atol=1e-7)


def test_a_rounded_orientation_gives_right_angles(a_folder):
    write_series(a_folder, ImageOrientationPatient=[0.87, 0.5, 0, -0.49, 0.87, 0.01])
    volume = read_volume(a_folder)
    axes = volume.affine[:3, :3] / volume.spacing
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert volume.spacing[:2] == pytest.approx((0.75, 1.5), rel=1e-12)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_intensities_are_rescaled(a_folder, modality):
    write_series(a_folder, Modality=modality, RescaleSlope=2, RescaleIntercept=-1024)
    np.testing.assert_array_equal(read_volume(a_folder).voxels, 2 * VOXELS - 1024.0)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("slopes", [(1, 0.5, 2, 0.25, 1), (0.5, 1.5, 2.5, 3.5, 4.5)], ids=["mixed types", "fractions"])
def test_each_slice_has_its_own_slope(a_folder, modality, slopes):
    for k, slope in enumerate(slopes):
        scaling = {"RescaleSlope": slope, "RescaleIntercept": 10 * k}
        write_slice(a_folder / f"{k}", VOXELS[k], 2 * k, Modality=modality, **scaling)
    expected = VOXELS * np.reshape(slopes, (5, 1, 1)) + 10 * np.reshape(range(5), (5, 1, 1))
    np.testing.assert_array_equal(read_volume(a_folder).voxels, expected)


def test_packed_slices_are_read(a_folder):
    voxels = np.arange(2 * 16 * 17).reshape(2, 16, 17)
    for k in range(2):
        write_slice(a_folder / f"{k}", voxels[k], 2 * k)
        pack(a_folder / f"{k}")
    np.testing.assert_array_equal(read_volume(a_folder).voxels, voxels)


# what else lies in the folder


def test_other_files_and_folders_are_ignored(a_ct_folder):
    (a_ct_folder / "notes.txt").write_text("hello")
    (a_ct_folder / "empty").touch()
    (a_ct_folder / "noise").write_bytes(np.random.default_rng(0).bytes(3000))
    (a_ct_folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (a_ct_folder / "folder").mkdir()
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ()


def test_localizers_are_left_out(a_ct_folder):
    write_slice(a_ct_folder / "scout", VOXELS[0], SeriesInstanceUID="1.2.3.2", SeriesNumber=1)
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    write_slice(a_ct_folder / "turned", VOXELS[0], ImageOrientationPatient=list(CORONAL), ImageType=kind)
    write_slice(a_ct_folder / "parallel", VOXELS[0], 100, ImageType=kind)
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("3 single slice(s) beside the series (localizers) were left out.",)


# several series


@pytest.fixture
def two_series(a_ct_folder):
    """Number 3 of five slices and number 4, of which slice k has all voxels k."""
    for k in range(3):
        pixels = np.full((4, 3), k)
        write_slice(a_ct_folder / f"x{k}", pixels, 5 * k, SeriesInstanceUID="1.2.3.2", SeriesNumber=4)
    return a_ct_folder


def test_two_series_are_refused(two_series):
    message = refusal(two_series)
    assert "number 3 (5 slices), number 4 (3 slices)" in message
    assert "--series" in message


def test_a_series_is_chosen_by_its_number(two_series):
    np.testing.assert_array_equal(read_volume(two_series, series="3").voxels, VOXELS)
    chosen = read_volume(two_series, series="4")
    np.testing.assert_array_equal(chosen.voxels[:, 0, 0], range(3))
    assert chosen.spacing == pytest.approx((0.75, 1.5, 5.0))
    assert chosen.notices == ()


def test_an_unknown_series_number_is_refused(two_series):
    assert "no series with number 7; choose one of: number 3 (5 slices)" in refusal(two_series, series="7")


def test_series_of_one_number_are_told_apart(a_ct_folder):
    write_series(a_ct_folder, prefix="x", plus=5, SeriesInstanceUID="1.2.3.2")
    for series in (None, "3"):
        message = refusal(a_ct_folder, series=series)
        assert "mixes 2 volumes of one series number: number 3.1 (5 slices), number 3.2 (5 slices); choose" in message
    np.testing.assert_array_equal(read_volume(a_ct_folder, series="3.1").voxels, VOXELS)
    np.testing.assert_array_equal(read_volume(a_ct_folder, series="3.2").voxels, VOXELS + 5)


def test_a_long_list_of_series_is_cut(a_folder):
    for number in range(40):
        tags = {"SeriesInstanceUID": f"1.2.4.{number}", "SeriesNumber": 100 + number}
        write_slice(a_folder / f"{number}", VOXELS[0], **tags)
    assert "number 107 (1 slice), and 32 more; give" in refusal(a_folder)
