"""Readers of pictures and of users' own folders, each on a miniature of the real layout."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from AttnSegLib.errors import InputError
from training import datasets
from training.datasets import _picture, reader

SCAN = (np.arange(30) * 7).astype(np.uint8).reshape(5, 6)  # every pixel another value, so that no flip goes unseen
ORGAN = np.zeros((5, 6), np.uint8)
ORGAN[1, 2:5] = ORGAN[2, 4] = 1  # without symmetry


def write(path, pixels):
    """A picture (H, W), or (H, W, C) in colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(pixels)
    sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=pixels.ndim == 3), str(path))


def write_volume(path, voxels, spacing=(1.0, 2.0, 3.0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))


def by_id(*args, **options):
    return {case.id: case for case in datasets.cases(*args, **options)}


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


# Pictures


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("scan.png", SCAN),
        ("scan.PNG", SCAN),
        ("scan.png", SCAN.astype(np.uint16) * 300),
        ("scan.tif", SCAN.astype(np.int16) - 1000),
        ("scan.tiff", SCAN.astype(np.float32) - 1000.5),
    ],
)
def test_pictures_are_read_as_stored(tmp_path, name, pixels):
    write(tmp_path / name, pixels)
    found = _picture.read_picture(tmp_path / name)
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == pixels.dtype


def test_jpeg_pictures_are_read_upright(tmp_path):
    write(tmp_path / "scan.jpg", np.kron(SCAN, np.ones((8, 8), np.uint8)))
    found = _picture.read_picture(tmp_path / "scan.jpg")[4::8, 4::8]
    np.testing.assert_allclose(found.astype(float), SCAN, atol=8)


def test_grey_saved_as_colour_stays_exact_and_alpha_is_ignored(tmp_path):
    alpha = SCAN[::-1]
    write(tmp_path / "rgb.png", np.stack([SCAN] * 3, axis=-1))
    write(tmp_path / "rgba.png", np.stack([SCAN, SCAN, SCAN, alpha], axis=-1))
    write(tmp_path / "grey_alpha.tif", np.stack([SCAN, alpha], axis=-1))
    for name in ("rgb.png", "rgba.png", "grey_alpha.tif"):
        found = _picture.read_picture(tmp_path / name)
        np.testing.assert_array_equal(found, SCAN)
        assert found.dtype == np.uint8


def test_colour_becomes_luminance(tmp_path):
    colour = np.zeros((5, 6, 3), np.uint8)
    colour[0, 1], colour[2, 3], colour[4, 5] = (100, 0, 0), (0, 100, 0), (0, 0, 100)
    write(tmp_path / "colour.png", colour)
    found = _picture.read_picture(tmp_path / "colour.png")
    assert [found[0, 1], found[2, 3], found[4, 5]] == pytest.approx([29.9, 58.7, 11.4])
    assert np.count_nonzero(found) == 3


def test_the_left_upper_corner_of_a_picture_is_right_anterior():
    volume = _picture.picture_volume(SCAN)
    np.testing.assert_array_equal(volume.voxels, SCAN[None])
    right, anterior, _, _ = volume.affine @ [5, 4, 0, 1] - volume.affine @ [0, 0, 0, 1]
    assert (right, anterior) == (-5, -4)
    assert volume.spacing == (1, 1, 1)


