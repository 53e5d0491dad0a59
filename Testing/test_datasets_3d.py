"""The readers of 3D data sets, each on a miniature of the real layout with one marked voxel whose place is known."""

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from AttnSegLib.errors import InputError
from AttnSegLib.volume import read_volume, to_image
from training import datasets

SHAPE = (5, 4, 3)  # slices, rows, columns
MARK = 1000  # brighter than anything else in an image
FIRST = np.array([-11.5, 22.25, 33.0])  # LPS, of the lowest slice
SPACING = (0.75, 1.5, 2.0)
# LPS to RAS: columns run to the left, rows to the back, slices upwards
AFFINE = np.array([[-0.75, 0, 0, 11.5], [0, -1.5, 0, -22.25], [0, 0, 2, 33], [0, 0, 0, 1]])
KITS_AFFINE = np.array([[0, 0, -0.8, 0], [0, -0.8, 0, 0], [-3, 0, 0, 0], [0, 0, 0, 1]])
UPWARDS, DOWNWARDS, SHUFFLED = (0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)


def image_voxels(marked):
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    voxels[marked] = MARK
    return voxels


def write_dicom(path, pixels, k, **tags):
    """Slice at place k, counted from below; 2 mm apart and 3.2 mm thick."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = CTImageStorage if tags.get("Modality") == "CT" else MRImageStorage
    file.SOPInstanceUID = generate_uid()
    file.SeriesInstanceUID, file.SeriesNumber = "1.2.3.1", 3
    file.ImagePositionPatient = (FIRST + np.array([0, 0, 2 * k])).tolist()
    file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    file.PixelSpacing, file.SliceThickness = [1.5, 0.75], 3.2
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 1
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 16, 15
    file.PixelData = pixels.astype(np.int16).tobytes()
    file.update(tags)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def write_png(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path))


def write_nifti(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(to_image(voxels, affine), str(path))


def grey_mask(grey, marked):
    mask = np.zeros(SHAPE, np.uint8)
    mask[marked] = grey
    return mask


def only_case(name, root, **options):
    (case,) = datasets.cases(name, root, **options)
    return case


def refusal(name, root, **options):
    """The message with which a data set is refused, on listing or on reading."""
    with pytest.raises(InputError) as caught:
        [case.read() for case in datasets.cases(name, root, **options)]
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def check_mark(labelled, marked, label=1):
    """The one labelled voxel is the brightest one, at its place."""
    volume, label_map = labelled
    assert label_map.dtype == np.uint8
    assert label_map.shape == volume.voxels.shape
    assert np.argwhere(volume.voxels == MARK).tolist() == [list(marked)]
    assert np.argwhere(label_map).tolist() == [list(marked)]
    assert label_map[marked] == label


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-20])


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
        assert [case.patient for case in datasets.cases("chaos_mr", root)] == ["mr_1", "mr_2", "mr_10"]


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
    found = datasets.cases("lits", tmp_path)
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
    assert [case.patient for case in datasets.cases("kits19", tmp_path)] == ["case_00209", "case_00299"]


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
    assert [case.patient for case in datasets.cases("nih_pancreas", tmp_path)] == ["PANCREAS_0002", "PANCREAS_0082"]


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
