"""Does a volume fit a model, and what will it cost?"""

import dataclasses

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, read_volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.checks.preflight import Effort
from AttnSegLib.inference.cost import Place
from AttnSegLib.models.card import TrainingFacts
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder

MR_VOXELS = np.arange(8000, dtype=np.int16).reshape(20, 20, 20)
LARGE = np.diag([5.0, 5.0, 6.0, 1.0])


@pytest.fixture
def spec(a_model_folder):
    return load_card(a_model_folder / CARD)


@pytest.mark.parametrize(
    ("voxels", "header", "model", "warning"),
    [
        (MR_VOXELS, "MR", "MR", None),
        (MR_VOXELS, "CT", "MR", "is CT by its DICOM header"),
        (MR_VOXELS - 1000, "MR", "MR", None),
        (MR_VOXELS, None, "MR", None),
        (MR_VOXELS - 1000, None, "MR", "looks like CT"),
        (MR_VOXELS, None, "CT", "does not look like CT"),
        (MR_VOXELS - 1000, None, "CT", None),
        (MR_VOXELS, "PT", "CT", "is PT by its DICOM header"),
    ],
)
def test_warns_of_another_modality_and_of_nothing_else(spec, voxels, header, model, warning):
    spec = dataclasses.replace(spec, modality=model)
    sentences = preflight.warnings(Volume(voxels, LARGE, header), spec)
    assert len(sentences) == (warning is not None)
    assert all(warning in sentence and f"trained on {model}" in sentence for sentence in sentences)


def test_warns_of_coarse_pixels_and_small_slices(spec):
    spec = dataclasses.replace(spec, preprocessing=dataclasses.replace(spec.preprocessing, pixel_spacing=2.0))
    assert "much coarser than the 2 mm" in " ".join(preflight.warnings(Volume(MR_VOXELS, LARGE), spec))
    assert "less than 60 mm" in " ".join(preflight.warnings(Volume(MR_VOXELS, np.eye(4)), spec))


@pytest.mark.parametrize(
    ("plane", "spacing", "warns"),
    [
        ("acquired", (5, 5, 5), True),
        ("acquired", (6, 5, 6), True),
        ("acquired", (5, 5, 5.5), False),
        ("axial", (5, 5, 5), False),
        ("sagittal", (5, 5, 5), False),
    ],
)
def test_warns_if_the_plane_of_the_scan_can_not_be_told(spec, plane, spacing, warns):
    spec = dataclasses.replace(spec, preprocessing=dataclasses.replace(spec.preprocessing, plane=plane))
    sentences = preflight.warnings(Volume(MR_VOXELS, np.diag([*spacing, 1.0])), spec)
    assert [("plane that the scan was acquired in can't be told" in one) for one in sentences] == [True] * warns


def test_says_how_the_slices_lie(spec):
    affine = np.array([[0, 0, 6.0, 0], [5, 0, 0, 0], [0, -5, 0, 0], [0, 0, 0, 1]])  # k runs from left to right
    sentences = [remark.sentence for remark in preflight.inspect(Volume(MR_VOXELS[:7], affine), spec, Effort())]
    assert "7 slices, sagittal by the scan's header, of 20 x 20 pixels, 5 x 5 mm, 6 mm apart." in sentences


def test_what_was_assumed_while_reading_comes_after_what_does_not_fit(spec):
    assumed = ("It has no spacing; 1 mm was taken.", "It has no directions.")
    volume = Volume(MR_VOXELS, LARGE, notices=assumed)
    remarks = [(remark.sentence, remark.is_warning) for remark in preflight.inspect(volume, spec, Effort())]
    first = remarks.index((assumed[0], True))
    assert remarks[first + 1] == (assumed[1], True)
    assert "fits the model" in remarks[0][0]
    assert not set(assumed) & set(preflight.warnings(volume, spec))  # whoever reads the volume tells them


