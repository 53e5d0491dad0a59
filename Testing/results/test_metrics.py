"""Metrics on masks small enough to count by eye."""

import math

import numpy as np
import pytest

from AttnSegLib.results import metrics

REFERENCE = np.array([[[1, 1, 0, 0], [1, 1, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]]], bool)  # 4 voxels in slice 0
PREDICTION = np.array([[[0, 1, 1, 0], [0, 1, 1, 0]], [[0, 0, 0, 1], [0, 0, 0, 0]]], bool)  # 5 voxels, 2 of them right
EMPTY = np.zeros_like(REFERENCE)


def test_dice_precision_and_recall_of_hand_drawn_masks():
    assert metrics.dice(REFERENCE, PREDICTION) == pytest.approx(2 * 2 / (4 + 5))
    counts = metrics.Counts.of(REFERENCE, PREDICTION)
    assert counts == metrics.Counts(tp=2, fp=3, fn=2, tn=9)
    assert counts.precision == pytest.approx(2 / 5)
    assert counts.recall == pytest.approx(2 / 4)
    assert counts.accuracy == pytest.approx(11 / 16)


def test_pooled_counts_are_not_the_mean_of_the_cases():
    pooled = metrics.Counts.of(REFERENCE, PREDICTION) + metrics.Counts.of(REFERENCE, REFERENCE)
    assert pooled.dice == pytest.approx(2 * 6 / (8 + 9))  # the mean of 4/9 and 1 is another number


def test_perfect_and_disjoint_masks():
    assert metrics.dice(REFERENCE, REFERENCE) == 1
    assert metrics.dice(REFERENCE, ~REFERENCE) == 0


def test_empty_masks():
    assert metrics.dice(EMPTY, EMPTY) == 1
    assert metrics.dice(REFERENCE, EMPTY) == 0
    nothing_found, nothing_there = metrics.Counts.of(REFERENCE, EMPTY), metrics.Counts.of(EMPTY, PREDICTION)
    assert (nothing_found.precision, nothing_found.recall) == (0, 0)
    assert (nothing_there.precision, nothing_there.recall) == (0, 0)
    both_empty = metrics.Counts.of(EMPTY, EMPTY)
    assert (both_empty.precision, both_empty.recall) == (1, 1)


def test_slice_dice_leaves_slices_out_that_are_empty_on_both_sides():
    np.testing.assert_array_equal(metrics.slice_dice(REFERENCE, REFERENCE), [1, np.nan])
    np.testing.assert_array_equal(metrics.slice_dice(REFERENCE, PREDICTION), [0.5, 0])


def test_iou_and_volume_similarity_of_hand_drawn_masks():
    assert metrics.Counts.of(REFERENCE, PREDICTION).iou == pytest.approx(2 / 7)
    assert metrics.volume_similarity(REFERENCE, PREDICTION) == pytest.approx(1 - 1 / 9)
    assert metrics.Counts.of(EMPTY, EMPTY).iou == metrics.volume_similarity(EMPTY, EMPTY) == 1
    assert metrics.Counts.of(REFERENCE, EMPTY).iou == metrics.volume_similarity(REFERENCE, EMPTY) == 0


def test_the_relative_volume_difference_is_a_share_of_the_reference():
    assert metrics.relative_volume_difference(REFERENCE, PREDICTION) == pytest.approx(1 / 4)
    assert metrics.relative_volume_difference(PREDICTION, REFERENCE) == pytest.approx(1 / 5)
    assert math.isnan(metrics.relative_volume_difference(EMPTY, PREDICTION))


def test_the_area_under_the_roc_curve_counts_pairs_and_ties_half():
    reference = np.array([True, True, False, False, False])
    probability = np.array([0.9, 0.4, 0.4, 0.2, 0.1])
    assert metrics.roc_auc(reference, probability) == pytest.approx((3 + 2.5) / 6)
    assert metrics.roc_auc(reference, -probability) == pytest.approx(1 - (3 + 2.5) / 6)
    assert math.isnan(metrics.roc_auc(np.ones(5, bool), probability))


@pytest.fixture
def two_plates():
    """Plates of 1 x 3 x 3 voxels in slices 1 and 4, the second with a voxel further out, in slice 6."""
    reference, prediction = np.zeros((2, 8, 5, 5), bool)
    reference[1, 1:4, 1:4] = True
    prediction[4, 1:4, 1:4] = True
    prediction[6, 2, 2] = True
    return reference, prediction