def damaged_png(path):
    write(path / "x.png", np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    truncate(path / "x.png")
    return "x.png"


def damaged_jpeg(path):
    write(path / "x.jpg", np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    truncate(path / "x.jpg")
    return "x.jpg"


def text_named_png(path):
    (path / "x.png").write_text("not a picture")
    return "x.png"


def jpeg_named_png(path):
    write(path / "x.jpg", SCAN)
    (path / "x.jpg").rename(path / "x.png")
    return "x.png"


@pytest.mark.parametrize("damage", [damaged_png, damaged_jpeg, text_named_png, jpeg_named_png])
def test_damaged_pictures_are_refused(tmp_path, damage):
    name = damage(tmp_path)
    with pytest.raises(InputError, match=f"'{name}' is damaged or not .* save it again"):
        _picture.read_picture(tmp_path / name)


def test_other_pictures_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match="none.png' can't be opened .No such file"):
        _picture.read_picture(tmp_path / "none.png")
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([SCAN, SCAN])), str(tmp_path / "pages.tif"))
    with pytest.raises(InputError, match="'pages.tif' has 2 pages"):
        _picture.read_picture(tmp_path / "pages.tif")
    write(tmp_path / "nan.tif", np.where(SCAN == 7, np.nan, SCAN).astype(np.float32))
    with pytest.raises(InputError, match="'nan.tif' has NaN"):
        _picture.read_picture(tmp_path / "nan.tif")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 1, 126, 127, 128, 255]], [[0, 0, 0, 0, 1, 1]]),
        ([[0, 1, 0, 0, 1, 1]], [[0, 1, 0, 0, 1, 1]]),
        ([[0, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, 0]]),
        ([[0, 2, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, 0]]),
    ],
)
def test_masks_are_cut_at_127_unless_they_hold_0_and_1(tmp_path, values, expected):
    write(tmp_path / "mask.png", np.array(values, np.uint8))
    mask = _picture.read_mask(tmp_path / "mask.png", (1, 6))
    np.testing.assert_array_equal(mask, expected)
    assert mask.dtype == np.uint8


def test_masks_of_another_shape_or_in_colour_are_refused(tmp_path):
    write(tmp_path / "mask.png", ORGAN.T)
    with pytest.raises(InputError, match="'mask.png' has 5 x 6 pixels and its image 6 x 5"):
        _picture.read_mask(tmp_path / "mask.png", SCAN.shape)
    red = np.stack([ORGAN * 255, 0 * ORGAN, 0 * ORGAN], axis=-1)  # its luminance lies below 127
    write(tmp_path / "red.png", red)
    with pytest.raises(InputError, match="'red.png' is in colour"):
        _picture.read_mask(tmp_path / "red.png", SCAN.shape)


# Lungs


@pytest.fixture
def lungs(tmp_path):
    """Written in another order than that of names, the masks reversed; every slice and mask differs."""
    names = ["ID_0001_Z_0146", "ID_0000_Z_0142", "ID_0000_Z_0099"]
    for n, name in enumerate(names):
        write(tmp_path / "2d_images" / f"{name}.tif", SCAN.astype(np.int16) * 5 - 1000 + n)
    for n, name in reversed(list(enumerate(names))):
        write(tmp_path / "2d_masks" / f"{name}.tif", np.roll(ORGAN, n, axis=0) * 255)
    (tmp_path / "lung_stats.csv").write_text("img_id\n")
    (tmp_path / "2d_images" / "._ID_0000_Z_0142.tif").write_text("of macOS")
    return tmp_path


def test_lung_slices_pair_by_name(lungs):
    cases = by_id("lung", lungs)
    assert list(cases) == ["ID_0000_Z_0099", "ID_0000_Z_0142", "ID_0001_Z_0146"]
    assert [case.patient for case in cases.values()] == ["ID_0000", "ID_0000", "ID_0001"]
    for n, name in enumerate(["ID_0001_Z_0146", "ID_0000_Z_0142", "ID_0000_Z_0099"]):
        volume, label_map = cases[name].read()
        np.testing.assert_array_equal(volume.voxels, SCAN[None].astype(np.int16) * 5 - 1000 + n)
        np.testing.assert_array_equal(label_map, np.roll(ORGAN, n, axis=0)[None])
        assert label_map.dtype == np.uint8
    assert reader("lung").LABELS == {1: "lung"}


def test_lung_slices_without_partner_are_named(lungs):
    (lungs / "2d_masks" / "ID_0000_Z_0142.tif").unlink()
    with pytest.raises(InputError, match="image '.*ID_0000_Z_0142.tif' has no mask"):
        datasets.cases("lung", lungs)
    (lungs / "2d_images" / "ID_0000_Z_0142.tif").unlink()
    (lungs / "2d_images" / "ID_0001_Z_0146.tif").unlink()
    with pytest.raises(InputError, match="mask '.*ID_0001_Z_0146.tif' has no image"):
        datasets.cases("lung", lungs)


