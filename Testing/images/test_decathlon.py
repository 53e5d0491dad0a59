"""The Decathlon's heart scans, whose headers call sagittal slices axial: recognised, corrected, and told of."""

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk

from AttnSegLib.__main__ import main
from AttnSegLib.images import decathlon
from AttnSegLib.images.volume import Volume, read_label_map, read_volume, to_image
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.results import metrics
from training import datasets
from training.scoring.candidates import Folder

HEADER = np.diag([1.25, 1.25, 1.37, 1.0])  # as the data set has it: i right, j anterior, k superior; not so
TRUE = np.array([[0, 0, 1.37, 0], [1.25, 0, 0, 0], [0, 1.25, 0, 0], [0, 0, 0, 1]])  # i anterior, j superior, k right
SAMPLE = resource_folder("Samples") / "left_atrium_mr"
NETWORKS = ["afnet", "anunet", "eccamunet", "msdualguided", "omeganet"]


def write(path, voxels, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(to_image(voxels, affine), str(path))
    return path


def a_heart(shape=(100, 128, 128), affine=HEADER):
    return Volume(np.random.default_rng(0).normal(300, 60, shape).astype(np.int16), affine, "MR")


def shipped(network, organ="left_atrium"):
    return find_model(f"{network}-{organ}-mr", resource_folder("Models"))


# recognised


@pytest.mark.parametrize("shape", [(130, 320, 320), (90, 256, 256), (122, 166, 151)])
@pytest.mark.parametrize("corner", [(0, 0, 0), (40, 40, 0)])
def test_such_a_scan_is_recognised(shape, corner):
    affine = HEADER.copy()
    affine[:3, 3] = corner
    assert decathlon.is_mislabelled_heart(shape, affine)


@pytest.mark.parametrize(
    "affine",
    [
        TRUE,
        np.diag([-1.25, -1.25, 1.37, 1]),  # as scanners write axial slices
        np.diag([1.25, 1.25, 1.4, 1]),
        np.diag([1.37, 1.25, 1.25, 1]),
        np.array([[1.25, -0.02, 0, 0], [0.02, 1.25, 0, 0], [0, 0, 1.37, 0], [0, 0, 0, 1]]),  # turned by one degree
    ],
)
def test_other_headers_are_not(affine):
    assert not decathlon.is_mislabelled_heart((130, 320, 320), affine)


@pytest.mark.parametrize("shape", [(141, 320, 320), (130, 321, 320), (130, 320, 512)])
def test_larger_scans_are_not(shape):
    assert not decathlon.is_mislabelled_heart(shape, HEADER)


# corrected by the reader


@pytest.fixture
def task(tmp_path):
    """Task02 with one patient, as downloaded."""
    voxels = a_heart((7, 40, 50)).voxels
    affine = HEADER.copy()
    affine[:3, 3] = (40, 30, 20)
    for folder, array in (("imagesTr", voxels), ("labelsTr", (voxels > 300).astype(np.uint8))):
        write(tmp_path / "Task02_Heart" / folder / "la_003.nii.gz", array, affine)
    return tmp_path / "Task02_Heart"


def test_the_reader_gives_true_directions_and_the_same_voxels(task):
    stored = read_volume(task / "imagesTr" / "la_003.nii.gz")
    [case] = datasets.cases_of("msd", task)
    volume, label_map = case.read()
    expected = TRUE.copy()
    expected[:3, 3] = (20, 40, 30)
    np.testing.assert_allclose(volume.affine, expected, atol=1e-6)
    assert np.linalg.det(volume.affine[:3, :3]) > 0  # nothing is mirrored
    np.testing.assert_array_equal(volume.voxels, stored.voxels)
    np.testing.assert_array_equal(label_map, stored.voxels > 300)
    sagittal = SliceStack.of(volume, Preprocessing("sagittal", percentiles=(1, 99)))
    np.testing.assert_array_equal(sagittal.view(volume.voxels), stored.voxels)  # as the models know the slices


def test_the_reader_leaves_right_headers_alone(task, a_decathlon_task):
    for folder in ("imagesTr", "labelsTr"):
        path = task / folder / "la_003.nii.gz"
        write(path, read_volume(path).voxels, TRUE)
    [heart] = datasets.cases_of("msd", task)
    [ball, *_] = datasets.cases_of("msd", a_decathlon_task)
    np.testing.assert_allclose(heart.read().volume.affine, TRUE, atol=1e-6)
    np.testing.assert_allclose(np.diag(ball.read().volume.affine), [-1.5, -1.5, 4, 1])


def test_label_maps_that_others_made_of_the_files_as_downloaded_can_be_scored(task, tmp_path):
    [case] = datasets.cases_of("msd", task)
    volume, label_map = case.read()
    for number, affine in enumerate((volume.affine, read_volume(task / "imagesTr" / "la_003.nii.gz").affine)):
        write(tmp_path / f"theirs{number}" / "la_003.nii.gz", label_map, affine)
        found = Folder(tmp_path / f"theirs{number}").find("la_003", volume)
        np.testing.assert_array_equal(found.label_map, label_map)


# told of, where a user gives such a file


@pytest.mark.parametrize("network", NETWORKS)
def test_a_file_straight_from_the_decathlon_gets_one_sentence_with_the_cure(network):
    scan, spec = a_heart(), shipped(network)
    for as_given in (spec, spec.in_plane("sagittal"), spec.in_plane("coronal")):
        [sentence] = preflight.warnings(scan, as_given)
        assert sentence == (
            "This looks like a heart scan straight from the Medical Segmentation Decathlon, whose header wrongly calls "
            "its sagittal slices axial: choose axial slices (in Slicer: Advanced, Plane)."
        )
    assert preflight.warnings(scan, spec.in_plane("axial")) == []


def test_no_plane_is_advised_that_would_turn_the_slices():
    scan, spec = a_heart(), shipped("anunet")
    for plane in ("axial", "coronal"):
        own = dataclasses.replace(spec, preprocessing=dataclasses.replace(spec.preprocessing, plane=plane))
        [sentence] = preflight.warnings(scan, own)
        assert sentence.endswith("wrongly calls its sagittal slices axial: correct its header first.")
    acquired = dataclasses.replace(spec, preprocessing=dataclasses.replace(spec.preprocessing, plane="acquired"))
    assert preflight.warnings(scan, acquired) == []  # by their distance the slices are found all the same


@pytest.mark.parametrize("network", NETWORKS)
def test_with_the_right_header_nothing_is_said(network):
    assert preflight.warnings(a_heart(affine=TRUE), shipped(network)) == []


@pytest.mark.slow
def test_the_cure_gives_the_slices_that_the_model_knows(a_model_folder, tmp_path, capsys):
    card = json.loads((a_model_folder / CARD).read_text())
    card["preprocessing"]["plane"] = "sagittal"
    (a_model_folder / CARD).write_text(json.dumps(card))
    voxels = a_heart((6, 60, 70)).voxels
    raw, right = write(tmp_path / "la_003.nii.gz", voxels, HEADER), write(tmp_path / "right.nii.gz", voxels, TRUE)

    def run(scan, *options):
        out = tmp_path / "out"
        arguments = ["--model", str(a_model_folder), "--out", str(out), "--device", "cpu", "--overwrite", *options]
        assert main(["segment", str(scan), *arguments]) == 0
        return sitk.GetArrayFromImage(sitk.ReadImage(str(out / "segmentation.seg.nrrd"))), capsys.readouterr().err

    expected, _ = run(right)
    wrong, printed = run(raw)
    assert printed.count("straight from the Medical Segmentation Decathlon") == 1
    assert not np.array_equal(wrong, expected)
    cured, printed = run(raw, "--plane", "axial")
    assert "Decathlon" not in printed
    np.testing.assert_array_equal(cured, expected)


# the sample case


@pytest.fixture(scope="module")
def sample():
    return read_volume(SAMPLE / "image.nrrd")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_sample_has_its_true_header_and_is_warned_of_by_no_model(sample, network):
    np.testing.assert_allclose(sample.affine[:3, :3], TRUE[:3, :3], atol=1e-6)
    assert preflight.warnings(sample, shipped(network)) == []


def as_axial_scanners_store(voxels, affine):
    """The same patient with slices upwards, rows towards the back, columns towards the left."""
    turned = voxels.transpose(1, 2, 0)[:, ::-1, ::-1]  # k superior, j posterior, i left
    columns = np.stack([-affine[:3, 2], -affine[:3, 0], affine[:3, 1]], axis=1)
    first = affine @ [voxels.shape[2] - 1, 0, voxels.shape[0] - 1, 1]
    return np.ascontiguousarray(turned), np.vstack([np.column_stack([columns, first[:3]]), [0, 0, 0, 1]])


@pytest.mark.slow
def test_a_right_header_works_whatever_plane_the_scan_was_acquired_in(sample):
    """In voxels that lie otherwise the result is the same; in axial slices of 2.5 mm it is nearly so."""
    predictor = SlicePredictor.from_model(shipped("anunet"), Compute("cpu"))
    truth = read_label_map(SAMPLE / "labels.nrrd", sample)
    found = predictor.predict(sample).label_map
    voxels, affine = as_axial_scanners_store(sample.voxels, sample.affine)
    masks = [as_axial_scanners_store(mask, sample.affine)[0] for mask in (truth, found)]
    axial = predictor.predict(Volume(voxels, affine)).label_map
    np.testing.assert_array_equal(axial, masks[1])
    assert metrics.dice(masks[0] == 1, axial == 1) > 0.9
    thick = affine @ np.diag([1, 1, 2.0, 1])
    thick[:3, 3] += affine[:3, 2] / 2
    means = voxels.reshape(-1, 2, *voxels.shape[1:]).mean(axis=1)
    coarse = predictor.predict(Volume(means, thick)).label_map
    assert metrics.dice(masks[0] == 1, np.repeat(coarse, 2, axis=0) == 1) > 0.88
