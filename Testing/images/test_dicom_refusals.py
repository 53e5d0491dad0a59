"""DICOM folders that are refused or doubted, in sentences without anything of the patient's."""

from pathlib import Path

import numpy as np
import pytest
from made_up.dicom import (
    CORONAL,
    ORIGIN,
    VOXELS,
    assert_anonymous,
    edit,
    refusal,
    without,
    write_series,
    write_slice,
)

from AttnSegLib.images.volume import read_volume


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
