"""From cases to batches: the cache of slices, the data set, and the order."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up.balls import write_task

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import Source
from training import datasets
from training.learning.recipe import read_recipe
from training.slices.augment import Augmentation
from training.slices.cache import SliceCache, relabelled
from training.slices.case import Labelled
from training.slices.dataset import Draw, SliceDataset
from training.slices.module import SliceModule
from training.slices.split import Split


@pytest.fixture
def recipe(a_recipe):
    return read_recipe([str(a_recipe)])


def reread(case):
    raise AssertionError(f"{case} was read again")


def a_cache(recipe, root, folder, **changes):
    return SliceCache(folder, root, replace(recipe, **changes))


def test_the_cache_keeps_what_the_network_will_see(recipe, a_decathlon_task, tmp_path):
    case = datasets.cases_of("msd", a_decathlon_task)[1]
    cache = a_cache(recipe, a_decathlon_task, tmp_path)
    cache.prepare([case], slices=True)
    [cached] = cache.cases([case])
    stack = SliceStack.of(case.read().volume, recipe.preprocessing)
    images, targets = cached.slices()
    np.testing.assert_allclose(images, stack.slices(list(range(9)))[:, 0], atol=6e-4)  # half precision
    np.testing.assert_array_equal(targets, stack.targets(case.read().label_map, list(range(9)), 1))
    assert [sum(counts) for counts in cached.counts] == stack.view(case.read().label_map).sum(axis=(1, 2)).tolist()


def test_a_long_case_is_cached_in_small_runs(recipe, a_decathlon_task, tmp_path, monkeypatch):
    """A slice of 512 x 512 pixels needs 11 MB while it is made: the slices of a whole scan at once are too much."""
    [case, *_] = datasets.cases_of("msd", a_decathlon_task)
    volume, label_map = case.read()
    axis = SliceStack.of(volume, recipe.preprocessing).axes[0]
    voxels, labels = (np.concatenate([array] * 5, axis) for array in (volume.voxels, label_map))
    long = replace(case, read=lambda: Labelled(replace(volume, voxels=voxels), labels))
    stack = SliceStack.of(long.read().volume, recipe.preprocessing)
    expected = stack.slices(list(range(len(stack))))[:, 0], stack.targets(labels, list(range(len(stack))), 1)
    runs = []
    images, targets = SliceStack.single_slices, SliceStack.targets
    noted = [
        lambda stack, indices: runs.append(indices) or images(stack, indices),
        lambda stack, labels, indices, count: runs.append(indices) or targets(stack, labels, indices, count),
    ]
    monkeypatch.setattr(SliceStack, "single_slices", noted[0])
    monkeypatch.setattr(SliceStack, "targets", noted[1])
    cache = a_cache(recipe, a_decathlon_task, tmp_path)
    cache.prepare([long], slices=True)
    assert max(map(len, runs)) <= 16
    assert sorted(number for run in runs for number in run) == sorted([*range(45)] * 2)
    [cached] = cache.cases([long])
    for kept, wanted, kind in zip(cached.slices(), expected, (np.float16, np.uint8), strict=True):
        assert kept.dtype == kind
        np.testing.assert_array_equal(kept, np.asarray(wanted).astype(kind))


def test_a_case_is_read_once(recipe, a_decathlon_task, tmp_path):
    cases = datasets.cases_of("msd", a_decathlon_task)[:2]
    a_cache(recipe, a_decathlon_task, tmp_path).prepare(cases, slices=True)
    unreadable = [replace(case, read=lambda case=case: reread(case)) for case in cases]
    a_cache(recipe, a_decathlon_task, tmp_path).prepare(unreadable, slices=True)


def test_another_preprocessing_or_other_files_are_another_cache(recipe, tmp_path):
    root = write_task(tmp_path / "task", count=1)
    cases = datasets.cases_of("msd", root)
    a_cache(recipe, root, tmp_path).prepare(cases, slices=True)
    other = replace(recipe.preprocessing, pixel_spacing=3.0)
    others = [a_cache(recipe, root, tmp_path, preprocessing=other)]
    others.append(a_cache(recipe, root, tmp_path, dataset=Source("msd", {}, ((2,),))))
    (root / "imagesTr/case_0.nii.gz").touch()
    others.append(a_cache(recipe, root, tmp_path))
    for cache in others:
        with pytest.raises(InputError, match="has lost case 'case_0'"):
            cache.cases(cases)


def test_the_cache_can_be_moved(recipe, a_decathlon_task, tmp_path, monkeypatch):
    cases = datasets.cases_of("msd", a_decathlon_task)[:1]
    monkeypatch.chdir(tmp_path)
    a_cache(recipe, a_decathlon_task, Path("here")).prepare(cases, slices=True)
    Path("here").rename("there")
    [cached] = a_cache(recipe, a_decathlon_task, tmp_path / "there").cases(cases)
    assert len(cached.slices()[0]) == 9


def test_a_cache_that_was_cut_off_is_made_again(recipe, a_decathlon_task, tmp_path, monkeypatch):
    cases = datasets.cases_of("msd", a_decathlon_task)[:1]
    cache = a_cache(recipe, a_decathlon_task, tmp_path)
    with monkeypatch.context() as cut_off:
        cut_off.setattr(json, "dumps", lambda _facts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cache.prepare(cases, slices=True)
    cache.prepare(cases, slices=True)
    assert len(cache.cases(cases)[0].slices()[0]) == 9


def test_a_cache_inside_the_data_set_is_refused(recipe, a_decathlon_task):
    with pytest.raises(InputError, match="lies inside the data set"):
        a_cache(recipe, a_decathlon_task, a_decathlon_task / "cache")


def test_labels_of_the_data_set_become_those_of_the_model():
    label_map = np.arange(6, dtype=np.uint8)
    assert relabelled(label_map, None).tolist() == [0, 1, 2, 3, 4, 5]
    assert relabelled(label_map, ((1,), (2, 3))).tolist() == [0, 1, 2, 2, 0, 0]


def test_an_unknown_label_is_refused_with_the_case(recipe, a_decathlon_task, tmp_path):
    [case, *_] = datasets.cases_of("msd", a_decathlon_task)
    volume, label_map = case.read()
    strange = replace(case, read=lambda: Labelled(volume, label_map * 7))
    with pytest.raises(InputError, match="'case_0' holds label 7"):
        a_cache(recipe, a_decathlon_task, tmp_path).prepare([strange], slices=True)


@pytest.mark.parametrize(
    ("window", "scale", "message"),
    [
        (
            (1000, 2000),
            1,
            r"'case_0' is blank in the window from 1000 to 2000: its intensities are \d+ to \d+; correct",
        ),
        ((-200, 0), 1, "is blank in the window from -200 to 0"),
        (None, 0, "is blank in every range of intensities: its intensities are 0 to 0"),
    ],
)
def test_a_case_of_which_nothing_can_be_seen_is_refused(window, scale, message, recipe, a_decathlon_task, tmp_path):
    percentiles = None if window else (0.5, 99.5)
    seen = replace(recipe.preprocessing, window=window, percentiles=percentiles)
    [case, *_] = datasets.cases_of("msd", a_decathlon_task)
    volume, label_map = case.read()
    case = replace(case, read=lambda: Labelled(replace(volume, voxels=volume.voxels * scale), label_map))
    cache = a_cache(recipe, a_decathlon_task, tmp_path, preprocessing=seen)
    with pytest.raises(InputError, match=message):
        cache.prepare([case], slices=True)
    nothing = replace(case, read=lambda: Labelled(volume, label_map * 0))
    cache.prepare([nothing], slices=True)  # beyond an end of the organ a slice may be blank


def test_a_label_that_never_appears_stops_the_run(recipe, a_decathlon_task, tmp_path):
    nothing = replace(recipe, dataset=Source("msd", {}, ((5,),)))
    with pytest.raises(InputError, match=r"Label 1 \(Ball\) appears in none of the 2 training cases"):
        SliceModule(nothing, a_decathlon_task, tmp_path, workers=0).prepare_data()


def test_the_best_of_nothing_is_refused_before_training(recipe, a_decathlon_task, tmp_path):
    nobody = replace(recipe, split=Split(shares=(20, 1, 10)))
    with pytest.raises(InputError, match="leaves no case for validation"):
        SliceModule(nobody, a_decathlon_task, tmp_path, workers=0).prepare_data()


def test_one_image_in_training_and_test_stops_the_run(recipe, tmp_path):
    root = write_task(tmp_path / "task")
    for folder in ("imagesTr", "labelsTr"):
        (root / folder / "case_3.nii.gz").write_bytes((root / folder / "case_0.nii.gz").read_bytes())
    with pytest.raises(InputError, match="'case_0' and 'case_3' are the same image"):
        SliceModule(recipe, root, tmp_path, workers=0).prepare_data()


def test_a_full_disk_is_one_sentence(recipe, a_decathlon_task, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    with pytest.raises(InputError, match="No space left on device"):
        a_cache(recipe, a_decathlon_task, tmp_path).prepare(datasets.cases_of("msd", a_decathlon_task), slices=True)


@pytest.fixture
def cached(recipe, a_decathlon_task, tmp_path):
    cases = datasets.cases_of("msd", a_decathlon_task)[:2]
    cache = a_cache(recipe, a_decathlon_task, tmp_path)
    cache.prepare(cases, slices=True)
    return cache.cases(cases)


def test_the_data_set_holds_all_slices_in_order(cached, recipe):
    dataset = SliceDataset(cached, Augmentation(), recipe.preprocessing)
    assert len(dataset) == 18
    image, target, _ = dataset.plain(9 + 4)
    assert image.shape == target.shape == (1, 32, 32)
    np.testing.assert_array_equal(target[0], cached[1].slices()[1][4])


@pytest.mark.parametrize(("foreground", "all_filled"), [(1.0, True), (None, False)])
def test_training_draws_the_share_of_the_recipe(recipe, a_decathlon_task, tmp_path, foreground, all_filled):
    recipe = replace(recipe, optimisation=replace(recipe.optimisation, foreground=foreground))
    module = SliceModule(recipe, a_decathlon_task, tmp_path, workers=0)
    module.prepare_data()
    module.setup("fit")
    cpu = SimpleNamespace(root_device=torch.device("cpu"))
    module.trainer = SimpleNamespace(global_rank=0, world_size=1, current_epoch=0, strategy=cpu)
    drawn = [draw.number for draw in module.train_dataloader().sampler]
    assert module.dataset.filled[drawn].all() == all_filled


def test_slices_of_a_reversed_stack_are_named_as_they_are_stored(cached, recipe, tmp_path, a_decathlon_task):
    case = datasets.cases_of("msd", a_decathlon_task)[0]
    volume, label_map = case.read()
    downwards = Volume(volume.voxels[::-1], volume.affine @ np.diag([1, 1, -1, 1]))
    case = replace(case, read=lambda: Labelled(downwards, label_map[::-1]))
    cache = a_cache(recipe, a_decathlon_task, tmp_path / "other")
    cache.prepare([case], slices=True)
    dataset = SliceDataset(cache.cases([case]), Augmentation(), recipe.preprocessing)
    assert [dataset.plain(number).name[:7] for number in range(9)] == [f"slice {8 - number}" for number in range(9)]
    np.testing.assert_array_equal(dataset.plain(2).target[0], cached[0].slices()[1][2])


def test_slices_are_repeated_for_networks_that_expect_colour(cached, recipe):
    colour = replace(recipe.preprocessing, channels=3)
    image, target, _ = SliceDataset(cached, Augmentation(), colour).plain(3)
    assert (image.shape, target.shape) == ((3, 32, 32), (1, 32, 32))
    assert torch.equal(image[0], image[2])


@pytest.mark.parametrize(("within", "seen"), [(0, [0, 0, 0, 1, 2]), (4, [2, 3, 4, 5, 6]), (8, [6, 7, 8, 8, 8])])
def test_neighbours_come_from_the_same_case(cached, recipe, within, seen):
    dataset = SliceDataset(cached, Augmentation(), replace(recipe.preprocessing, neighbours=2))
    for number in (0, 1):
        image, target, name = dataset.plain(9 * number + within)
        images, targets = cached[number].slices()
        np.testing.assert_array_equal(image, images[seen])
        np.testing.assert_array_equal(target[0], targets[within])
        assert name == f"slice {within} of case_{number}"


def test_training_and_prediction_see_the_same_neighbours(recipe, a_decathlon_task, tmp_path):
    """The cache holds single slices, whatever the network sees."""
    recipe = replace(recipe, preprocessing=replace(recipe.preprocessing, neighbours=1), options={"in_channels": 3})
    case = datasets.cases_of("msd", a_decathlon_task)[1]
    cache = a_cache(recipe, a_decathlon_task, tmp_path)
    cache.prepare([case], slices=True)
    dataset = SliceDataset(cache.cases([case]), Augmentation(), recipe.preprocessing)
    trained = torch.stack([dataset.plain(number).image for number in range(9)])
    predicted = SliceStack.of(case.read().volume, recipe.preprocessing).slices(list(range(9)))
    torch.testing.assert_close(trained, predicted, atol=6e-4, rtol=0)  # half precision
    single = replace(recipe, preprocessing=replace(recipe.preprocessing, neighbours=0), options={})
    assert len(a_cache(single, a_decathlon_task, tmp_path).cases([case])) == 1  # shared


def test_neighbours_are_changed_alike(cached, recipe):
    """Where slices are equal they stay equal, but for the noise, which each slice of a scan has for itself."""
    changes = replace(recipe.augmentation, gamma=(0.5, 2.0), gain=0.3, blur=1.0, noise=0.0)
    dataset = SliceDataset(cached, changes, replace(recipe.preprocessing, neighbours=1))
    for seed in range(8):
        image = dataset[Draw(0, seed)].image  # the first slice, which is repeated in front of itself
        torch.testing.assert_close(image[0], image[1])
        assert not torch.allclose(image[1], image[2])


def test_slices_of_different_sizes_need_a_size(cached, recipe):
    other = replace(cached[1], size=(48, 32))
    with pytest.raises(InputError, match=r"\(32, 32\) and \(48, 32\) pixels"):
        SliceDataset([cached[0], other], Augmentation(), recipe.preprocessing)
    assert len(SliceDataset([cached[0], other], Augmentation(size=(32, 32)), recipe.preprocessing)) == 18


def test_a_number_decides_how_a_slice_is_changed(cached, recipe):
    dataset = SliceDataset(cached, recipe.augmentation, recipe.preprocessing)
    again = SliceDataset(cached, recipe.augmentation, recipe.preprocessing)
    dataset[Draw(0, 99)]  # whatever came before
    assert torch.equal(dataset[Draw(4, 1)].image, again[Draw(4, 1)].image)
    assert not torch.equal(dataset[Draw(4, 1)].image, dataset[Draw(4, 2)].image)