def test_expects_the_time_that_an_earlier_run_took(spec):
    volume = Volume(np.ones((10, 100, 100), np.int16), LARGE)
    spec = dataclasses.replace(
        spec, facts=dataclasses.replace(spec.facts, gmacs_per_megapixel=50.0, mb_per_megapixel=100.0)
    )
    known = preflight.inspect(volume, spec, Effort(Place("cuda"), flips=True, gmacs_per_second=0.5))
    assert "About 50 s on CUDA (by the last run here) and 50 MB of memory." in [r.sentence for r in known]
    assert "a first guess" in " ".join(r.sentence for r in preflight.inspect(volume, spec, Effort()))


def test_slices_of_an_absurd_size_are_told_as_the_run_tells_them(spec):
    spec = dataclasses.replace(
        spec, preprocessing=dataclasses.replace(spec.preprocessing, pixel_spacing=0.01, size=None)
    )
    with pytest.raises(InputError, match="makes slices of 10000 x 10000 pixels; check it"):
        preflight.inspect(Volume(MR_VOXELS, LARGE), spec, Effort())


def test_looks_at_a_share_of_a_large_volume_only(spec):
    class Counting(np.ndarray):
        read = 0

        def __getitem__(self, key):
            part = super().__getitem__(key)
            Counting.read = max(Counting.read, np.size(part))
            return part

    voxels = np.zeros((300, 512, 512), np.int16).view(Counting)
    preflight.inspect(Volume(voxels, LARGE), spec, Effort())
    assert 0 < Counting.read < 1_000_000


def test_what_a_model_was_trained_on_is_never_too_small_or_too_coarse(spec):
    spec = dataclasses.replace(spec, preprocessing=dataclasses.replace(spec.preprocessing, pixel_spacing=0.5))
    crop = Volume(np.arange(8000, dtype=np.int16).reshape(20, 20, 20), np.diag([1.5, 1.5, 1.6, 1.0]), "MR")
    assert len(preflight.warnings(crop, spec)) == 2
    seen = dataclasses.replace(spec, training=TrainingFacts(largest_pixel_mm=1.5, smallest_slice_mm=30.0))
    assert preflight.warnings(crop, seen) == []


# What the shipped models were trained on


def shipped(model):
    return find_model(model, resource_folder("Models"))


def a_scan(shape, spacing, modality="MR"):
    voxels = np.random.default_rng(0).normal(300, 60, shape).astype(np.int16)
    return Volume(voxels, np.diag([*spacing, 1.0]), modality)


@pytest.mark.parametrize("network", ["afnet", "anunet", "eccamunet", "msdualguided", "omeganet"])
def test_scans_as_in_training_are_not_warned_of(network):
    atrium, hippocampus = (shipped(f"{network}-{organ}-mr") for organ in ("left_atrium", "hippocampus"))
    sagittal = np.array([[0, 0, 1.37, 0], [1.25, 0, 0, 0], [0, 1.25, 0, 0], [0, 0, 0, 1]])
    for side in (256, 320):  # as trained on, and as the data set has it
        assert preflight.warnings(Volume(a_scan((9, side, side), (1, 1, 1)).voxels, sagittal), atrium) == []
    for spacing in ((1.25, 1.25, 1.25), (1.0, 1.0, 2.0), (1.0, 2.0, 1.0)):  # acquired in whatever plane
        assert preflight.warnings(a_scan((100, 100, 100), spacing), atrium) == []
    assert preflight.warnings(a_scan((35, 58, 35), (1, 1, 1)), hippocampus) == []


