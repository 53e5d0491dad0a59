"""`AttnSegLib.segment` for scripts: whatever holds an image, one result."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.cohorts import AFFINE, write_scan

import AttnSegLib
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / "scan.nii.gz")


@pytest.fixture
def model(a_model_folder):
    return str(a_model_folder)


def test_a_path_gives_label_map_attention_and_volumes(scan, model):
    result = AttnSegLib.segment(scan, model)
    assert result.label_map.shape == (5, 16, 16)
    assert result.label_map.dtype == np.uint8
    assert result.volumes_ml == {"left_atrium": pytest.approx(result.label_map.sum() * 3.75 / 1000, abs=1e-3)}
    assert result.volumes_ml["left_atrium"] > 0
    assert list(result.attention) == ["gate 0,0"]
    assert result.attention["gate 0,0"].shape == (5, 16, 16)
    assert {"index", "expected_dice", "area_jump", "is_empty"} == set(result.slices_to_check[0])


def test_all_that_holds_an_image_gives_the_same(scan, model):
    segmenter = AttnSegLib.Segmenter(model, device="cpu")
    volume = read_volume(scan)
    expected = segmenter(scan).label_map
    in_nibabel = SimpleNamespace(dataobj=volume.voxels.T, affine=volume.affine)
    for image, given in (
        (str(scan), {}),
        (sitk.ReadImage(str(scan)), {}),
        (volume.voxels, {"affine": AFFINE}),
        (volume.voxels, {"spacing": (1, 1.5, 2.5)}),
    ):
        result = segmenter(image, **given)
        if "spacing" in given:  # lies otherwise in the patient, and says so
            assert "The image does not say how the axes lie" in result.notices[0]
        else:
            np.testing.assert_array_equal(result.label_map, expected)
    result = segmenter(in_nibabel, "gate 0,0")
    np.testing.assert_array_equal(result.label_map, expected.T)
    assert result.attention["gate 0,0"].shape == (16, 16, 5)


@pytest.mark.parametrize("name", ["out.nii.gz", "out.seg.nrrd"])
def test_a_result_is_saved_on_the_grid_of_the_image(scan, model, tmp_path, name):
    result = AttnSegLib.segment(scan, model, attention="none")
    written = sitk.ReadImage(str(result.save(tmp_path / name)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), result.label_map)
    given = sitk.ReadImage(str(scan))
    for image in (written, result.to_sitk()):
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(image, geometry)(), getattr(given, geometry)(), atol=1e-6)
    with pytest.raises(InputError, match="is there already"):
        result.save(tmp_path / name)
    result.save(tmp_path / name, overwrite=True)
    with pytest.raises(InputError, match="no name for a label map"):
        result.save(tmp_path / "out")


@pytest.mark.parametrize(
    ("image", "given", "told"),
    [
        (np.ones((4, 4)), {}, "three dimensions"),
        (np.ones((4, 4, 1)), {}, "three dimensions"),
        (np.ones((4, 4, 4)), {}, "is constant"),
        (np.full((4, 4, 4), np.nan), {}, "NaN"),
        (np.ones((4, 4, 4), bool), {}, "no plain numbers"),
        (np.ones((4, 4, 4)), {"spacing": (1, 2)}, "three numbers"),
        (np.ones((4, 4, 4)), {"spacing": (1, 2, 0)}, "sheared or not valid"),
        (np.ones((4, 4, 4)), {"affine": np.eye(3)}, "4 x 4"),
        (sitk.Image(4, 4, sitk.sitkUInt8), {}, "three dimensions"),
        (sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), {}, "one number in each"),
        ("none.nrrd", {}, "can't be opened"),
        ("none.nrrd", {"spacing": (1, 1, 1)}, "leave them out"),
        ({}, {}, "A dict is no image"),
    ],
)
def test_what_is_no_scan_is_one_sentence(model, image, given, told):
    with pytest.raises(InputError, match=told):
        AttnSegLib.segment(image, model, **given)


def test_the_package_is_light_until_it_is_used():
    code = "import AttnSegLib, sys; assert not {'torch', 'SimpleITK', 'numpy'} & set(sys.modules); AttnSegLib.nothing"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.strip().endswith("module 'AttnSegLib' has no attribute 'nothing'")
