"""The recipe of a collection: what it takes from the cases, how it is told, and that TOML holds all of it."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from made_up.balls import a_ball
from made_up.own_cases import AFFINE, BALL

from AttnSegLib.collections.cases import NewCase, add_case, make_collection
from AttnSegLib.collections.collection import LabelledSlices, open_collection
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import Code
from training.learning.recipe import from_dict, read_recipe
from training.slices.split import Split
from training.teaching.made_recipe import (
    NETWORKS,
    begun_by,
    in_plain_words,
    left_out,
    model_id_for,
    recipe_of_collection,
    recipe_table,
)
from training.teaching.survey import Survey, survey
from training.teaching.toml_file import toml_text, write_toml_file

LIVER = Survey("axial", 0.8, (380.0, 400.0), 220.0, 0.3, (-20.0, 190.0), False)


@pytest.fixture
def recipe_of(balls):
    def make(count, network="eccamunet", **changes):
        collection = open_collection(balls(count, **changes))
        return recipe_of_collection(collection, survey(collection), network, 30.0)

    return make


def test_slices_lie_as_the_scans_were_acquired(balls):
    assert survey(open_collection(balls(2))).plane == "axial"


def test_in_cubes_slices_lie_where_they_show_most(balls):
    """Of a plate across the first axis."""
    folder = balls(0)
    voxels = np.random.default_rng(0).integers(0, 99, (20, 20, 20)).astype(np.int16)
    plate = np.zeros(voxels.shape, np.uint8)
    plate[4:16, 4:16, 9:12] = 1
    add_case(folder, NewCase(Volume(voxels, np.eye(4)), plate))
    found = survey(open_collection(folder))
    assert found == Survey("sagittal", 1.0, (20.0, 20.0), 12.0, 3 / 20, found.intensities, False)


def test_slices_lie_where_they_were_labelled_one_by_one(balls):
    folder = balls(2, labelled=(LabelledSlices(1, 8, 20),))
    assert survey(open_collection(folder)).plane == "coronal"


def test_of_what_is_one_piece_in_three_cases_only_the_largest_piece_is_kept(recipe_of):
    recipe = recipe_of(3)
    assert recipe.card["largest_component"]
    assert any(line.startswith("Of each segment only the largest piece") for line in in_plain_words(recipe, 3))


@pytest.mark.parametrize("changes", [{"count": 2}, {"count": 3, "labelled": (LabelledSlices(0, 2, 6),)}])
def test_two_cases_or_some_slices_do_not_tell_that_a_segment_is_one_piece(recipe_of, changes):
    recipe = recipe_of(**changes)
    assert not recipe.card["largest_component"]
    assert not any("largest piece" in line for line in in_plain_words(recipe, 3))


@pytest.mark.parametrize(("present", "is_one"), [(3, True), (1, False)])
def test_cases_without_a_segment_do_not_tell_that_it_is_one_piece(tmp_path, present, is_one):
    lesion = replace(BALL, value=2, name="Lesion", type=Code("SCT", "3", "Lesion"))
    make_collection(tmp_path / "two", "Two", "MR", (BALL, lesion))
    for seed in range(3):
        voxels, label_map = a_ball(seed)
        label_map[0, 0, 0] = 2 * (seed < present)
        absent = () if seed < present else ("Lesion",)
        add_case(tmp_path / "two", NewCase(Volume(voxels, AFFINE), label_map, absent=absent))
    assert survey(open_collection(tmp_path / "two")).one_piece is is_one


@pytest.mark.parametrize(("beside", "is_one"), [(1, True), (300, False)])
def test_a_speck_beside_a_segment_is_no_piece_but_a_second_one_is(balls, beside, is_one):
    folder = balls(3)
    _, label_map = a_ball(3)
    label_map.ravel()[:beside] = 1
    add_case(folder, NewCase(Volume(a_ball(4)[0], np.eye(4)), label_map))
    assert survey(open_collection(folder)).one_piece is is_one


def test_slices_labelled_in_two_planes_are_refused(balls):
    folder = balls(2, labelled=(LabelledSlices(1, 8, 20), LabelledSlices(0, 2, 6)))
    with pytest.raises(InputError, match="are axial and coronal; label all scans in the same plane"):
        survey(open_collection(folder))


def test_a_collection_without_cases_is_refused(balls):
    with pytest.raises(InputError, match="has no case yet"):
        survey(open_collection(balls(0)))


def test_a_ct_gets_a_window_around_what_is_labelled_and_slices_that_are_not_too_large(balls):
    recipe = recipe_of_collection(open_collection(balls(1, modality="CT")), LIVER, "eccamunet", 30.0)
    assert recipe.preprocessing.window == (-125.0, 295.0)
    assert recipe.preprocessing.pixel_spacing == pytest.approx(2.3)
    assert recipe.augmentation.size == (176, 176)
    assert recipe.optimisation.foreground == 0.8
    assert recipe.optimisation.batch_size == 8


@pytest.mark.parametrize(("count", "left_out"), [(1, 0), (4, 0), (5, 1), (10, 2)])
def test_from_five_cases_on_some_are_left_out(recipe_of, count, left_out):
    recipe = recipe_of(count)
    assert len(recipe.split.test) == left_out
    words = list(in_plain_words(recipe, count))
    assert words[-1].startswith("Score: by case_" if left_out else "No score: with fewer than 5 cases all are")
    assert "Time: 30 minutes of learning; what is ready then is the model." in words


def test_what_first_weights_have_seen_is_not_kept_and_the_earliest_others_are(balls):
    """So a model that is taught on is scored by the cases of the one before, and learns from the new ones."""
    collection = open_collection(balls(10))
    before = left_out(collection, 0)
    assert before == ("case_007", "case_010")
    with_new = replace(collection, cases=(*collection.cases, replace(collection.cases[0], number=11)))
    seen = frozenset(case.id for case in collection.cases) - set(before)
    assert left_out(with_new, 0, seen) == before
    assert left_out(collection, 0, seen | {"case_007"}) == ("case_010",)
    everyone = frozenset(case.id for case in collection.cases)
    assert left_out(collection, 0, everyone) == ()


def test_the_only_case_with_a_segment_is_not_left_out(balls):
    collection = open_collection(balls(10))
    cases = tuple(replace(case, absent=() if case.number == 7 else ("ball",)) for case in collection.cases)
    assert "case_007" not in left_out(replace(collection, cases=cases), 0)


def test_without_a_case_to_leave_out_that_is_said(recipe_of):
    recipe = replace(recipe_of(5), split=Split())
    last = list(in_plain_words(recipe, 5))[-1]
    assert last.startswith("No score: no case can be left out; the first weights have learnt from it, or no other case")


def test_how_long_scoring_every_case_takes_is_told_before(recipe_of):
    recipe = replace(recipe_of(5), split=Split())
    words = list(in_plain_words(recipe, 5, 30.0))
    assert "Time: 30 minutes for the model, then 5 x 30 minutes for its score: 180 minutes of learning in all." in words
    assert words[-1] == "Score: by all 5 cases, of 5 more models that are taught without them."
    words = list(in_plain_words(recipe, 3, 1.0))
    assert "Time: 30 minutes for the model, then 3 x 1 minute for its score: 33 minutes of learning in all." in words
    assert words[-1].endswith("each for a shorter time than the model.")


@pytest.mark.parametrize("network", NETWORKS)
def test_a_file_holds_all_of_a_recipe(recipe_of, tmp_path, network):
    recipe = recipe_of(5, network)
    assert from_dict(tomllib.loads(toml_text(recipe_table(recipe)))) == recipe
    write_toml_file(tmp_path / "recipe.toml", recipe_table(recipe), "Made.")
    assert read_recipe([str(tmp_path / "recipe.toml")]) == recipe


def test_texts_of_any_letters_come_back_from_toml():
    table = {"a": 'quotes " and \\ and \x7f, \u00e4', "b": {"c d": [1, 2.5e-7, True], "e": None}, "f": {}}
    assert tomllib.loads(toml_text(table)) == {"a": table["a"], "b": {"c d": [1, 2.5e-7, True]}}


def test_first_weights_decide_the_sizes_of_the_network(recipe_of):
    recipe = recipe_of(5)
    slices = replace(recipe.preprocessing, neighbours=1, multiple=32)
    other = begun_by(recipe, {"width": 8, "in_channels": 3, "num_classes": 7}, slices)
    assert other.options == {"width": 8, "in_channels": 3, "num_classes": 2}
    assert other.preprocessing.neighbours == 1
    assert all(side % 32 == 0 for side in other.augmentation.size)


def test_an_unknown_network_is_refused(recipe_of):
    with pytest.raises(InputError, match="no network 'unet' to teach"):
        recipe_of(1, "unet")


def test_the_id_of_a_model_tells_the_collection(balls):
    assert model_id_for(open_collection(balls(0)), "afnet") == "my-ball-afnet"
