"""The section "Teach": a left-out case is watched while the model improves."""

import os

import numpy as np
from panel_at_work import AFFINE, SHAPE, said
from teaching_at_work import masks, press, settle

from AttnSegLib.collections.teaching_run import LEARNING, LEFT_OUT, TeachingDiary, TeachingOrder
from AttnSegLib.collections.voxel_file import write_voxels_file


def found(run, label_map, at):
    """What the training writes after a scoring. at: ns."""
    write_voxels_file(run / LEFT_OUT, label_map.astype(np.uint8), AFFINE)
    os.utime(run / LEFT_OUT, ns=(at, at))


def shown(segmentation, volume):
    import slicer

    return [slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume) > 0 for name in ("Head", "Tail")]


def test_what_is_found_in_a_left_out_case_follows_the_run(widget, ui, ready, scene):
    import slicer

    section, (head, tail) = widget.panel.left_out, masks()
    TeachingDiary(ready, TeachingOrder(10, "anunet")).note(LEARNING, left_out="case_001")
    section.look()
    assert not ui.leftOutButton.enabled  # nothing was scored yet
    found(ready, np.zeros(SHAPE), at=10**9)
    section.look()
    press(widget, ui.leftOutButton)
    assert "case_001 is left out of the training" in said(widget)
    volume = slicer.util.getNode("Heads case_001, left out")
    segmentation = slicer.util.getNode("Heads case_001, left out segmentation")
    assert not any(mask.any() for mask in shown(segmentation, volume))
    found(ready, head + 2 * tail, at=2 * 10**9)
    section.look()
    settle(widget)
    for mask, wanted in zip(shown(segmentation, volume), (head, tail), strict=True):
        np.testing.assert_array_equal(mask, wanted)
    scene.RemoveNode(segmentation)
    found(ready, np.zeros(SHAPE), at=3 * 10**9)
    section.look()
    settle(widget)  # nobody watches any more


def test_where_none_is_left_out_there_is_nothing_to_watch(widget, ui, ready):
    TeachingDiary(ready, TeachingOrder(10, "anunet")).note(LEARNING)
    found(ready, np.zeros(SHAPE), at=10**9)
    widget.panel.left_out.look()
    assert not ui.leftOutButton.enabled