@pytest.mark.parametrize("name", ["lung", "afnet_liver", "labelme"])
def test_a_wrong_root_says_what_to_give(tmp_path, name):
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="No cases in .* give .*folder|No cases in .*Give .*folder"):
        datasets.cases(name, tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        datasets.cases(name, tmp_path / "missing")


# Liver of AF-Net


@pytest.fixture
def livers(tmp_path):
    for part, name, shift in [("train", "000", 0), ("train", "001", 1), ("val", "000", 2)]:
        scan = np.roll(SCAN, shift, axis=1)
        write(tmp_path / part / f"{name}.png", np.stack([scan] * 3, axis=-1))
        write(tmp_path / part / f"{name}_mask.png", np.roll(ORGAN, shift, axis=1) * 255)
    return tmp_path


def test_livers_carry_their_part_in_the_id(livers):
    cases = by_id("afnet_liver", livers)
    assert list(cases) == ["train_000", "train_001", "val_000"]
    assert [case.patient for case in cases.values()] == list(cases)
    for shift, case in enumerate(cases.values()):
        volume, label_map = case.read()
        np.testing.assert_array_equal(volume.voxels, np.roll(SCAN, shift, axis=1)[None])
        np.testing.assert_array_equal(label_map, np.roll(ORGAN, shift, axis=1)[None])


@pytest.mark.parametrize(
    ("gone", "message"), [("001_mask", "001.png' has no mask"), ("001", "001_mask.png' has no im")]
)
def test_livers_without_partner_are_named(livers, gone, message):
    (livers / "train" / f"{gone}.png").unlink()
    with pytest.raises(InputError, match=message):
        datasets.cases("afnet_liver", livers)


# labelme


def polygon(points, label="aorta", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": "polygon", "flags": {}, **more}


def annotate(path, shapes, size=SCAN.shape):
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "elsewhere.png", "imageData": None}
    path.write_text(json.dumps(content | {"imageHeight": size[0], "imageWidth": size[1]}), encoding="utf-8")


TRIANGLE = polygon([[1, 0], [5.2, 0], [1, 4.2]])
BOX = polygon([[4.4, 2.6], [5.6, 2.6], [5.6, 4.4], [4.4, 4.4]], label="spine")


@pytest.fixture
def annotated(tmp_path):
    write(tmp_path / "a.png", SCAN)
    write(tmp_path / "b.png", SCAN + 1)
    annotate(tmp_path / "a.json", [TRIANGLE, BOX])
    annotate(tmp_path / "b.json", [])
    return tmp_path


def test_polygons_hold_the_pixels_whose_centres_they_hold(annotated):
    cases = by_id("labelme", annotated)
    volume, label_map = cases["a"].read()
    expected = [
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 0, 0, 1, 1],  # the box, from 2.6 to 4.4, holds the centre at 3.5 alone
        [0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(label_map[0], expected)
    np.testing.assert_array_equal(volume.voxels[0], SCAN)
    volume, label_map = cases["b"].read()
    np.testing.assert_array_equal(volume.voxels[0], SCAN + 1)
    assert (label_map.shape, label_map.dtype, label_map.max()) == ((1, 5, 6), np.uint8, 0)


def test_one_label_can_be_chosen(annotated):
    label_map = by_id("labelme", annotated, label="spine")["a"].read().label_map
    assert list(zip(*np.nonzero(label_map[0]), strict=True)) == [(3, 4), (3, 5)]
    with pytest.raises(InputError, match="No polygon in .* is labelled 'Aorta'"):
        datasets.cases("labelme", annotated, label="Aorta")


def test_polygons_may_leave_the_picture_and_need_no_shape_type(annotated):
    outline = polygon([[-3, -3], [2, -3], [2, 9], [-3, 9]])
    del outline["shape_type"]
    annotate(annotated / "a.json", [outline])
    label_map = by_id("labelme", annotated)["a"].read().label_map
    np.testing.assert_array_equal(label_map[0], np.tile([1, 1, 0, 0, 0, 0], (5, 1)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (polygon([[1, 1], [3, 3]], shape_type="rectangle"), "'a.json' has a shape of type 'rectangle'; only polygons"),
        (polygon([[1, 1], [3, 3]]), "polygon 'aorta' without three valid points"),
        (polygon([[1, 1], [3], [1, 4]]), "polygon 'aorta' without three valid points"),
        (polygon([[1, 1], [3, "x"], [1, 4]]), "polygon 'aorta' without three valid points"),
        (polygon([[1, 1], [3, float("nan")], [1, 4]]), "polygon 'aorta' without three valid points"),
        (polygon([]), "polygon 'aorta' without three valid points"),
        ({"label": "aorta", "shape_type": "polygon"}, "polygon 'aorta' without three valid points"),
    ],
)
def test_shapes_that_cannot_be_filled_are_refused(annotated, shape, message):
    annotate(annotated / "a.json", [shape])
    with pytest.raises(InputError, match=message):
        by_id("labelme", annotated)["a"].read()


def test_shapes_of_other_labels_do_not_matter(annotated):
    annotate(annotated / "a.json", [polygon([[1, 1], [3, 3]], label="note", shape_type="line"), BOX])
    assert by_id("labelme", annotated, label="spine")["a"].read().label_map.sum() == 2


@pytest.mark.parametrize("content", ['{"shapes": [', "[]", "{}", '{"shapes": [{}], "imageHeight": 5, "imageWidth": 6}'])
def test_damaged_json_is_refused(annotated, content):
    (annotated / "a.json").write_text(content)
    with pytest.raises(InputError, match="a.json' can't be read as a file of labelme"):
        by_id("labelme", annotated)["a"].read()


def test_annotations_must_fit_their_pictures(annotated):
    annotate(annotated / "a.json", [TRIANGLE], size=(6, 5))
    with pytest.raises(InputError, match="'a.json' was drawn on 5 x 6 pixels, but 'a.png' has 6 x 5"):
        by_id("labelme", annotated)["a"].read()
    write(annotated / "a.jpg", SCAN)
    with pytest.raises(InputError, match="'a.jpg' and 'a.png' share one JSON file"):
        datasets.cases("labelme", annotated)
    (annotated / "a.jpg").rename(annotated / "c.jpg")
    with pytest.raises(InputError, match="c.jpg' has no annotation"):
        datasets.cases("labelme", annotated)


# Users' own folders


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
        datasets.cases("folder", tmp_path)


def test_labels_without_image_and_doubled_files_are_refused(tmp_path):
    for folder, name in [("images", "a.png"), ("labels", "a.png"), ("labels", "b_mask.png")]:
        write(tmp_path / folder / name, ORGAN)
    with pytest.raises(InputError, match="b_mask.png' has no image in 'images'"):
        datasets.cases("folder", tmp_path)
    (tmp_path / "labels" / "b_mask.png").rename(tmp_path / "labels" / "a_mask.png")  # which of the two is meant?
    with pytest.raises(InputError, match="a_mask.png' has no image in 'images'"):
        datasets.cases("folder", tmp_path)
    (tmp_path / "labels" / "a_mask.png").unlink()
    write(tmp_path / "images" / "a_0000.png", ORGAN)
    with pytest.raises(InputError, match="Case 'a' lies in .* more than once"):
        datasets.cases("folder", tmp_path)
    write(tmp_path / "images" / "a.tif", ORGAN)
    with pytest.raises(InputError, match="a.tif' lies there under another ending too"):
        datasets.cases("folder", tmp_path)


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no folder '.*labels'. Give a folder with images"):
        datasets.cases("folder", tmp_path)
    with pytest.raises(InputError, match="both looked for in 'labels'"):
        datasets.cases("folder", tmp_path, images="labels")
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(InputError, match="No cases"):
        datasets.cases("folder", tmp_path)


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
        datasets.cases("folder", tmp_path, threshold=127)


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.nii.gz").write_text("damaged")
    (case,) = datasets.cases("folder", tmp_path)
    with pytest.raises(InputError, match="'a.nii.gz' is damaged"):
        case.read()


def test_a_folder_can_tell_patients_by_their_names(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for name in ("anna_1", "anna_2", "bert_1"):
            image = sitk.GetImageFromArray(np.eye(4, dtype=np.uint8))
            sitk.WriteImage(image, str(tmp_path / folder / f"{name}.png"))
    assert [case.patient for case in datasets.cases("folder", tmp_path, patient="[a-z]+")] == ["anna", "anna", "bert"]
    with pytest.raises(InputError, match="finds no patient in the name 'anna_1'"):
        datasets.cases("folder", tmp_path, patient="[0-9]+")
    with pytest.raises(InputError, match="not a regular expression"):
        datasets.cases("folder", tmp_path, patient="[")
