"""The doubtful slices of a result."""

import numpy as np
import pytest

from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.results.slices_to_check import doubt, slices_to_check

AXIAL = slice_orientation(np.diag([1.0, 1.0, 3.0, 1.0]), "axial")


@pytest.fixture
def label_map():
    """Areas 0, 4, 4, 16, 4, 4, 0 along k."""
    labels = np.zeros((7, 6, 6), np.uint8)
    labels[1:6, :2, :2] = 1
    labels[3, :4, :4] = 1
    return labels


def test_a_jump_of_the_area_comes_first(label_map):
    found = slices_to_check(label_map, AXIAL, {})
    assert found[0].index == 3
    assert found[0].area_jump == pytest.approx(12 / 16)
    assert found[-1].area_jump <= 2 / 16


def test_an_expected_error_counts_as_much(label_map):
    found = slices_to_check(label_map, AXIAL, {5: 0.9, 1: 0.1})
    assert (found[0].index, found[0].expected_error) == (5, 0.9)
    assert found[1].index == 3


def test_slices_without_anything_are_left_out():
    assert slices_to_check(np.zeros((3, 4, 4), np.uint8), AXIAL, {1: 0.0}) == []
    assert [s.index for s in slices_to_check(np.zeros((3, 4, 4), np.uint8), AXIAL, {1: 0.4})] == [1]


def test_the_slice_axis_may_be_any():
    labels = np.zeros((4, 4, 5), np.uint8)
    labels[:, :, 2] = 1
    sagittal = slice_orientation(np.diag([3.0, 1.0, 1.0, 1.0]), "sagittal")
    assert slices_to_check(labels, sagittal, {})[0].index == 2


def test_an_expected_error_or_a_jump_over_the_threshold_is_doubtful(label_map):
    label_map[1::4] = 0  # areas 0, 0, 4, 16, 4, 0, 0
    found = slices_to_check(label_map, AXIAL, {6: 0.3, 0: 0.1})
    assert [s.index for s in found if s.is_doubtful] == [3, 6, 2, 4, 1, 5]  # the neighbours of slice 3 jump, too
    assert [s.index for s in slices_to_check(label_map * 0, AXIAL, {5: 0.3, 2: 0.1}) if s.is_doubtful] == [5]


def test_the_doubt_of_a_scan_is_the_mean_error_expected_where_something_was_found(label_map):
    assert doubt(label_map, AXIAL, {1: 0.1, 3: 0.4, 6: 0.9}) == pytest.approx(0.5 / 5)
    assert doubt(np.zeros_like(label_map), AXIAL, {}) == 1.0
