"""A model of CT with contrast says so when it is given one without."""

import dataclasses

import numpy as np
import pytest

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.checks.contrast import lacks_contrast
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import load_models

WARNING = "no contrast agent"
_GRID = np.diag([3.0, 3.0, 5.0, 1.0])


def abdomen(liver, noise=20.0, shape=(30, 110, 130)):
    """A body of muscle and fat with a liver of so many HU in a fifth of it, and a spine; in HU, with noise."""
    rng = np.random.default_rng(0)
    voxels = np.full(shape, -1000.0)
    voxels[:, 10:-10, 10:-10] = 45
    voxels[:, 10:16, 10:-10] = -100
    voxels[:, 20:70, 20:50] = liver
    voxels[:, 80:95, 58:72] = 150  # spongy bone, as bright as an enhanced kidney
    voxels[:, [79, 95], 57:73] = 600
    voxels[:, 79:96, [57, 72]] = 600
    return Volume((voxels + rng.normal(0, noise, shape)).astype(np.float32), _GRID)


@pytest.mark.parametrize(("liver", "lacks"), [(55, True), (62, True), (100, False), (150, False)])
def test_contrast_shows_in_organs_and_not_in_bone(liver, lacks):
    assert lacks_contrast(abdomen(liver)) is lacks


def test_the_inside_of_large_bones_is_no_contrast():
    """A pelvis is as bright as an organ with contrast, and nowhere far from hard bone."""
    pelvis = abdomen(55).voxels
    pelvis[:, 75:95, 20:110] = 150
    pelvis[:, 75:95, 20:110:6] = 600
    assert lacks_contrast(Volume(pelvis, _GRID))


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_no_order_of_the_axes_changes_it(axes):
    for liver in (55, 120):
        volume = abdomen(liver)
        order = [2 - axis for axis in axes][::-1]  # of the affine's columns, which count x, y, z
        turned = Volume(volume.voxels.transpose(axes), volume.affine[:, [*order, 3]])
        assert lacks_contrast(turned) is (liver == 55)


def test_nothing_is_said_of_what_shows_no_body():
    assert not lacks_contrast(Volume(np.full((20, 50, 50), -1000.0, np.float32), _GRID))
    assert not lacks_contrast(Volume(np.full((1, 3, 2), 40.0, np.float32), _GRID))


@pytest.mark.parametrize(
    ("modality", "share", "liver", "warns"),
    [("CT", 0.93, 55, True), ("CT", 0.93, 110, False), ("CT", 0.5, 55, False), ("CT", None, 55, False)],
)
def test_models_that_know_only_contrast_warn(a_model_folder, modality, share, liver, warns):
    spec = load_card(a_model_folder / CARD)
    training = dataclasses.replace(spec.training, share_with_contrast=share)
    spec = dataclasses.replace(spec, modality=modality, training=training)
    assert any(WARNING in sentence for sentence in preflight.warnings(abdomen(liver), spec)) is warns


def test_shipped_models_of_ct_know_whether_their_scans_had_contrast():
    shares = [spec.training.share_with_contrast for spec in load_models() if spec.modality == "CT"]
    assert shares
    assert all(share is not None and share > 0.9 for share in shares)
