"""`attnseg segment` into files of other formats, and into one file."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from test_command_line import a_scan as a_scan
from test_command_line import assert_nothing_left, assert_one_sentence
from test_command_line import out as out
from test_command_line import run as run

from AttnSegLib.__main__ import main
from AttnSegLib.results.run_files import _different


@pytest.fixture
def to_file(a_scan, a_model_folder):
    def to_file(path, *options):
        return main(["segment", str(a_scan), "--model", str(a_model_folder), "--out", str(path), *options])

    return to_file


@pytest.fixture(autouse=True)
def _no_picture(monkeypatch):
    """It takes longer than all the rest."""
    monkeypatch.setattr("AttnSegLib.results.run_files.no_picture", lambda: ["No picture."])


def voxels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.parametrize("kind", ["nifti", "nifti-per-segment"])
def test_nifti_says_the_same_as_seg_nrrd(run, a_scan, out, kind):
    assert run(a_scan) == 0
    expected = voxels(out / "segmentation.seg.nrrd")
    assert run(a_scan, "--overwrite", "--format", kind) == 0
    name = "segmentation.nii.gz" if kind == "nifti" else "segmentation-left-atrium.nii.gz"
    assert_nothing_left(out, name, "attention-gate-0-0.nii.gz", "report.json")
    np.testing.assert_array_equal(voxels(out / name), expected)
    given = sitk.ReadImage(str(a_scan))
    for image in (sitk.ReadImage(str(out / name)), sitk.ReadImage(str(out / "attention-gate-0-0.nii.gz"))):
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(image, geometry)(), getattr(given, geometry)(), atol=1e-5)
    report = json.loads((out / "report.json").read_text())
    assert report["segmentation"] == [name]
    assert report["attention"] == {"gate 0,0": "attention-gate-0-0.nii.gz"}
    assert run(a_scan, "--overwrite") == 0  # takes away what that report lists
    assert_nothing_left(out, "segmentation.seg.nrrd", "attention-gate-0-0.nrrd", "report.json")


@pytest.mark.parametrize("worker", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_probabilities_are_those_of_the_labels(run, a_scan, out, worker):
    assert run(a_scan, "--probabilities", "--attention", "none", *["--worker"] * worker) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["probability"] == {"left_atrium": "probability-left-atrium.nrrd"}
    labels, found = voxels(out / "segmentation.seg.nrrd"), voxels(out / "probability-left-atrium.nrrd")
    unsure = np.abs(found - 0.5) < 0.01  # rounding
    np.testing.assert_array_equal((found > 0.5)[~unsure], (labels == 1)[~unsure])
    assert 0 < labels.mean() < 1
    assert run(a_scan, "--overwrite", "--attention", "none") == 0  # takes away what that report lists
    assert_nothing_left(out, "segmentation.seg.nrrd", "report.json")


def test_results_in_another_format_are_results_too(run, a_scan, out, capsys):
    assert run(a_scan, "--format", "nifti") == 0
    (out / "report.json").unlink()
    assert run(a_scan) == 2
    assert_one_sentence(capsys, "already holds results")


def test_an_unknown_format_is_refused(run, a_scan, tmp_path, capsys):
    assert run(a_scan, "--format", "jpeg") == 2
    assert_one_sentence(capsys, "no file format 'jpeg'", "nifti-per-segment")
    assert_nothing_left(tmp_path, "scan.nrrd", "tiny")


def test_segments_whose_names_differ_in_signs_only_have_files_of_their_own():
    assert _different(["a", "b", "a", "ab"], ".nii.gz") == ["a.nii.gz", "b.nii.gz", "a~2.nii.gz", "ab.nii.gz"]


@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii", "x.seg.nrrd"])
def test_one_file_is_that_file(to_file, run, a_scan, out, tmp_path, name, capsys):
    path = tmp_path / "new folder" / name
    assert to_file(path) == 0
    assert str(path) in capsys.readouterr().out
    assert_nothing_left(path.parent, name)
    assert run(a_scan, "--attention", "none") == 0
    np.testing.assert_array_equal(voxels(path), voxels(out / "segmentation.seg.nrrd"))


def test_one_file_is_not_overwritten_unless_told(to_file, a_scan, tmp_path, capsys):
    path = tmp_path / "x.nii.gz"
    path.write_text("precious")
    assert to_file(path) == 2
    assert_one_sentence(capsys, "is there already", "--overwrite")
    assert path.read_text() == "precious"
    assert to_file(path, "--overwrite") == 0
    assert voxels(path).shape == (7, 9, 11)
    before = a_scan.read_bytes()
    assert to_file(a_scan, "--overwrite") == 2
    assert_one_sentence(capsys, "would be overwritten")
    assert a_scan.read_bytes() == before


def test_one_file_has_no_place_for_attention_nor_is_it_a_folder(to_file, tmp_path, capsys):
    assert to_file(tmp_path / "x.nii.gz", "--attention", "all") == 2
    assert_one_sentence(capsys, "without a place for maps")
    assert to_file(tmp_path / "x.nii.gz", "--format", "nifti-per-segment") == 2
    assert_one_sentence(capsys, "whose name says its format")
    assert to_file(tmp_path / "x.PNG") == 2
    assert_one_sentence(capsys, "'x.PNG' can't be written", ".nii.gz")
    (tmp_path / "y.nii.gz").mkdir()
    assert to_file(tmp_path / "y.nii.gz", "--overwrite") == 2
    assert_one_sentence(capsys, "is a folder")
    assert_nothing_left(tmp_path, "scan.nrrd", "tiny", "y.nii.gz")


def test_two_models_are_refused(run, a_scan, tmp_path, capsys):
    assert run(a_scan, "--model", "anunet-left_atrium-mr") == 2
    assert_one_sentence(capsys, "Give --model once", "attnseg cohort")
    assert_nothing_left(tmp_path, "scan.nrrd", "tiny")