def test_surface_distances_are_in_mm(two_plates):
    reference, prediction = two_plates
    there, back = metrics.surface_distances(reference, prediction, (1.0, 1.0, 2.5))
    np.testing.assert_allclose(there, np.full(9, 3 * 2.5), rtol=1e-6)
    np.testing.assert_allclose(np.sort(back), [*[3 * 2.5] * 9, 5 * 2.5], rtol=1e-6)
    scores = metrics.compare_masks(reference, prediction, (1.0, 1.0, 2.5))
    assert scores.mean_surface_distance_mm == pytest.approx((18 * 7.5 + 12.5) / 19)


def test_hd95_is_the_larger_of_both_directions(two_plates):
    reference, prediction = two_plates
    expected = np.percentile([*[7.5] * 9, 12.5], 95)
    assert metrics.compare_masks(reference, prediction, (1.0, 1.0, 2.5)).hd95_mm == pytest.approx(expected)
    assert metrics.compare_masks(prediction, reference, (1.0, 1.0, 2.5)).hd95_mm == pytest.approx(expected)


def test_the_spacing_belongs_to_i_j_k():
    reference, prediction = np.zeros((2, 4, 4, 9), bool)
    reference[1, 1, 1] = prediction[1, 1, 6] = True  # five voxels apart along i
    assert metrics.compare_masks(reference, prediction, (0.5, 7.0, 9.0)).hd95_mm == pytest.approx(2.5)


def test_a_solid_only_counts_its_shell():
    solid = np.zeros((7, 7, 7), bool)
    solid[1:6, 1:6, 1:6] = True
    there, _ = metrics.surface_distances(solid, solid, (1.0, 1.0, 1.0))
    assert len(there) == 5**3 - 3**3
    assert there.max() == 0


def test_a_mask_at_the_border_of_the_volume_has_a_surface_there():
    full = np.ones((3, 3, 3), bool)
    there, _ = metrics.surface_distances(full, full, (1.0, 1.0, 1.0))
    assert len(there) == 27 - 1


def test_with_an_open_border_a_mask_goes_on_beyond_the_volume():
    half = np.zeros((6, 5, 5), bool)
    half[:3] = True  # touches all sides but one
    there, _ = metrics.surface_distances(half, half, (1.0, 1.0, 1.0), open_border=True)
    assert len(there) == 25


def test_the_largest_surface_distance(two_plates):
    assert metrics.compare_masks(*two_plates, (1.0, 1.0, 2.5)).max_surface_distance_mm == pytest.approx(12.5)
    assert math.isnan(metrics.compare_masks(REFERENCE, EMPTY, (1.0, 1.0, 1.0)).max_surface_distance_mm)


def test_compare_gives_both_ways_to_count_empty_slices_and_both_units(two_plates):
    scores = metrics.compare_masks(REFERENCE, PREDICTION, (1.0, 1.0, 1.0))
    assert (scores.slice_dice, scores.slice_dice_all) == (0.25, 0.25)
    scores = metrics.compare_masks(REFERENCE, REFERENCE & PREDICTION, (1.0, 1.0, 1.0))
    assert scores.slice_dice == pytest.approx(2 * 2 / (4 + 2))
    assert scores.slice_dice_all == pytest.approx((2 / 3 + 1) / 2)
    scores = metrics.compare_masks(*two_plates, (1.0, 1.0, 2.5), slice_axis=1)
    assert scores.mean_surface_distance_voxels == pytest.approx((18 * 3 + 5) / 19)
    assert scores.mean_surface_distance_mm == pytest.approx((18 * 7.5 + 12.5) / 19)
    assert scores.slice_dice == 0
    assert scores.slice_dice_all == pytest.approx(2 / 5)


def test_compare_says_none_where_a_value_is_undefined():
    scores = metrics.compare_masks(REFERENCE, EMPTY, (1.0, 1.0, 1.0)).as_dict()
    assert scores["dice"] == 0
    assert scores["hd95_mm"] is scores["mean_surface_distance_mm"] is scores["max_surface_distance_mm"] is None
    both_empty = metrics.compare_masks(EMPTY, EMPTY, (1.0, 1.0, 1.0)).as_dict()
    assert both_empty["dice"] == 1
    assert both_empty["hd95_mm"] == both_empty["mean_surface_distance_mm"] == 0


def test_the_surface_of_a_single_slice_is_its_outline():
    j, i = np.mgrid[:80, :80]
    large, small = (((j - 40) ** 2 + (i - 40) ** 2 < radius**2)[None] for radius in (30, 20))
    scores = metrics.compare_masks(large, small, (1.0, 1.0, 1.0))
    assert scores.mean_surface_distance_mm == pytest.approx(10, abs=0.5)
    assert scores.hd95_mm == pytest.approx(10, abs=0.5)
