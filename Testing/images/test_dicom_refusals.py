"""DICOM folders that are refused or doubted, in sentences without anything of the patient's."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    JPEG2000Lossless,
)
from test_dicom import ORIGIN, VOXELS, assert_anonymous, edit, pack, refusal, without, write_series, write_slice
from test_dicom import a_ct_folder as a_ct_folder
from test_dicom import a_folder as a_folder
from test_dicom import the_third_slice as the_third_slice

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
    write_series(a_ct_folder, prefix="x")
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
    [[0, 2.2, 4, 6, 8], [0, 2, 4, 6, 8.5], [0, 2, 4, 6, 7], np.cumsum([2] * 12 + [2.08] * 12)],
    ids=["inside", "long end", "short end", "drift"],
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


def test_slices_of_different_sizes_are_refused(a_ct_folder, the_third_slice):
    write_slice(the_third_slice, VOXELS[2, :3], 4)
    assert "differ in size or pixel spacing" in refusal(a_ct_folder)


def test_slices_of_different_pixel_spacings_are_refused(a_ct_folder, the_third_slice):
    edit(the_third_slice, PixelSpacing=[1.5, 1])
    assert "differ in size or pixel spacing" in refusal(a_ct_folder)


def test_slices_that_cannot_be_decoded_are_refused(a_ct_folder, the_third_slice):
    pack(the_third_slice, JPEG2000Lossless)
    assert "can't be decoded" in refusal(a_ct_folder)


def test_a_constant_series_is_refused(a_folder):
    for k in range(3):
        write_slice(a_folder / f"{k}", np.full((4, 3), 9), 2 * k)
    assert "constant" in refusal(a_folder)


def test_notices_are_anonymous(a_ct_folder, the_third_slice):
    edit(the_third_slice, ImagePositionPatient=[*ORIGIN[:2].tolist(), ORIGIN[2] + 4.04])
    (a_ct_folder / "copy").write_bytes(the_third_slice.read_bytes())
    write_slice(a_ct_folder / "scout", VOXELS[0], SeriesInstanceUID="1.2.3.2", SeriesNumber=1)
    write_slice(a_ct_folder / "report", VOXELS[0], SeriesInstanceUID="1.2.3.2", SeriesNumber=1)
    without(a_ct_folder / "report", "PixelSpacing")
    notices = read_volume(a_ct_folder).notices
    assert len(notices) == 4
    assert_anonymous(" ".join(notices))
