"""The readers of CHAOS, on miniatures of the real layout with one marked voxel whose place is known."""

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.scans import (
    AFFINE,
    DOWNWARDS,
    SHUFFLED,
    SPACING,
    UPWARDS,
    check_mark,
    grey_mask,
    image_voxels,
    only_case,
    refusal,
    write_dicom,
    write_png,
)
from pydicom import dcmread

from training import datasets

# CHAOS, MR

SERIES = {
    "T1-DUAL in phase": "T1DUAL/DICOM_anon/InPhase",
    "T1-DUAL out phase": "T1DUAL/DICOM_anon/OutPhase",
    "T2-SPIR": "T2SPIR/DICOM_anon",
}
MARKED = {"T1-DUAL in phase": (1, 2, 0), "T1-DUAL out phase": (1, 2, 0), "T2-SPIR": (3, 0, 2)}


def write_mr_patient(folder, places=DOWNWARDS, grey=63):
    """places[n]: place from below of the n-th slice by name. T1: even names in phase, odd names out of phase."""
    for sequence, series in SERIES.items():
        voxels = image_voxels(MARKED[sequence])
        for n, k in enumerate(places):
            number = {"T1-DUAL in phase": 2 * n + 2, "T1-DUAL out phase": 2 * n + 1, "T2-SPIR": n + 1}[sequence]
            name = f"IMG-0004-{number:05}"
            write_dicom(folder / series / f"{name}.dcm", voxels[k], k, Modality="MR", InstanceNumber=n + 1)
            if sequence != "T1-DUAL out phase":
                mask = grey_mask(grey, MARKED[sequence])[k]
                write_png(folder / series.split("/")[0] / "Ground" / f"{name}.png", mask)


@pytest.fixture
def chaos(tmp_path):
    write_mr_patient(tmp_path / "MR" / "1")
    return tmp_path


@pytest.mark.parametrize("places", [UPWARDS, DOWNWARDS, SHUFFLED])
@pytest.mark.parametrize("sequence", SERIES)
def test_mr_masks_follow_their_slices_to_their_positions(tmp_path, sequence, places):
    write_mr_patient(tmp_path / "MR" / "1", places)
    case = only_case("chaos_mr", tmp_path, sequence=sequence)
    assert (case.id, case.patient) == ("mr_1", "mr_1")
    labelled = case.read()
    check_mark(labelled, MARKED[sequence])
    np.testing.assert_allclose(labelled.volume.affine, AFFINE)
    assert labelled.volume.modality == "MR"


def test_mr_masks_follow_slices_that_are_not_axial(chaos):
    for path in sorted((chaos / "MR/1/T2SPIR/DICOM_anon").iterdir()):
        file = dcmread(path)
        file.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]  # coronal: slices count from front to back
        file.ImagePositionPatient = [-11.5, file.ImagePositionPatient[2], 7]
        file.save_as(path)
    check_mark(only_case("chaos_mr", chaos, sequence="T2-SPIR").read(), MARKED["T2-SPIR"])


def test_mr_in_phase_is_the_default(chaos):
    check_mark(only_case("chaos_mr", chaos).read(), MARKED["T1-DUAL in phase"])


def test_mr_patients_come_in_the_order_of_their_numbers(chaos):
    for number in ("10", "2"):
        write_mr_patient(chaos / "MR" / number)
    (chaos / "MR" / ".cache").mkdir()
    for root in (chaos, chaos / "MR"):
        assert [case.patient for case in datasets.cases_of("chaos_mr", root)] == ["mr_1", "mr_2", "mr_10"]


@pytest.mark.parametrize(
    ("grey", "label"), [(63, 1), (55, 1), (70, 1), (126, 2), (110, 2), (135, 2), (189, 3), (252, 4), (240, 4), (255, 4)]
)
def test_mr_grey_levels_are_organs(tmp_path, grey, label):
    write_mr_patient(tmp_path / "MR" / "1", grey=grey)
    check_mark(only_case("chaos_mr", tmp_path).read(), MARKED["T1-DUAL in phase"], label)


@pytest.mark.parametrize("grey", [1, 54, 71, 136, 201])
def test_mr_a_grey_level_of_no_organ_is_refused(tmp_path, grey):
    write_mr_patient(tmp_path / "MR" / "1", grey=grey)
    message = refusal("chaos_mr", tmp_path)
    assert f"grey level {grey}," in message
    assert "IMG-0004-00008.png" in message  # the second slice from below is the fourth by name


def test_mr_a_mask_of_another_size_is_refused(chaos):
    write_png(chaos / "MR/1/T2SPIR/Ground/IMG-0004-00003.png", np.zeros((3, 4), np.uint8))
    message = refusal("chaos_mr", chaos, sequence="T2-SPIR")
    assert "IMG-0004-00003.png" in message
    assert "(3, 4)" in message
    assert "(4, 3)" in message


