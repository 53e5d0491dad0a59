"""Readers of data sets of pictures, each on a miniature of the real layout."""

import json

import numpy as np
import pytest
from made_up.pictures import ORGAN, SCAN, by_id, write

from AttnSegLib.errors import InputError
from training import datasets
from training.datasets import reader

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
        datasets.cases_of("lung", lungs)
    (lungs / "2d_images" / "ID_0000_Z_0142.tif").unlink()
    (lungs / "2d_images" / "ID_0001_Z_0146.tif").unlink()
    with pytest.raises(InputError, match="mask '.*ID_0001_Z_0146.tif' has no image"):
        datasets.cases_of("lung", lungs)


@pytest.mark.parametrize("name", ["lung", "afnet_liver", "labelme"])
def test_a_wrong_root_says_what_to_give(tmp_path, name):
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="No cases in .* give .*folder|No cases in .*Give .*folder"):
        datasets.cases_of(name, tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        datasets.cases_of(name, tmp_path / "missing")


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
        datasets.cases_of("afnet_liver", livers)


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
        datasets.cases_of("labelme", annotated, label="Aorta")


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
        datasets.cases_of("labelme", annotated)
    (annotated / "a.jpg").rename(annotated / "c.jpg")
    with pytest.raises(InputError, match="c.jpg' has no annotation"):
        datasets.cases_of("labelme", annotated)
