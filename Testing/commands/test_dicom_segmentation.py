"""DICOM SEG: read back by highdicom, with the same voxels, codes and references."""

import warnings

import numpy as np
import pytest
from made_up.dicom import VOXELS, write_series
from pydicom import dcmread
from test_command_line import assert_one_sentence

from AttnSegLib.__main__ import main
from AttnSegLib.images.volume import read_volume
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.results import dicom_segmentation
from AttnSegLib.results.dicom_segmentation import write_dicom_segmentation

STUDY = {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.3.9", "StudyID": "", "AccessionNumber": ""}
STUDY |= {"StudyDate": "", "StudyTime": "", "ReferringPhysicianName": "", "PatientSex": "", "Manufacturer": "x"}


@pytest.fixture
def series(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    write_series(folder, **STUDY)
    return folder


@pytest.fixture
def spec(the_model_folder):
    return load_card(the_model_folder / CARD)


def read_back(path):
    highdicom = pytest.importorskip("highdicom")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return highdicom.seg.segread(path)


@pytest.mark.filterwarnings("ignore")
def test_it_holds_the_same_voxels_codes_and_references(series, spec, tmp_path):
    pytest.importorskip("highdicom")
    label_map = np.random.default_rng(0).integers(0, 2, VOXELS.shape).astype(np.uint8)
    write_dicom_segmentation(tmp_path / "x.dcm", label_map, spec, (series, None))
    found = read_back(tmp_path / "x.dcm")
    volume = found.get_volume(combine_segments=True)
    ours = read_volume(series)
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    np.testing.assert_array_equal(_in_order_of(volume, to_lps @ ours.affine), label_map)
    [segment] = found.SegmentSequence
    assert segment.SegmentLabel == "Left atrium"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "82471001"
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "tiny"
    assert (found.PatientID, found.StudyInstanceUID) == ("4711", "1.2.3")
    referred = {one.ReferencedSOPInstanceUID for one in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert referred == {dcmread(path).SOPInstanceUID for path in series.iterdir()}


def _in_order_of(volume, affine):
    """The voxels of highdicom's volume (LPS, indexed k, j, i in its own order) in the order of an affine of i, j, k."""
    places = np.argwhere(np.ones(volume.array.shape, bool))
    lie = places @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    indices = np.rint((lie - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(int)
    found = np.zeros(tuple(indices.max(axis=0)[::-1] + 1), np.uint8)
    found[indices[:, 2], indices[:, 1], indices[:, 0]] = volume.array[tuple(places.T)]
    return found


@pytest.mark.filterwarnings("ignore")
def test_the_command_writes_it_and_names_nobody_elsewhere(series, a_model_folder, tmp_path):
    pytest.importorskip("highdicom")
    options = ["--model", str(a_model_folder), "--out", str(tmp_path / "out"), "--format", "dicom-seg"]
    assert main(["segment", str(series), *options]) == 0
    assert read_back(tmp_path / "out" / "segmentation.dcm").number_of_segments == 1
    for path in (tmp_path / "out").iterdir():
        assert (b"4711" in path.read_bytes()) == (path.suffix == ".dcm")


@pytest.mark.filterwarnings("ignore")
def test_headers_that_lack_a_study_are_one_sentence(tmp_path, a_model_folder, capsys):
    pytest.importorskip("highdicom")
    (tmp_path / "series").mkdir()
    write_series(tmp_path / "series")
    options = ["--model", str(a_model_folder), "--out", str(tmp_path / "out"), "--format", "dicom-seg"]
    assert main(["segment", str(tmp_path / "series"), *options]) == 2
    assert_one_sentence(capsys, "lack what a DICOM SEG needs", "StudyInstanceUID")
    assert not (tmp_path / "out").exists()


def test_another_image_is_refused_before_the_run(tmp_path, a_model_folder, capsys, monkeypatch):
    monkeypatch.setattr(dicom_segmentation, "find_spec", lambda _name: True)
    options = ["--model", str(a_model_folder), "--out", str(tmp_path / "out"), "--format", "dicom-seg"]
    assert main(["segment", str(tmp_path / "x.nii.gz"), *options]) == 2
    assert_one_sentence(capsys, "is no DICOM series")


def test_a_missing_highdicom_is_one_sentence(series, a_model_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dicom_segmentation, "find_spec", lambda _name: None)
    options = ["--model", str(a_model_folder), "--out", str(tmp_path / "out"), "--format", "dicom-seg"]
    assert main(["segment", str(series), *options]) == 2
    assert_one_sentence(capsys, "pip install highdicom")
