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