@pytest.mark.parametrize("network", ["afnet", "anunet", "eccamunet", "msdualguided", "omeganet"])
def test_slices_that_were_chosen_are_warned_of_only_if_the_model_does_not_know_them(network):
    atrium, hippocampus = (shipped(f"{network}-{organ}-mr") for organ in ("left_atrium", "hippocampus"))
    heart, crop = a_scan((100, 100, 100), (1, 1, 2)), a_scan((35, 58, 35), (1, 1, 1))
    assert preflight.warnings(heart, atrium.in_plane("sagittal")) == []
    for model, volume in ((atrium, heart), (hippocampus, crop)):
        for spec in (model.in_plane("axial"), model.in_plane("sagittal").in_plane("axial")):
            [axial] = preflight.warnings(volume, spec)
            assert "knows sagittal slices, and by the scan's header the chosen ones are axial" in axial
            assert "show the body from the side; else leave the plane to the model" in axial
        [coronal] = preflight.warnings(volume, model.in_plane("coronal"))
        assert "the chosen ones are coronal" in coronal


@pytest.mark.parametrize("network", ["afnet", "anunet", "eccamunet", "msdualguided", "omeganet"])
def test_warns_a_model_of_crops_of_a_whole_head(network):
    [sentence] = preflight.warnings(a_scan((180, 230, 170), (1, 1, 1)), shipped(f"{network}-hippocampus-mr"))
    assert "show 230 mm, and the model was trained on about 52 mm around the hippocampus: crop the scan" in sentence


# Label maps in place of scans


def a_label_map(labels):
    """Blocks of whole numbers."""
    blocks = np.random.default_rng(0).integers(1, labels + 1, (6, 6, 6))
    return np.pad(np.kron(blocks, np.ones((10, 10, 10), int)), 20)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("labels", [1, 2, 100])
def test_warns_of_a_label_map(spec, labels, kind):
    voxels = a_label_map(labels).astype(kind)
    [sentence] = preflight.warnings(Volume(voxels, np.diag([1, 1, 2, 1.0]), "MR"), spec)
    assert "looks like a label map, not a scan" in sentence
    assert f"few different values ({len(np.unique(voxels))})" in sentence
    everything = preflight.inspect(Volume(voxels, LARGE), spec, Effort())
    assert "fits the model" not in " ".join(remark.sentence for remark in everything)


def test_warns_of_a_label_map_with_hardly_anything_in_it(spec):
    voxels = np.zeros((100, 200, 200), np.uint8)
    voxels[50, 101, 101] = 1
    assert "label map" in preflight.warnings(Volume(voxels, np.diag([1, 1, 2, 1.0])), spec)[0]


@pytest.mark.parametrize("bits", [5, 8, 12])
def test_scans_of_few_bits_and_much_air_are_no_label_maps(spec, bits):
    rng = np.random.default_rng(0)
    tissue = np.kron(rng.uniform(0.2, 0.6, (6, 6, 6)), np.ones((10, 10, 10))) + rng.normal(0, 0.05, (60, 60, 60))
    voxels = np.pad((tissue.clip(0, 1) * (2**bits - 1)).astype(np.uint16), 40)
    assert preflight.warnings(Volume(voxels, np.diag([1, 1, 2, 1.0])), spec) == []


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_single_slices_are_told_apart_too(spec, axis):
    slices = np.random.default_rng(0).integers(0, 200, (1, 40, 60)), a_label_map(2)[40:41]
    scan, labels = (Volume(np.moveaxis(one, 0, axis).astype(np.uint8), LARGE, "MR") for one in slices)
    assert "label map" not in " ".join(preflight.warnings(scan, spec))
    assert "label map" in preflight.warnings(labels, spec)[0]


def test_an_enlarged_scan_and_a_smooth_map_are_no_label_maps(spec):
    enlarged = np.repeat(a_scan((20, 20, 20), (1, 1, 1)).voxels * 10, 4, axis=2)
    smooth = a_label_map(3) + 0.5
    for voxels in (enlarged, smooth):
        assert preflight.warnings(Volume(voxels, np.diag([3, 5, 6.0, 1]), "MR"), spec) == []


def test_the_label_map_of_the_sample_is_told_from_a_scan():
    labels = read_volume(resource_folder("Samples") / "left_atrium_mr" / "labels.nrrd")
    assert "few different values (2)" in preflight.warnings(labels, shipped("eccamunet-left_atrium-mr"))[0]
