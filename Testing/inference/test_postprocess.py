"""Post-processing of hand-made label maps."""

import numpy as np

from AttnSegLib.inference.postprocess import keep_largest_component


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
    np.testing.assert_array_equal(keep_largest_component(label_map), expected)


def test_voxels_that_touch_at_corners_only_are_apart():
    label_map = np.zeros((2, 3, 3), np.uint8)
    label_map[0, 0, 0:2] = 1
    label_map[1, 1, 2] = 1
    assert keep_largest_component(label_map).sum() == 2


def test_an_empty_label_map_stays_empty():
    assert not keep_largest_component(np.zeros((2, 3, 4), np.uint8)).any()
