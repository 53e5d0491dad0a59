"""The reader of users' own folders, on all that users put into folders."""

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.pictures import ORGAN, SCAN, by_id, write, write_volume

from AttnSegLib.errors import InputError
from training import datasets

VOLUME = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
LABELS = (VOLUME % 7 == 2).astype(np.uint8) * 3


def test_volumes_of_all_formats_pair_by_stem(tmp_path):
    names = [
        ("b.nii.gz", "b_seg.nrrd"),
        ("a_0000.nii.gz", "a.nii.gz"),
        ("c.d.nrrd", "c.d-label.mha"),
        ("e.mha", "e.nii"),
    ]
    for n, (image, label) in enumerate(names):
        write_volume(tmp_path / "images" / image, VOLUME + n)
        write_volume(tmp_path / "labels" / label, np.roll(LABELS, n))
    (tmp_path / "labels" / "notes.txt").write_text("not a label map")
    (tmp_path / "labels" / "._a.nii.gz").write_text("of macOS")
    cases = by_id("folder", tmp_path)
    assert list(cases) == ["a", "b", "c.d", "e"]
    assert [case.patient for case in cases.values()] == list(cases)
    for n, name in enumerate(["b", "a", "c.d", "e"]):
        volume, label_map = cases[name].read()
        np.testing.assert_array_equal(volume.voxels, VOLUME + n)
        np.testing.assert_array_equal(label_map, np.roll(LABELS, n))
        assert volume.spacing == pytest.approx((1, 2, 3))


def test_a_series_of_slices_is_not_mistaken_for_channels(tmp_path):
    for n in range(3):
        write(tmp_path / "images" / f"slice_{n:04}.png", SCAN + n)
        write(tmp_path / "labels" / f"slice_{n:04}_mask.png", np.roll(ORGAN, n, axis=0) * 7)
    for folder in ("images", "labels"):
        write(tmp_path / folder / "slice.png", SCAN + 100)
    cases = by_id("folder", tmp_path)
    assert list(cases) == ["slice", "slice_0000", "slice_0001", "slice_0002"]
    for n, case in enumerate(list(cases.values())[1:]):
        volume, label_map = case.read()
        np.testing.assert_array_equal(volume.voxels[0], SCAN + n)
        np.testing.assert_array_equal(label_map[0], np.roll(ORGAN, n, axis=0) * 7)


def test_a_threshold_cuts_soft_masks_and_other_folder_names_are_options(tmp_path):
    edges = np.array([[0, 1, 127, 128, 200, 255]], np.uint8)
    write(tmp_path / "Data" / "x.png", np.stack([SCAN[:1]] * 3 + [SCAN[:1] * 0 + 255], axis=-1))
    write(tmp_path / "Ground" / "x.png", np.stack([edges] * 3, axis=-1))
    options = {"images": "Data", "labels": "Ground"}
    volume, label_map = by_id("folder", tmp_path, threshold=127, **options)["x"].read()
    np.testing.assert_array_equal(volume.voxels[0], SCAN[:1])
    np.testing.assert_array_equal(label_map[0], [[0, 0, 0, 1, 1, 1]])
    np.testing.assert_array_equal(by_id("folder", tmp_path, **options)["x"].read().label_map[0], edges)
    assert by_id("folder", tmp_path, threshold=0, **options)["x"].read().label_map.sum() == 5


