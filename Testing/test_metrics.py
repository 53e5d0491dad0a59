"""Metrics on masks small enough to count by eye."""

import math

import numpy as np
import pytest

from AttnSegLib import metrics

REFERENCE = np.array([[[1, 1, 0, 0], [1, 1, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]]], bool)  # 4 voxels in slice 0
PREDICTION = np.array([[[0, 1, 1, 0], [0, 1, 1, 0]], [[0, 0, 0, 1], [0, 0, 0, 0]]], bool)  # 5 voxels, 2 of them right
EMPTY = np.zeros_like(REFERENCE)


def test_dice_precision_and_recall_of_hand_drawn_masks():
    assert metrics.dice(REFERENCE, PREDICTION) == pytest.approx(2 * 2 / (4 + 5))
    assert metrics.precision(REFERENCE, PREDICTION) == pytest.approx(2 / 5)
    assert metrics.recall(REFERENCE, PREDICTION) == pytest.approx(2 / 4)


def test_perfect_and_disjoint_masks():
    assert metrics.dice(REFERENCE, REFERENCE) == 1
    assert metrics.dice(REFERENCE, ~REFERENCE) == 0


def test_empty_masks():
    assert metrics.dice(EMPTY, EMPTY) == 1
    assert metrics.dice(REFERENCE, EMPTY) == 0
    assert math.isnan(metrics.precision(REFERENCE, EMPTY))
    assert math.isnan(metrics.recall(EMPTY, PREDICTION))


def test_slice_dice_leaves_slices_out_that_are_empty_on_both_sides():
    np.testing.assert_array_equal(metrics.slice_dice(REFERENCE, REFERENCE), [1, np.nan])
    np.testing.assert_array_equal(metrics.slice_dice(REFERENCE, PREDICTION), [0.5, 0])


def test_iou_and_volume_similarity_of_hand_drawn_masks():
    assert metrics.iou(REFERENCE, PREDICTION) == pytest.approx(2 / 7)
    assert metrics.volume_similarity(REFERENCE, PREDICTION) == pytest.approx(1 - 1 / 9)
    assert metrics.iou(EMPTY, EMPTY) == metrics.volume_similarity(EMPTY, EMPTY) == 1
    assert metrics.iou(REFERENCE, EMPTY) == metrics.volume_similarity(REFERENCE, EMPTY) == 0


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
    assert metrics.mean_surface_distance(reference, prediction, (1.0, 1.0, 2.5)) == pytest.approx(
        (18 * 7.5 + 12.5) / 19
    )


def test_hd95_is_the_larger_of_both_directions(two_plates):
    reference, prediction = two_plates
    expected = np.percentile([*[7.5] * 9, 12.5], 95)
    assert metrics.hd95(reference, prediction, (1.0, 1.0, 2.5)) == pytest.approx(expected)
    assert metrics.hd95(prediction, reference, (1.0, 1.0, 2.5)) == pytest.approx(expected)


def test_the_spacing_belongs_to_i_j_k():
    reference, prediction = np.zeros((2, 4, 4, 9), bool)
    reference[1, 1, 1] = prediction[1, 1, 6] = True  # five voxels apart along i
    assert metrics.hd95(reference, prediction, (0.5, 7.0, 9.0)) == pytest.approx(2.5)


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


def test_compare_says_none_where_a_value_is_undefined():
    scores = metrics.compare(REFERENCE, EMPTY, (1.0, 1.0, 1.0))
    assert scores["dice"] == 0
    assert scores["precision"] is scores["hd95_mm"] is scores["mean_surface_distance_mm"] is None
    both_empty = metrics.compare(EMPTY, EMPTY, (1.0, 1.0, 1.0))
    assert both_empty["dice"] == 1
    assert both_empty["hd95_mm"] == both_empty["mean_surface_distance_mm"] == 0
