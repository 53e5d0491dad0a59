"""Damages of the cache of slices: what is damaged is made again."""

import json
from pathlib import Path

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from training import datasets
from training.learning.recipe import read_recipe
from training.slices.cache import SliceCache


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def of_another_shape(path):
    np.save(path, np.load(path)[:, 1:])


def no_json(path):
    path.write_text("{")


def of_another_version(path):
    path.write_text(json.dumps({"id": "case_0", "pixels": 3}))


def short_of_a_slice(path):
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"counts": facts["counts"][1:]}))


DAMAGES = [("images.npy", truncated), ("targets.npy", of_another_shape), ("targets.npy", Path.unlink)]
DAMAGES += [("json", one) for one in (no_json, of_another_version, short_of_a_slice, Path.unlink)]


@pytest.mark.parametrize(("suffix", "damage"), DAMAGES, ids=lambda one: getattr(one, "__name__", one))
def test_what_is_damaged_in_the_cache_is_made_again(suffix, damage, a_recipe, a_decathlon_task, tmp_path):
    cases = datasets.cases_of("msd", a_decathlon_task)[:1]
    cache = SliceCache(tmp_path, a_decathlon_task, read_recipe([str(a_recipe)]))
    cache.prepare(cases, slices=True)
    [before] = cache.cases(cases)
    images, targets = (np.array(array) for array in before.slices())
    [path] = before.images.parent.glob(f"case_0-*.{suffix}")
    damage(path)
    if path.suffix == ".npy":
        with pytest.raises(InputError, match=f"'{path}' of the cache is .*; start again"):
            before.slices()
    cache.prepare(cases, slices=True)
    assert cache.cases(cases) == [before]
    for kept, wanted in zip(before.slices(), (images, targets), strict=True):
        np.testing.assert_array_equal(kept, wanted)