@pytest.mark.parametrize(
    ("image", "label", "message"),
    [
        ("a.png", "b.png", "a.png' has no label map in 'labels'"),
        ("a_0001.png", "a.png", "a_0001.png' has no label map"),
        ("a.png", "a.nii.gz", "Of 'a.png' and 'a.nii.gz' one is a picture"),
        ("a.png", "a.jpg", "JPEG blurs labels such as 'a.jpg'"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, image, label, message):
    write(tmp_path / "images" / image, SCAN)
    (write_volume if label.endswith("nii.gz") else write)(tmp_path / "labels" / label, np.stack([ORGAN] * 3, axis=-1))
    with pytest.raises(InputError, match=message):
        datasets.cases_of("folder", tmp_path)


def test_labels_without_image_and_doubled_files_are_refused(tmp_path):
    for folder, name in [("images", "a.png"), ("labels", "a.png"), ("labels", "b_mask.png")]:
        write(tmp_path / folder / name, ORGAN)
    with pytest.raises(InputError, match="b_mask.png' has no image in 'images'"):
        datasets.cases_of("folder", tmp_path)
    (tmp_path / "labels" / "b_mask.png").rename(tmp_path / "labels" / "a_mask.png")  # which of the two is meant?
    with pytest.raises(InputError, match="a_mask.png' has no image in 'images'"):
        datasets.cases_of("folder", tmp_path)
    (tmp_path / "labels" / "a_mask.png").unlink()
    write(tmp_path / "images" / "a_0000.png", ORGAN)
    with pytest.raises(InputError, match="Case 'a' lies in .* more than once"):
        datasets.cases_of("folder", tmp_path)
    write(tmp_path / "images" / "a.tif", ORGAN)
    with pytest.raises(InputError, match="a.tif' lies there under another ending too"):
        datasets.cases_of("folder", tmp_path)


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no folder '.*labels'. Give a folder with images"):
        datasets.cases_of("folder", tmp_path)
    with pytest.raises(InputError, match="both looked for in 'labels'"):
        datasets.cases_of("folder", tmp_path, images="labels")
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(InputError, match="No cases"):
        datasets.cases_of("folder", tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (ORGAN.astype(np.uint16) * 256, "'a.tif' holds values other than whole numbers from 0 to 255"),
        (ORGAN * np.float32(0.5), "'a.tif' holds values other than whole numbers from 0 to 255"),
        (ORGAN.astype(np.int16) * -1, "'a.tif' holds values other than whole numbers from 0 to 255"),
        (ORGAN.T, "'a.tif' has 5 x 6 pixels and its image 6 x 5"),
    ],
)
def test_label_pictures_that_are_none_are_refused(tmp_path, labels, message):
    write(tmp_path / "images" / "a.png", SCAN)
    write(tmp_path / "labels" / "a.tif", labels)
    with pytest.raises(InputError, match=message):
        by_id("folder", tmp_path)["a"].read()


@pytest.mark.parametrize(
    ("labels", "spacing", "message"),
    [
        (LABELS, (1.0, 2.0, 3.5), "'a.nii.gz' is not on the grid of its image"),
        (LABELS[:2], (1.0, 2.0, 3.0), "'a.nii.gz' is not on the grid of its image"),
        (LABELS.astype(np.int16) * 100, (1.0, 2.0, 3.0), "holds values other than whole numbers from 0 to 255"),
        (LABELS * np.float32(0.5), (1.0, 2.0, 3.0), "holds values other than whole numbers from 0 to 255"),
    ],
)
def test_label_maps_that_are_none_are_refused(tmp_path, labels, spacing, message):
    write_volume(tmp_path / "images" / "a.nii.gz", VOLUME)
    write_volume(tmp_path / "labels" / "a.nii.gz", labels, spacing)
    with pytest.raises(InputError, match=message):
        by_id("folder", tmp_path)["a"].read()
    with pytest.raises(InputError, match="threshold is for pictures and 'a.nii.gz' is a volume"):
        datasets.cases_of("folder", tmp_path, threshold=127)


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.nii.gz").write_text("damaged")
    (case,) = datasets.cases_of("folder", tmp_path)
    with pytest.raises(InputError, match="'a.nii.gz' is damaged"):
        case.read()


def test_a_folder_can_tell_patients_by_their_names(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for name in ("anna_1", "anna_2", "bert_1"):
            image = sitk.GetImageFromArray(np.eye(4, dtype=np.uint8))
            sitk.WriteImage(image, str(tmp_path / folder / f"{name}.png"))
    assert [case.patient for case in datasets.cases_of("folder", tmp_path, patient="[a-z]+")] == [
        "anna",
        "anna",
        "bert",
    ]
    with pytest.raises(InputError, match="finds no patient in the name 'anna_1'"):
        datasets.cases_of("folder", tmp_path, patient="[0-9]+")
    with pytest.raises(InputError, match="not a regular expression"):
        datasets.cases_of("folder", tmp_path, patient="[")
