"""How pictures and masks are read, whatever the data set."""

import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.pictures import ORGAN, SCAN, truncate, write

from AttnSegLib.errors import InputError
from training.datasets import _picture


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


@pytest.mark.skipif(sys.platform == "darwin" or os.name == "nt", reason="has no such files")
def test_what_would_hang_or_end_the_process_is_refused(tmp_path):
    write(tmp_path / "scan.png", SCAN)
    (tmp_path / "scan.png").rename(tmp_path / "Gr\udcf6\udcdfe.png")
    with pytest.raises(InputError, match=r"Gr\\udcf6\\udcdfe.png' is not valid UTF-8; rename it"):
        _picture.read_picture(tmp_path / "Gr\udcf6\udcdfe.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="is not a file but a folder, a pipe or a device"):
        _picture.read_picture(tmp_path / "pipe.png")
