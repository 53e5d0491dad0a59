"""Does a volume fit a model, and what will it cost?"""

import dataclasses

import numpy as np
import pytest

from AttnSegLib import preflight
from AttnSegLib.catalog import CARD, load_card
from AttnSegLib.preflight import Effort
from AttnSegLib.volume import Volume

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
    spec = dataclasses.replace(spec, preprocessing=spec.preprocessing | {"pixel_spacing": 2.0})
    assert "much coarser than the 2 mm" in " ".join(preflight.warnings(Volume(MR_VOXELS, LARGE), spec))
    assert "less than 60 mm" in " ".join(preflight.warnings(Volume(MR_VOXELS, np.eye(4)), spec))


@pytest.mark.parametrize(
    ("plane", "spacing", "warns"),
    [
        ("acquired", (5, 5, 5), True),
        ("acquired", (6, 5, 6), True),
        ("acquired", (5, 5, 5.5), False),
        ("axial", (5, 5, 5), False),
    ],
)
def test_warns_if_the_plane_of_the_scan_can_not_be_told(spec, plane, spacing, warns):
    spec = dataclasses.replace(spec, preprocessing=spec.preprocessing | {"plane": plane})
    sentences = preflight.warnings(Volume(MR_VOXELS, np.diag([*spacing, 1.0])), spec)
    assert [("plane that the scan was acquired in can't be told" in one) for one in sentences] == [True] * warns


def test_says_how_the_slices_lie(spec):
    affine = np.array([[0, 0, 6.0, 0], [5, 0, 0, 0], [0, -5, 0, 0], [0, 0, 0, 1]])  # k runs from left to right
    sentences = [remark.sentence for remark in preflight.inspect(Volume(MR_VOXELS[:7], affine), spec, Effort())]
    assert "7 sagittal slices of 20 x 20 pixels, 5 x 5 mm, 6 mm apart." in sentences


def test_expects_the_time_that_an_earlier_run_took(spec):
    volume = Volume(np.ones((10, 100, 100), np.int16), LARGE)
    spec = dataclasses.replace(
        spec, facts=dataclasses.replace(spec.facts, gmacs_per_megapixel=50.0, mb_per_megapixel=100.0)
    )
    assert preflight.expected_gmacs(volume, spec) == pytest.approx(50.0 * 0.1)
    known = preflight.inspect(volume, spec, Effort("cuda:0", flips=True, gmacs_per_second=0.5))
    assert "About 40 s on CUDA (by the last run here) and 4 MB of memory." in [r.sentence for r in known]
    assert "a first guess" in " ".join(r.sentence for r in preflight.inspect(volume, spec, Effort()))


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
    spec = dataclasses.replace(spec, preprocessing=spec.preprocessing | {"pixel_spacing": 0.5})
    crop = Volume(np.arange(8000, dtype=np.int16).reshape(20, 20, 20), np.diag([1.5, 1.5, 1.6, 1.0]), "MR")
    assert len(preflight.warnings(crop, spec)) == 2
    seen = dataclasses.replace(spec, training={"largest_pixel_mm": 1.5, "smallest_slice_mm": 30.0})
    assert preflight.warnings(crop, seen) == []