def test_mr_a_colour_mask_is_refused(chaos):
    colours = sitk.GetImageFromArray(np.zeros((4, 3, 3), np.uint8), isVector=True)
    sitk.WriteImage(colours, str(chaos / "MR/1/T2SPIR/Ground/IMG-0004-00003.png"))
    assert "has shape (4, 3, 3)" in refusal("chaos_mr", chaos, sequence="T2-SPIR")


def test_mr_a_damaged_mask_is_refused(chaos):
    (chaos / "MR/1/T2SPIR/Ground/IMG-0004-00003.png").write_bytes(b"no PNG")
    assert "IMG-0004-00003.png' is damaged" in refusal("chaos_mr", chaos, sequence="T2-SPIR")


@pytest.mark.parametrize(
    ("lost", "counts"),
    [
        ("Ground/IMG-0004-00003.png", "4 masks for 5 slice files"),
        ("DICOM_anon/IMG-0004-00005.dcm", "5 masks for 4 slice files"),
    ],
)
def test_mr_there_are_as_many_masks_as_slices(chaos, lost, counts):
    (chaos / "MR/1/T2SPIR" / lost).unlink()
    assert counts in refusal("chaos_mr", chaos, sequence="T2-SPIR")


def test_mr_a_mask_of_a_lost_slice_is_not_given_to_its_neighbour(chaos):
    (chaos / "MR/1/T2SPIR/Ground/IMG-0004-00003.png").unlink()
    (chaos / "MR/1/T2SPIR/DICOM_anon/IMG-0004-00005.dcm").unlink()
    assert "'IMG-0004-00005.png'" in refusal("chaos_mr", chaos, sequence="T2-SPIR")


def test_mr_a_patient_without_masks_is_refused(chaos):
    for mask in (chaos / "MR/1/T1DUAL/Ground").iterdir():
        mask.unlink()
    assert "no files *.png" in refusal("chaos_mr", chaos)


def test_mr_an_unknown_sequence_is_refused(chaos):
    assert "T2-SPIR" in refusal("chaos_mr", chaos, sequence="FLAIR")


# CHAOS, CT

CT_MARKED = (1, 2, 0)


def write_ct_patient(folder, places=DOWNWARDS, grey=255, mask_name="liver_GT_{:03}.png"):
    voxels = image_voxels(CT_MARKED)
    for n, k in enumerate(places):
        write_dicom(folder / "DICOM_anon" / f"i{n:04},0000b.dcm", voxels[k], k, Modality="CT", InstanceNumber=k + 1)
        write_png(folder / "Ground" / mask_name.format(n), grey_mask(grey, CT_MARKED)[k])


@pytest.mark.parametrize("grey", [1, 255])
@pytest.mark.parametrize("places", [UPWARDS, DOWNWARDS, SHUFFLED])
def test_ct_masks_follow_their_slices_to_their_positions(tmp_path, places, grey):
    write_ct_patient(tmp_path / "CT" / "21", places, grey)
    for root in (tmp_path, tmp_path / "CT"):
        case = only_case("chaos_ct", root)
        assert (case.id, case.patient) == ("ct_21", "ct_21")
        check_mark(case.read(), CT_MARKED)


def test_ct_slice_distance_is_that_of_the_positions(tmp_path):
    write_ct_patient(tmp_path / "CT" / "1")
    volume = only_case("chaos_ct", tmp_path).read().volume
    assert volume.spacing == pytest.approx(SPACING)  # not 3.2, the SliceThickness
    np.testing.assert_allclose(volume.affine, AFFINE)


def test_ct_masks_are_sorted_by_number(tmp_path):
    folder = tmp_path / "CT" / "1"
    voxels = np.arange(12 * 12, dtype=np.int16).reshape(12, 4, 3)
    for n in range(12):
        write_dicom(folder / "DICOM_anon" / f"i{n:04},0000b.dcm", voxels[n], n, Modality="CT")
        write_png(folder / "Ground" / f"liver_GT_{n}.png", np.full((4, 3), 255 * (n == 2), np.uint8))
    label_map = only_case("chaos_ct", tmp_path).read().label_map
    assert np.unique(np.argwhere(label_map)[:, 0]).tolist() == [2]


def test_ct_a_grey_level_of_no_organ_is_refused(tmp_path):
    write_ct_patient(tmp_path / "CT" / "1", grey=63)
    assert "grey level 63," in refusal("chaos_ct", tmp_path)


def test_ct_a_patient_without_masks_is_refused(tmp_path):
    write_ct_patient(tmp_path / "CT" / "1")
    (tmp_path / "CT/1/Ground").rename(tmp_path / "CT/1/Truth")
    assert "no files *.png" in refusal("chaos_ct", tmp_path)


def test_the_folder_of_the_other_modality_is_refused(chaos):
    assert "no files *.dcm" in refusal("chaos_ct", chaos / "MR")
