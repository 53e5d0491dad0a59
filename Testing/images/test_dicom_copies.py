"""DICOM folders in which identifiers lie: copies, volumes that share them, slices with one each."""

import numpy as np
import pytest
from made_up.dicom import CORONAL, VOXELS, edit, refusal, write_series, write_slice
from pydicom.uid import generate_uid

from AttnSegLib.images.volume import read_volume

ONE_INSTANCE = {"SOPInstanceUID": "1.2.3.4"}


def per_slice(folder, distances=(0, 2, 4, 6, 8), **tags):
    for k, distance in enumerate(distances):
        identity = {"SeriesInstanceUID": f"1.2.392.{k}", "SeriesNumber": 10000}
        write_slice(folder / f"{k}", VOXELS[k], distance, **identity | tags)


def test_a_copy_of_a_slice_is_left_out(a_ct_folder, the_third_slice):
    (a_ct_folder / "copy").write_bytes(the_third_slice.read_bytes())
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("1 file(s) that repeat a slice were left out.",)


def test_slices_with_one_instance_uid_are_no_copies(a_folder):
    write_series(a_folder, **ONE_INSTANCE)
    volume = read_volume(a_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ()


@pytest.mark.parametrize("series", [{}, {"SeriesInstanceUID": "1.2.3.9"}], ids=["instances", "and series"])
def test_a_series_that_was_sent_twice_is_read_once(a_ct_folder, series):
    write_series(a_ct_folder, prefix="x", **series)
    volume = read_volume(a_ct_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == ("5 file(s) that repeat a slice were left out.",)


def test_a_copy_may_be_packed_or_scaled_otherwise(a_ct_folder):
    write_slice(a_ct_folder / "copy", VOXELS[2] - 7, 4, RescaleSlope=1, RescaleIntercept=7)
    np.testing.assert_array_equal(read_volume(a_ct_folder).voxels, VOXELS)


def test_series_that_share_an_instance_uid_are_told_apart(a_folder):
    write_series(a_folder, **ONE_INSTANCE)
    write_series(a_folder, prefix="x", plus=5, SeriesInstanceUID="1.2.3.2", SeriesNumber=4, **ONE_INSTANCE)
    assert "mixes 2 series: number 3 (5 slices), number 4 (5 slices); choose" in refusal(a_folder)
    np.testing.assert_array_equal(read_volume(a_folder, series="4").voxels, VOXELS + 5)


@pytest.mark.parametrize(
    ("tag", "values", "told"),
    [
        ("EchoTime", (2.3, 4.6), "echo time"),
        ("TemporalPositionIdentifier", (1, 2), "time point"),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]), "kind"),
        ("AcquisitionNumber", (1, 2), "acquisition"),
    ],
)
@pytest.mark.parametrize("identifiers", [ONE_INSTANCE, {}], ids=["one instance", "instances"])
def test_volumes_of_one_series_are_told_apart(a_folder, tag, values, told, identifiers):
    """Their outermost slices are equal, as black ones are: still no copies."""
    for n, value in enumerate(values):
        for k in range(5):
            tags = {tag: value, "Modality": "MR", **identifiers}
            write_slice(a_folder / f"{n}{k}", VOXELS[k] + 5 * n * (0 < k < 4), 2 * k, **tags)
    message = refusal(a_folder)
    assert f"number 3.1 (5 slices, {told} " in message
    np.testing.assert_array_equal(read_volume(a_folder, series="3.1").voxels, VOXELS)
    expected = VOXELS.copy()
    expected[1:4] += 5
    np.testing.assert_array_equal(read_volume(a_folder, series="3.2").voxels, expected)


def test_volumes_that_nothing_tells_apart_are_refused(a_folder):
    for n in range(2):
        for k in range(5):
            write_slice(a_folder / f"{n}{k}", VOXELS[k] + 5 * n * (0 < k < 4), 2 * k, **ONE_INSTANCE)
    assert "at one position" in refusal(a_folder)


def test_a_volume_with_a_slice_too_few_is_not_told_apart(a_folder):
    for n in range(2):
        for k in range(5 - n):
            write_slice(a_folder / f"{n}{k}", VOXELS[k] + 5 * n, 2 * k, EchoTime=n + 1)
    assert "at one position" in refusal(a_folder)


def test_slices_with_a_series_uid_each_are_one_series(a_folder):
    per_slice(a_folder)
    volume = read_volume(a_folder)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.notices == (
        "Each slice has a series identifier of its own; the 5 slices with number 10000 were taken as one series.",
    )
    np.testing.assert_array_equal(read_volume(a_folder, series="10000").voxels, VOXELS)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "2").unlink(), "A slice is missing: between slices 2 and 3 of 4"),
        (lambda folder: edit(folder / "4", ImageOrientationPatient=list(CORONAL)), "'4' does not fit the other 4"),
        (lambda folder: edit(folder / "4", PixelData=bytes(6)), "In '4', there are fewer pixels"),
        (lambda folder: [edit(p, FrameOfReferenceUID=generate_uid()) for p in folder.iterdir()], "single slices only"),
        (lambda folder: [edit(folder / f"{k}", SeriesNumber=k) for k in range(5)], "single slices only"),
    ],
    ids=["missing", "turned", "cut short", "other spaces", "other numbers"],
)
def test_slices_with_a_series_uid_each_have_to_line_up(a_folder, spoil, told):
    per_slice(a_folder)
    spoil(a_folder)
    assert told in refusal(a_folder)
