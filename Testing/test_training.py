"""Training: data in the real layout, losses with answers on paper, and one tiny run from data set to model folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from AttnSegLib.catalog import CARD, load_card
from AttnSegLib.errors import InputError
from AttnSegLib.preprocess import Preprocessing
from AttnSegLib.volume import Volume
from training import datasets
from training.augment import Augmentation
from training.case import Case, split
from training.evaluate import main as evaluate_main
from training.export import export
from training.recipe import from_dict, read_recipe
from training.sample import cut
from training.slices import Sample, SliceDataset, one_hot
from training.train import _slice_loader
from training.train import main as train_main

ROOT = Path(__file__).parents[1]
RECIPE = """
dataset = "msd"
validation = ["case_3"]
network = "anunet"
[options]
width = 2
num_classes = 1
[preprocessing]
plane = "acquired"
pixel_spacing = 2.0
percentiles = [0.5, 99.5]
[optimisation]
loss = "anu"
epochs = 1
batch_size = 4
crop = 32
learning_rate = 1e-3
warm_up = 0.1
weight_decay = 0.0
ema = 0.5
[card]
title = "Test"
organ = "ball"
modality = "MR"
attention = ["gate 0,0"]
largest_component = false
licence = "CC0-1.0"
reference = "none"
data_source = "made up"
[[card.labels]]
value = 1
name = "Ball"
color = [255, 0, 0]
category = { scheme = "SCT", value = "1", meaning = "Thing" }
type = { scheme = "SCT", value = "2", meaning = "Ball" }
"""


def a_ball(seed):
    """A bright ball in noise, 9 slices of 34 x 30."""
    k, j, i = np.mgrid[:9, :34, :30]
    rng = np.random.default_rng(seed)
    center = rng.uniform((3, 12, 12), (6, 20, 18))
    ball = ((k - center[0]) / 3) ** 2 + ((j - center[1]) / 7) ** 2 + ((i - center[2]) / 7) ** 2 < 1
    return (rng.normal(100, 10, k.shape) + 80 * ball).astype(np.int16), ball.astype(np.uint8)


@pytest.fixture(scope="module")
def a_decathlon_task(tmp_path_factory):
    """Four cases in the layout of the Medical Segmentation Decathlon, with the litter of its archives."""
    root = tmp_path_factory.mktemp("Task99_Ball")
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir()
        (root / folder / "._case_0.nii.gz").write_bytes(b"macOS")
    for number in range(4):
        for folder, voxels in zip(("imagesTr", "labelsTr"), a_ball(number), strict=True):
            image = sitk.GetImageFromArray(voxels)
            image.SetSpacing((1.5, 1.5, 4.0))
            sitk.WriteImage(image, str(root / folder / f"case_{number}.nii.gz"))
    return root


@pytest.fixture
def a_recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_decathlon_cases_pair_images_with_labels(a_decathlon_task):
    cases = list(datasets.cases("msd", a_decathlon_task))
    assert [case.id for case in cases] == ["case_0", "case_1", "case_2", "case_3"]
    voxels, labels = a_ball(2)
    np.testing.assert_array_equal(cases[2].volume.voxels, voxels)
    np.testing.assert_array_equal(cases[2].label_map, labels)
    assert cases[2].volume.spacing == pytest.approx((1.5, 1.5, 4.0))


def test_a_wrong_root_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="imagesTr"):
        list(datasets.cases("msd", tmp_path))
    with pytest.raises(InputError, match="no data set 'mds'.*msd"):
        datasets.cases("mds", tmp_path)


def test_an_image_without_labels_is_refused(a_decathlon_task, tmp_path):
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    image = a_decathlon_task / "imagesTr" / "case_0.nii.gz"
    (tmp_path / "imagesTr" / "case_0.nii.gz").write_bytes(image.read_bytes())
    with pytest.raises(InputError, match="'case_0'"):
        list(datasets.cases("msd", tmp_path))


def some_cases(*ids):
    return [Case(case_id, Volume(np.zeros((2, 2, 2)), np.eye(4)), np.zeros((2, 2, 2), np.uint8)) for case_id in ids]


def test_no_patient_is_on_both_sides_of_a_split():
    training, validation = split(some_cases("a", "b", "c", "d"), ["d", "b"])
    assert [case.id for case in training] == ["a", "c"]
    assert [case.id for case in validation] == ["b", "d"]


@pytest.mark.parametrize(
    ("ids", "validation", "message"),
    [
        (["a", "b"], ["c"], "0 cases 'c'.*a, b"),
        (["a", "b", "b"], ["b"], "2 cases 'b'"),
        (["a", "b"], [], "none for validation"),
        (["a"], ["a"], "no case for training"),
    ],
)
def test_splits_that_make_no_sense_are_refused(ids, validation, message):
    with pytest.raises(InputError, match=message):
        split(some_cases(*ids), validation)


def test_slices_keep_all_slices_and_their_labels():
    voxels, labels = a_ball(0)
    case = Case("a", Volume(voxels, np.diag([1.5, 1.5, 4, 1])), labels)
    dataset = SliceDataset([case, case], Preprocessing("acquired", window=(0, 200)), 1, augment=lambda sample: sample)
    assert len(dataset) == 18
    image, target = dataset[9 + 4]
    np.testing.assert_allclose(image[0, :34, :30], np.clip(voxels[4] / 200, 0, 1), atol=1e-6)
    np.testing.assert_array_equal(target[0, :34, :30], labels[4])


def test_augmentation_moves_image_and_labels_together():
    """A bright disc is its own label; wherever it lands, both must agree but for a thin rim."""
    j, i = np.mgrid[:64, :64]
    disc = torch.from_numpy(((j - 30) ** 2 + (i - 34) ** 2 < 144).astype(np.float32))[None]
    augment = Augmentation(48)
    different = set()
    for _ in range(20):
        image, target = augment(Sample(0.2 + 0.6 * disc, disc.long()))
        assert image.shape == target.shape == (1, 48, 48)
        assert image.min() >= 0
        assert image.max() <= 1
        inside, outside = image[target == 1].mean(), image[target == 0].mean()
        assert inside - outside > 0.2
        different.add(int(target.sum()))
    assert len(different) > 10


def test_every_worker_draws_its_own_changes_and_a_seed_repeats_them(a_decathlon_task, a_recipe):
    cases = list(datasets.cases("msd", a_decathlon_task))[:1]
    same = [case._replace(volume=Volume(np.repeat(case.volume.voxels[:1], 9, 0), case.volume.affine)) for case in cases]

    def batches():
        torch.manual_seed(5)
        return [batch.image for batch in _slice_loader(same, read_recipe(a_recipe), workers=2)]

    first, second = batches(), batches()
    assert not torch.equal(first[0], first[1])
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_one_hot_targets():
    target = torch.tensor([[[[0, 1], [2, 0]]]])
    assert one_hot(target, 1).tolist() == [[[[0, 1], [1, 0]]]]
    assert one_hot(target, 3)[0].argmax(0).tolist() == [[0, 1], [2, 0]]


def test_a_sample_keeps_its_place_in_the_patient():
    voxels, labels = a_ball(1)
    affine = np.array([[0, 0, -2.0, 3], [1.5, 0, 0, -7], [0, -1, 0, 50], [0, 0, 0, 1]])
    images = cut(Case("a", Volume(voxels, affine), labels), margin=2.0)
    corner = images["image"].GetOrigin()
    first = np.argwhere(voxels == sitk.GetArrayFromImage(images["image"])[0, 0, 0])
    places = [(affine @ [*index[::-1], 1])[:3] * [-1, -1, 1] for index in first]
    assert any(np.allclose(place, corner) for place in places)
    assert sitk.GetArrayFromImage(images["labels"]).sum() == labels.sum()


def test_recipes_come_back_from_plain_values(a_recipe):
    recipe = read_recipe(a_recipe)
    assert from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe
    assert recipe.with_changes(epochs=7).optimisation.epochs == 7
    assert recipe.with_changes(epochs=None) == recipe


@pytest.mark.parametrize("path", sorted((ROOT / "training/recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_our_recipes_can_be_read(path):
    recipe = read_recipe(path)
    assert Preprocessing(**recipe.preprocessing)
    assert recipe.validation


def test_a_bad_recipe_is_one_sentence(a_recipe, tmp_path, capsys):
    a_recipe.write_text(RECIPE.replace("epochs = 1", "epoch = 1"))
    arguments = ["--root", str(tmp_path), "--out", str(tmp_path / "run")]
    assert train_main([str(a_recipe), *arguments]) == 2
    assert train_main([str(tmp_path / "none.toml"), *arguments]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "'epoch'" in errors[0]
    assert "none.toml" in errors[1]


@pytest.mark.slow
def test_from_data_set_to_model_folder(a_decathlon_task, a_recipe, tmp_path, capsys):
    """Train, export, evaluate and list, as docs say; in a process of its own, since Lightning warns a lot."""
    command = [sys.executable, "-m", "training.train", str(a_recipe), "--root", str(a_decathlon_task)]
    subprocess.run(
        [*command, "--out", str(tmp_path / "run"), "--workers", "0", "--validate-every", "1"],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env=dict(os.environ, OMP_NUM_THREADS="2"),
    )
    folder = export(tmp_path / "run" / "last.ckpt", a_decathlon_task, tmp_path / "models")
    spec = load_card(folder / CARD)
    assert spec.id == "anunet-ball-mr"
    assert spec.training["validation_cases"] == ["case_3"]
    assert "made up" in (folder / "ATTRIBUTION.md").read_text()
    table = tmp_path / "scores.csv"
    arguments = ["--dataset", "msd", "--root", str(a_decathlon_task), "--case", "case_3", "--csv", str(table)]
    assert evaluate_main([str(folder), *arguments]) == 0
    assert "mean Dice" in capsys.readouterr().out
    [row] = np.genfromtxt(table, delimiter=",", names=True, dtype=None, encoding="utf-8").reshape(-1)
    assert row["dice"] == pytest.approx(spec.scores["cases"][0]["dice"], abs=1e-3)
    log = (tmp_path / "run" / "metrics.csv").read_text()
    assert "dice" in log.splitlines()[0]


def test_a_training_that_comes_apart_stops_with_a_sentence(a_recipe):
    from training.module import SegmentationModule
    from training.slices import Sample

    module = SegmentationModule(read_recipe(a_recipe))
    torch.nn.init.constant_(module.network.heads["4"].weight, float("nan"))
    batch = Sample(torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32, dtype=torch.long))
    with pytest.raises(InputError, match=r"The loss is nan at step 0: .* smaller learning_rate"):
        module.training_step(batch, 0)
