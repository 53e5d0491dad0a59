"""What we write as DICOM, read by somebody else's program (dcmqi, by DCMTK and ITK): same voxels, places and codes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.dicom import OBLIQUE, VOXELS, write_series
from test_dicom_segmentation import STUDY

from AttnSegLib.images.volume import from_image, read_volume
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.results.dicom_segmentation import write_dicom_segmentation
from AttnSegLib.results.parametric_map import MeaningfulMap, write_parametric_map
from AttnSegLib.results.segmentation_file import to_steps

PLACE = str(Path(sys.executable).parent)


def reader(name):
    return shutil.which(name, path=PLACE) or shutil.which(name)


pytestmark = [
    pytest.mark.skipif(reader("segimage2itkimage") is None, reason="needs dcmqi"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def series(tmp_path):
    pytest.importorskip("highdicom")
    (tmp_path / "series").mkdir()
    write_series(tmp_path / "series", ImageOrientationPatient=list(OBLIQUE), **STUDY)
    return tmp_path / "series"


@pytest.fixture
def spec(the_model_folder):
    return load_card(the_model_folder / CARD)


def read_by(name, path, folder):
    """The volume in a file, and what the program says of it."""
    folder.mkdir()
    command = [reader(name), "--inputDICOM", path, "--outputDirectory", folder, "--outputType", "nrrd"]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [image] = folder.glob("*.nrrd")
    return from_image(sitk.ReadImage(str(image))), json.loads(next(folder.glob("*.json")).read_text())


def in_order_of(found, affine, shape):
    """Voxels of another volume on the grid of an affine, by where they lie."""
    indices = np.argwhere(np.ones(found.voxels.shape, bool))[:, ::-1]
    there = np.linalg.inv(affine) @ found.affine
    i, j, k = np.rint(indices @ there[:3, :3].T + there[:3, 3]).astype(int).T
    voxels = np.zeros(shape, found.voxels.dtype)
    voxels[k, j, i] = found.voxels.ravel()
    return voxels


def test_a_segmentation_has_the_same_voxels_and_codes(series, spec, tmp_path):
    label_map = np.random.default_rng(0).integers(0, 2, VOXELS.shape).astype(np.uint8)
    label_map[0, 0, 0] = label_map[-1, -1, -1] = 1  # dcmqi gives the box around them
    write_dicom_segmentation(tmp_path / "x.dcm", label_map, spec, (series, None))
    found, said = read_by("segimage2itkimage", tmp_path / "x.dcm", tmp_path / "read")
    ours = read_volume(series).affine
    assert np.allclose(np.abs(np.linalg.inv(ours) @ found.affine)[:3, :3].sum(axis=0), 1, atol=1e-3)
    np.testing.assert_array_equal(in_order_of(found, ours, label_map.shape), label_map)
    [[segment]] = said["segmentAttributes"]
    label = spec.labels[0]
    for part, code in (("Category", label.category), ("Type", label.type)):
        told = segment[f"SegmentedProperty{part}CodeSequence"]
        assert (told["CodingSchemeDesignator"], told["CodeValue"]) == (code.scheme, code.value)
    assert segment["SegmentLabel"] == label.name
    np.testing.assert_allclose(segment["recommendedDisplayRGBValue"], label.color, atol=2)
    assert segment["SegmentAlgorithmName"] == spec.id


@pytest.mark.parametrize("kind", ["attention", "probability"])
def test_a_parametric_map_has_the_same_values(series, spec, tmp_path, kind):
    values = np.random.default_rng(0).random(VOXELS.shape).astype(np.float16)
    write_parametric_map(tmp_path / "x.dcm", MeaningfulMap(kind, "gate 0,0", values), spec, (series, None, 0))
    found, said = read_by("paramap2itkimage", tmp_path / "x.dcm", tmp_path / "read")
    np.testing.assert_array_equal(in_order_of(found, read_volume(series).affine, values.shape), to_steps(values))
    assert said["QuantityValueCode"]["CodeMeaning"] == kind.capitalize()
    assert from_place(found) == pytest.approx(from_place(read_volume(series)), abs=1e-3)


def from_place(volume):
    """Voxel volume and middle."""
    middle = volume.affine @ [*(np.array(volume.voxels.shape[::-1]) - 1) / 2, 1]
    return [volume.voxel_volume * 1000, *middle[:3]]
