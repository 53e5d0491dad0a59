"""Reading a DICOM folder: what is read, and where its voxels lie in the patient."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from made_up.dicom import (
    AXIAL,
    CORONAL,
    OBLIQUE,
    ORIGIN,
    VOXELS,
    assert_anonymous,
    edit,
    pack,
    place_of,
    refusal,
    without,
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


# refusals


def test_a_folder_without_dicom_is_refused(a_folder):
    (a_folder / "notes.txt").write_text("hello")
    assert "The folder 'scans' holds no DICOM slices" in refusal(a_folder)


def test_the_working_folder_is_called_by_its_name(a_folder, monkeypatch):
    monkeypatch.chdir(a_folder)
    assert "The folder 'scans' holds" in refusal(".")


def test_a_forbidden_folder_is_refused(a_ct_folder, monkeypatch):
    def denied(_folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    assert "Permission denied" in refusal(a_ct_folder)


def test_a_single_slice_file_is_refused(the_third_slice):
    assert "give the folder" in refusal(the_third_slice)


@pytest.mark.parametrize(("number", "told"), [(3, "number 3"), (None, "without a number")])
def test_single_slices_are_refused(a_folder, number, told):
    write_slice(a_folder / "scout", VOXELS[0], SeriesNumber=number)
    (a_folder / "copy").write_bytes((a_folder / "scout").read_bytes())
    assert f"single slices only: {told} (1 slice); give" in refusal(a_folder)


def test_several_time_points_are_refused(a_ct_folder):
    write_series(a_ct_folder, prefix="x", plus=5)
    assert "at one position" in refusal(a_ct_folder)


def test_a_missing_slice_is_refused(a_ct_folder, the_third_slice):
    the_third_slice.unlink()
    message = refusal(a_ct_folder)
    assert "between slices 2 and 3 of 4" in message
    assert "4.00 mm where 2.00 mm" in message


def test_a_missing_slice_of_four_is_refused(a_folder):
    write_series(a_folder, [0, 4, 6])
    assert "between slices 1 and 2 of 3" in refusal(a_folder)


def test_small_jitter_is_told(a_folder, capfd):
    write_series(a_folder, [0, 2.06, 4, 6, 8])
    volume = read_volume(a_folder)
    assert volume.spacing == pytest.approx((0.75, 1.5, 2.0))
    assert volume.notices == ("Slice distances vary by up to 3.0 %; each is taken as 2.000 mm.",)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "distances",
    [[0, 2.2, 4, 6, 8], [0, 2.2, 4], np.cumsum([2] * 12 + [2.08] * 12)],
    ids=["inside", "three", "drift"],
)
def test_uneven_slices_are_refused(a_folder, distances):
    for k, distance in enumerate(distances):
        write_slice(a_folder / f"{k}", VOXELS[k % 5], distance)
    assert "unevenly spaced" in refusal(a_folder)


def test_a_tilted_gantry_is_refused(a_folder):
    for k in range(5):
        place = [-11.5, 22.25 + 0.5 * k, 2 * k]
        write_slice(a_folder / f"{k}", VOXELS[k], ImagePositionPatient=place)
    assert "tilted gantry" in refusal(a_folder)


def test_slices_of_different_sizes_are_refused(a_folder):
    for k in range(6):
        write_slice(a_folder / f"{k}", VOXELS[0, : 3 + k % 2], 2 * k)
    assert "differ in size or pixel spacing" in refusal(a_folder)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"distance": 90}, "82.00 mm from the nearest; they are 2.00 mm apart"),
        ({"distance": -40}, "40.00 mm from the nearest"),
        ({"distance": 5.1}, "0.90 mm from the nearest"),
        ({"distance": 8.5}, "0.50 mm from the nearest"),
        ({"distance": 10, "PixelSpacing": [1.5, 1]}, "another size or pixel spacing"),
        ({"distance": 4, "ImageOrientationPatient": list(CORONAL)}, "turned in another direction"),
        ({"ImagePositionPatient": [0, 22.25, 43]}, "shifted sideways"),
    ],
    ids=["above", "below", "between", "end", "pixels", "turned", "shifted"],
)
def test_a_slice_that_does_not_fit_is_named(a_ct_folder, odd, why):
    write_slice(a_ct_folder / "SCOUT", VOXELS[0], **odd)
    message = refusal(a_ct_folder)
    assert "'SCOUT' does not fit the other 5 slices" in message
    assert why in message


def test_a_slice_that_is_turned_is_named_rather_than_missed(a_ct_folder, the_third_slice):
    edit(the_third_slice, ImageOrientationPatient=list(CORONAL))
    assert f"'{the_third_slice.name}' does not fit the other 4 slices" in refusal(a_ct_folder)


def test_a_slice_at_the_place_of_another_is_named(a_ct_folder, the_third_slice):
    write_slice(a_ct_folder / "SCOUT", VOXELS[0], 4)
    assert f"'{the_third_slice.name}' and 'SCOUT' lie at one position and differ" in refusal(a_ct_folder)


def test_a_slight_shift_is_told(a_folder):
    for k in range(5):
        write_slice(a_folder / f"{k}", VOXELS[k], ImagePositionPatient=[-11.5 + 0.1 * k, 22.25, 2 * k])
    told = "The slices are shifted sideways by up to 0.40 mm; they are taken as exactly in line."
    assert read_volume(a_folder).notices == (told,)


def test_a_constant_series_is_refused(a_folder):
    for k in range(3):
        write_slice(a_folder / f"{k}", np.full((4, 3), 9), 2 * k)
    assert "constant" in refusal(a_folder)


def test_notices_are_anonymous(a_ct_folder, the_third_slice):
    shifted = [*ORIGIN[:2].tolist(), ORIGIN[2] + 4.04]
    edit(the_third_slice, ImagePositionPatient=shifted, PhotometricInterpretation="MONOCHROME1")
    (a_ct_folder / "copy").write_bytes(the_third_slice.read_bytes())
    write_slice(a_ct_folder / "scout", VOXELS[0], SeriesInstanceUID="1.2.3.2", SeriesNumber=1)
    write_slice(a_ct_folder / "report", VOXELS[0], SeriesInstanceUID="1.2.3.2", SeriesNumber=1)
    without(a_ct_folder / "report", "PixelSpacing")
    notices = read_volume(a_ct_folder).notices
    assert len(notices) == 5
    assert_anonymous(" ".join(notices))
