"""The panel's "Erase here" with a segment of the scene, such as one that was painted in Segment Editor."""

import numpy as np
import pytest
from panel_at_work import AFFINE, SHAPE, finish, outline_node, pick, said, segmented, show_map

from AttnSegLib.networks.replacement import Replacement

TITLE = "gate 1,2"


def painted(voxels, affine=AFFINE, name="tumour"):
    """A segmentation of one segment, on the grid of an affine."""
    import slicer

    labels = slicer.util.addVolumeFromArray(
        np.uint8(voxels), ijkToRAS=affine, name="labels", nodeClassName="vtkMRMLLabelMapVolumeNode"
    )
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "painted")
    node.CreateDefaultDisplayNodes()
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, node)
    node.GetSegmentation().GetNthSegment(0).SetName(name)
    slicer.mrmlScene.RemoveNode(labels)
    return node


def a_corner(shape=SHAPE):
    """In the slices 2 and 3."""
    voxels = np.zeros(shape, bool)
    voxels[2:4, 5:12, 20:31] = True
    return voxels


def look_at(a_node, index):
    from AttnSegLib.mrml import views

    views.jump_to_slice(a_node, 0, index)


def choose(widget, text="painted: tumour"):
    widget.panel.refresh()
    pick(widget.ui.eraseBox, text)


def entries(ui):
    return [ui.eraseBox.itemText(number) for number in range(ui.eraseBox.count)]


def test_what_is_painted_in_the_slice_in_view_is_erased(widget, ui, worker, a_node):
    import slicer

    painted(a_corner())
    look_at(a_node, 3)
    show_map(widget, TITLE)
    choose(widget)
    assert not ui.eraseRadiusBox.enabled
    ui.eraseButton.click()
    options = worker.requests[-1].options
    assert options.replaced == (Replacement(TITLE, "erased"),)
    assert (options.region.start, options.region.stop) == ((3, 0, 0), (4, *SHAPE[1:]))
    erased = options.painted[TITLE]
    assert np.array_equal(erased[3], a_corner()[3])
    assert erased.sum() == a_corner()[3].sum()
    assert not ui.eraseButton.checked
    finish(widget)
    assert said(widget) == f"The model finds nothing in slice 3, with '{TITLE}' or without."
    name = f"{TITLE} erased, slice 3"
    assert outline_node().GetName() == name
    shown = slicer.util.arrayFromSegmentBinaryLabelmap(outline_node(), f"erased {name}", a_node)
    assert np.array_equal(shown[3], a_corner()[3])


def test_a_segment_on_another_grid_is_resampled(widget, ui, worker, a_node):
    finer = AFFINE @ np.diag([0.5, 0.5, 1, 1])
    finer[:3, 3] = (AFFINE @ [-0.25, -0.25, 0, 1])[:3]  # each voxel of the scan has four of these
    fine = np.kron(a_corner(), np.ones((1, 2, 2), bool))
    painted(fine, finer)
    look_at(a_node, 2)
    show_map(widget, TITLE)
    choose(widget)
    ui.eraseButton.click()
    assert np.array_equal(worker.requests[-1].options.painted[TITLE][2], a_corner()[2])


def test_a_segment_that_is_empty_in_this_slice_is_one_sentence(widget, ui, worker, a_node):
    painted(a_corner())
    look_at(a_node, 5)
    show_map(widget, TITLE)
    choose(widget)
    requests = len(worker.requests)
    ui.eraseButton.click()
    told = "'painted: tumour' has nothing in the slice in view; paint there, or go to a slice in which it is."
    assert told in said(widget)
    assert len(worker.requests) == requests
    assert not ui.eraseButton.checked


def test_a_transform_that_can_not_be_followed_is_one_sentence(widget, ui, worker, a_node):
    import slicer

    node = painted(a_corner())
    look_at(a_node, 3)
    show_map(widget, TITLE)
    choose(widget)
    requests = len(worker.requests)
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    node.SetAndObserveTransformNodeID(bent.GetID())
    ui.eraseButton.click()
    assert "non-linear transform" in said(widget)
    assert len(worker.requests) == requests


def test_all_segments_but_our_own_outlines_can_be_chosen_as_long_as_they_are_there(widget, ui, worker, scene):
    node = painted(a_corner())
    segmented(widget)
    show_map(widget, TITLE)
    ui.switchButton.click()
    while worker.is_busy:
        finish(widget)
    assert outline_node() is not None
    widget.panel.refresh()
    assert entries(ui) == ["a disc", "painted: tumour", "scan segmentation: Left atrium"]
    choose(widget)
    widget.panel.refresh()
    assert ui.eraseBox.currentText == "painted: tumour"
    scene.RemoveNode(node)
    widget.panel.refresh()
    assert ui.eraseBox.currentText == "a disc"
    assert ui.eraseRadiusBox.enabled


@pytest.mark.parametrize("how", ["a disc", "hide"])
def test_the_views_are_as_before_when_it_is_over(widget, ui, a_node, how):
    painted(a_corner())
    look_at(a_node, 3)
    show_map(widget, TITLE)
    choose(widget)
    ui.eraseButton.click()
    finish(widget, np.uint8(a_corner()))
    assert outline_node().GetDisplayNode().GetVisibility()
    if how == "hide":
        ui.hideMapsButton.click()
    else:
        choose(widget, how)
    assert not outline_node().GetDisplayNode().GetVisibility()


def test_while_something_runs_a_segment_waits(widget, ui):
    painted(a_corner())
    show_map(widget, TITLE)
    choose(widget)
    assert ui.eraseButton.enabled
    ui.applyButton.click()
    assert not ui.eraseButton.enabled
    finish(widget)
    assert ui.eraseButton.enabled
