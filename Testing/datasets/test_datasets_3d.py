"""The readers of 3D data sets, each on a miniature of the real layout with one marked voxel whose place is known."""

import numpy as np
import pytest
from made_up.scans import (
    AFFINE,
    DOWNWARDS,
    KITS_AFFINE,
    SHAPE,
    SHUFFLED,
    UPWARDS,
    check_mark,
    cut_short,
    grey_mask,
    image_voxels,
    only_case,
    refusal,
    write_dicom,
    write_nifti,
)
from pydicom import dcmread

from AttnSegLib.images.volume import read_volume
from training import datasets

NAMES = ["chaos_ct", "chaos_mr", "kits19", "lits", "nih_pancreas"]


@pytest.mark.parametrize("name", NAMES)
def test_every_reader_says_where_its_data_come_from(name):
    reader = datasets.reader(name)
    assert reader.SOURCE.endswith(".")
    assert "https://" in reader.SOURCE
    assert sorted(reader.LABELS) == list(range(1, len(reader.LABELS) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_root_is_refused(name, tmp_path):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.nii").touch()
    assert "No cases in" in refusal(name, tmp_path)
    assert "There is no folder" in refusal(name, tmp_path / "nowhere")


# LiTS

MARKED_3D = (1, 2, 0)


def labels_3d(label=2):
    return grey_mask(label, MARKED_3D)


def write_lits(folder, number, suffix=".nii", label=2, affine=AFFINE):
    write_nifti(folder / f"volume-{number}{suffix}", image_voxels(MARKED_3D))
    write_nifti(folder / f"segmentation-{number}{suffix}", labels_3d(label), affine)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("label", [1, 2])
def test_lits_labels_lie_on_their_volume(tmp_path, suffix, label):
    write_lits(tmp_path, 7, suffix, label)
    case = only_case("lits", tmp_path)
    assert (case.id, case.patient) == ("lits_7", "lits_7")
    labelled = case.read()
    check_mark(labelled, MARKED_3D, label)
    np.testing.assert_allclose(labelled.volume.affine, AFFINE, atol=1e-6)


def test_lits_is_found_in_subfolders(tmp_path):
    write_lits(tmp_path / "Training Batch 2", 28)
    write_lits(tmp_path / "Training Batch 1", 3)
    write_nifti(tmp_path / "Test Data" / "test-volume-0.nii", image_voxels(MARKED_3D))
    (tmp_path / "Training Batch 1" / "._volume-3.nii").touch()
    found = datasets.cases_of("lits", tmp_path)
    assert [case.patient for case in found] == ["lits_3", "lits_28"]
    for case in found:
        check_mark(case.read(), MARKED_3D, 2)


@pytest.mark.parametrize("kind", ["volume", "segmentation"])
def test_lits_half_a_pair_is_refused(tmp_path, kind):
    write_lits(tmp_path, 0)
    write_lits(tmp_path, 1)
    (tmp_path / f"{kind}-1.nii").unlink()
    assert f"There is no {kind}-1.nii" in refusal("lits", tmp_path)


def test_lits_a_number_that_comes_twice_is_refused(tmp_path):
    write_lits(tmp_path / "a", 0)
    write_lits(tmp_path / "b", 0)
    assert "have one number" in refusal("lits", tmp_path)


def test_lits_an_unknown_value_is_refused(tmp_path):
    write_lits(tmp_path, 0, label=3)
    message = refusal("lits", tmp_path)
    assert "segmentation-0.nii" in message
    assert "value 3" in message


def test_lits_a_segmentation_whose_axes_point_elsewhere_is_refused(tmp_path):
    write_lits(tmp_path, 0, affine=AFFINE * [1, -1, 1, 1])
    assert "not on the grid" in refusal("lits", tmp_path)


@pytest.mark.parametrize("name", ["volume-0.nii.gz", "segmentation-0.nii.gz"])
def test_lits_a_truncated_file_is_refused(tmp_path, name):
    write_lits(tmp_path, 0, ".nii.gz")
    cut_short(tmp_path / name)
    assert f"'{name}' is damaged, truncated" in refusal("lits", tmp_path)


# KiTS19


def write_kits(folder, number, label=2, affine=KITS_AFFINE):
    write_nifti(folder / f"case_{number:05}" / "imaging.nii.gz", image_voxels(MARKED_3D), KITS_AFFINE)
    write_nifti(folder / f"case_{number:05}" / "segmentation.nii.gz", labels_3d(label), affine)


@pytest.mark.parametrize("label", [1, 2])
def test_kits_labels_lie_on_their_volume(tmp_path, label):
    write_kits(tmp_path / "data", 42, label)
    (tmp_path / "data" / "kits.json").touch()
    for root in (tmp_path, tmp_path / "data"):
        case = only_case("kits19", root)
        assert (case.id, case.patient) == ("case_00042", "case_00042")
        labelled = case.read()
        check_mark(labelled, MARKED_3D, label)
        np.testing.assert_allclose(labelled.volume.affine, KITS_AFFINE, atol=1e-6)  # slices count along the first axis
        assert labelled.volume.spacing == pytest.approx((3, 0.8, 0.8))


def test_kits_cases_of_the_test_set_have_no_segmentation(tmp_path):
    for number in (209, 210, 299):
        write_kits(tmp_path, number)
    (tmp_path / "case_00210" / "segmentation.nii.gz").unlink()
    assert [case.patient for case in datasets.cases_of("kits19", tmp_path)] == ["case_00209", "case_00299"]


@pytest.mark.parametrize("name", ["imaging.nii.gz", "segmentation.nii.gz"])
def test_kits_a_case_of_the_training_set_lacks_nothing(tmp_path, name):
    write_kits(tmp_path, 209)
    (tmp_path / "case_00209" / name).unlink()
    message = refusal("kits19", tmp_path)
    assert "case_00209" in message
    assert name in message


def test_kits_an_unknown_value_is_refused(tmp_path):
    write_kits(tmp_path, 0, label=3)
    assert "value 3" in refusal("kits19", tmp_path)


def test_kits_another_grid_is_refused(tmp_path):
    write_kits(tmp_path, 0, affine=AFFINE)
    assert "not on the grid" in refusal("kits19", tmp_path)


def test_kits_a_truncated_file_is_refused(tmp_path):
    write_kits(tmp_path, 0)
    cut_short(tmp_path / "case_00000" / "imaging.nii.gz")
    assert "'imaging.nii.gz' is damaged, truncated" in refusal("kits19", tmp_path)


# NIH Pancreas-CT


def write_pancreas(root, number=1, places=UPWARDS, label=1, shape=SHAPE):
    """places[n]: place from below of the slice with InstanceNumber n + 1, to which slice n of the label belongs."""
    folder = root / "Pancreas-CT" / f"PANCREAS_{number:04}" / "11-24-2015-Pancreas-18957" / "Pancreas-99667"
    voxels = image_voxels(MARKED_3D)
    for n, k in enumerate(places):
        name = f"1-{n * 3 % 5:03}.dcm"  # names that say nothing
        write_dicom(folder / name, voxels[k], k, Modality="CT", InstanceNumber=n + 1)
    labels = np.zeros(shape, np.uint8)
    labels[tuple(np.minimum(MARKED_3D, np.array(shape) - 1))] = label
    labels = labels[list(places)] if shape == SHAPE else labels
    # a header that has nothing to do with the DICOM grid
    write_nifti(root / "TCIA_pancreas_labels-02-05-2017" / f"label{number:04}.nii.gz", labels, np.diag([-1, 1, 1, 1]))


@pytest.mark.parametrize("places", [UPWARDS, DOWNWARDS, SHUFFLED])
def test_pancreas_labels_match_by_row_column_and_instance_number(tmp_path, places):
    write_pancreas(tmp_path, 1, places)
    case = only_case("nih_pancreas", tmp_path)
    assert (case.id, case.patient) == ("PANCREAS_0001", "PANCREAS_0001")
    labelled = case.read()
    check_mark(labelled, MARKED_3D)
    np.testing.assert_allclose(labelled.volume.affine, AFFINE)


def test_pancreas_the_label_files_rows_are_those_of_the_dicom_pixels(tmp_path):
    write_pancreas(tmp_path)
    stored = read_volume(tmp_path / "TCIA_pancreas_labels-02-05-2017" / "label0001.nii.gz").voxels
    assert np.argwhere(stored).tolist() == [list(MARKED_3D)]
    np.testing.assert_array_equal(only_case("nih_pancreas", tmp_path).read().label_map, stored)


def test_pancreas_a_label_without_images_is_no_case(tmp_path):
    for number in (82, 2):
        write_pancreas(tmp_path, number)
    write_nifti(tmp_path / "TCIA_pancreas_labels-02-05-2017" / "label0025.nii.gz", labels_3d(1))
    assert [case.patient for case in datasets.cases_of("nih_pancreas", tmp_path)] == ["PANCREAS_0002", "PANCREAS_0082"]


def test_pancreas_a_patient_without_a_label_is_refused(tmp_path):
    write_pancreas(tmp_path)
    write_pancreas(tmp_path, 2)
    (tmp_path / "TCIA_pancreas_labels-02-05-2017" / "label0002.nii.gz").unlink()
    assert "no file label0002.nii.gz" in refusal("nih_pancreas", tmp_path)


@pytest.mark.parametrize("shape", [(4, 4, 3), (5, 3, 4)])
def test_pancreas_a_label_of_another_shape_is_refused(tmp_path, shape):
    write_pancreas(tmp_path, shape=shape)
    message = refusal("nih_pancreas", tmp_path)
    assert str(shape) in message
    assert str(SHAPE) in message


def test_pancreas_an_unknown_value_is_refused(tmp_path):
    write_pancreas(tmp_path, label=2)
    assert "value 2," in refusal("nih_pancreas", tmp_path)


def test_pancreas_a_truncated_label_is_refused(tmp_path):
    write_pancreas(tmp_path)
    cut_short(tmp_path / "TCIA_pancreas_labels-02-05-2017" / "label0001.nii.gz")
    assert "'label0001.nii.gz' is damaged, truncated" in refusal("nih_pancreas", tmp_path)


def test_pancreas_slices_without_an_order_are_refused(tmp_path):
    write_pancreas(tmp_path)
    path = next(tmp_path.rglob("1-002.dcm"))
    file = dcmread(path)
    file.InstanceNumber = 1
    file.save_as(path)
    assert "4 slices with a number of their own" in refusal("nih_pancreas", tmp_path)
    del file.InstanceNumber
    file.save_as(path)
    message = refusal("nih_pancreas", tmp_path)
    assert "1-002.dcm" in message
    assert "InstanceNumber" in message


def test_pancreas_a_second_series_is_refused(tmp_path):
    write_pancreas(tmp_path)
    series = next(tmp_path.rglob("Pancreas-99667"))
    write_dicom(series.with_name("Other") / "1-001.dcm", np.zeros((4, 3), np.int16), 0, Modality="CT")
    assert "2 series" in refusal("nih_pancreas", tmp_path)
