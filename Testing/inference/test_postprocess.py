"""Post-processing of hand-made label maps."""

import numpy as np
import pytest

from AttnSegLib.inference.postprocess import LargestPieces, keep_largest_pieces


def test_keeps_the_largest_part_of_each_label():
    label_map = np.zeros((3, 5, 7), np.uint8)
    label_map[1, 1, 1:4] = 1
    label_map[1, 4, 6] = 1
    label_map[2, 3, 0:2] = 2
    label_map[0, 0, 5:7] = 2
    label_map[1, 0, 5] = 2
    expected = label_map.copy()
    expected[1, 4, 6] = 0
    expected[2, 3, 0:2] = 0
    largest = LargestPieces.of(label_map)
    np.testing.assert_array_equal(largest.label_map, expected)
    assert largest.left_out == pytest.approx({1: 1 / 4, 2: 2 / 5})


def test_voxels_that_touch_at_corners_only_are_apart():
    label_map = np.zeros((2, 3, 3), np.uint8)
    label_map[0, 0, 0:2] = 1
    label_map[1, 1, 2] = 1
    assert LargestPieces.of(label_map).label_map.sum() == 2


def test_an_empty_label_map_stays_empty():
    largest = LargestPieces.of(np.zeros((2, 3, 4), np.uint8))
    assert not largest.label_map.any()
    assert largest.left_out == {}


def test_that_much_is_left_out_is_told():
    label_map = np.zeros((1, 1, 40), np.uint8)
    label_map[0, 0, [0, 1, 2, 3, 5]] = 1
    label_map[0, 0, [*range(10, 29), 30]] = 2
    told = []
    keep_largest_pieces(label_map, {1: "Spleen", 2: "Liver"}, told.append)
    assert np.bincount(label_map.ravel()).tolist() == [17, 4, 19]
    assert len(told) == 1
    assert "'Spleen' was found in several pieces" in told[0]
    assert "the others, 20% of the voxels, were left out" in told[0]


@pytest.mark.parametrize(("largest", "told"), [(9, 1), (10, 0)])
def test_a_tenth_is_much(largest, told):
    label_map = np.zeros((1, 1, 30), np.uint8)
    label_map[0, 0, [5, *range(10, 10 + largest)]] = 1
    sentences = []
    keep_largest_pieces(label_map, {}, sentences.append)
    assert len(sentences) == told
    assert all("'label 1' was found" in line and "10%" in line for line in sentences)


def test_it_is_never_said_that_all_was_left_out():
    label_map = np.zeros((1, 1, 2000), np.uint8)
    label_map[0, 0, ::2] = 1
    told = []
    keep_largest_pieces(label_map, {1: "Liver"}, told.append)
    assert label_map.sum() == 1
    assert "99% of the voxels" in told[0]
