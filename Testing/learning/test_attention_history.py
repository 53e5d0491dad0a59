"""Attention over the epochs of a training: kept as volumes and pictures, and without any effect on the training."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from made_up.balls import RECIPE
from made_up.commands import run_here

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import from_image, read_volume
from training import datasets
from training import train as training_command
from training.learning.attention_history import _chosen, find_case
from training.learning.recipe import read_checkpoint


@pytest.fixture(scope="module")
def train(a_decathlon_task, tmp_path_factory):
    """Three epochs that are validated after the second; returns the folder of the run, and what the command said."""
    recipe = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    recipe.write_text(RECIPE.replace("epochs = 2", "epochs = 3").replace("validate_every = 1", "validate_every = 2"))

    def train(*options, ends_with=0):
        out = tmp_path_factory.mktemp("runs") / "run"
        given = ["--root", a_decathlon_task, "--out", out, "--workers", "0", "--accelerator", "cpu", *options]
        ended = run_here(training_command.main, recipe, *given)
        assert ended.code == ends_with, ended.said
        return out, ended.said

    return train


@pytest.fixture(scope="module")
def watched(train):
    """The folder of a run whose attention was kept."""
    return train("--attention-of", "case_3")[0]


@pytest.mark.slow
def test_maps_are_kept_at_the_first_the_validated_and_the_last_epoch(watched, a_decathlon_task):
    paths = sorted((watched / "attention" / "gate_0_0").iterdir())
    assert [path.name for path in paths] == ["epoch_001.nrrd", "epoch_002.nrrd", "epoch_003.nrrd"]
    volume = read_volume(a_decathlon_task / "imagesTr" / "case_3.nii.gz")
    maps = [from_image(sitk.ReadImage(str(path))) for path in paths]
    for one in maps:
        assert one.voxels.shape == volume.voxels.shape
        np.testing.assert_allclose(one.affine, volume.affine, atol=1e-5)
        assert one.voxels.min() >= 0
        assert one.voxels.max() <= 1
        assert one.voxels.std() > 0
    assert not np.array_equal(maps[0].voxels, maps[2].voxels)


@pytest.mark.slow
def test_the_strip_shows_the_image_and_a_picture_for_each_epoch(watched):
    pixels = matplotlib.image.imread(watched / "attention" / "attention.png")
    height, width = pixels.shape[:2]
    assert width > 2.5 * height
    for quarter in np.array_split(pixels[..., :3], 4, axis=1):
        assert quarter.std() > 0.05


@pytest.mark.slow
def test_watching_changes_nothing(watched, train):
    plain, _ = train()
    assert not (plain / "attention").exists()
    one, other = (read_checkpoint(folder / "last.ckpt") for folder in (watched, plain))
    assert one["epoch"] == other["epoch"] == 2
    for part in ("state_dict", "current_model_state"):
        assert one[part].keys() == other[part].keys()
        assert [name for name in one[part] if not torch.equal(one[part][name], other[part][name])] == []
    logs = [(folder / "metrics.csv").read_text().splitlines() for folder in (watched, plain)]
    first, second = ([line.rpartition(",")[0] for line in log] for log in logs)  # all but the time that it took
    assert first == second


@pytest.mark.slow
def test_an_unknown_case_is_refused_before_the_training(train):
    out, errors = train("--attention-of", "case_9", ends_with=2)
    assert "Error: The data set has no case 'case_9' to follow the attention of." in errors
    assert not (out / "last.ckpt").exists()


def test_a_case_is_found_by_its_id(a_decathlon_task):
    cases = datasets.cases_of("msd", a_decathlon_task)
    assert find_case(cases, "case_2") is cases[2]
    with pytest.raises(InputError, match="no case 'case_22'"):
        find_case(cases, "case_22")


def test_a_strip_has_room_for_ten_columns():
    paths = [Path(f"epoch_{number:03d}.nrrd") for number in range(1, 101)]
    assert _chosen(paths[:9]) == paths[:9]
    chosen = _chosen(paths)
    assert (len(chosen), chosen[0], chosen[-1]) == (9, paths[0], paths[-1])
