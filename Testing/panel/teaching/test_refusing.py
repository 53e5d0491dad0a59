"""The section "Teach": what can't become a case is one sentence, and nothing changes."""

import numpy as np
import pytest
from panel_at_work import AFFINE, SHAPE, said
from teaching_at_work import draw, masks, only_case, press, rows

from AttnSegLib.collections.changing import changing
from AttnSegLib.collections.collection import open_collection


def overlapping(drawn, volume):
    draw(drawn, volume, Head2=masks()[0])
    drawn.GetSegmentation().GetNthSegment(1).SetName("old")
    drawn.GetSegmentation().GetNthSegment(2).SetName("Tail")


def emptied(drawn, volume):
    drawn.GetSegmentation().RemoveAllSegments()
    draw(drawn, volume, Head=np.zeros(SHAPE, bool), Tail=np.zeros(SHAPE, bool))


def one_slice(drawn, volume):
    drawn.GetSegmentation().RemoveAllSegments()
    head, tail = (mask.copy() for mask in masks())
    for mask in (head, tail):
        mask[:2], mask[3:] = False, False
    draw(drawn, volume, Head=head, Tail=tail)


def called_alike(drawn, _volume):
    drawn.GetSegmentation().GetNthSegment(1).SetName("Head")


def strangers(drawn, _volume):
    for number in range(2):
        drawn.GetSegmentation().GetNthSegment(number).SetName(f"Segment_{number}")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda drawn, _: drawn.GetSegmentation().RemoveAllSegments(), "has no segment; add one"),
        (emptied, "Nothing is labelled in it"),
        (overlapping, "'Head' and 'Tail' overlap in 600 voxels"),
        (one_slice, "Only slice 2 has labels"),
        (called_alike, "Two segments are called 'Head'"),
        (strangers, "none of the collection's segments (Head, Tail), but: Segment_0, Segment_1"),
    ],
)
def test_what_can_not_be_learnt_from(widget, ui, collected, drawn, a_node, spoil, sentence):
    spoil(drawn, a_node)
    press(widget, ui.addCaseButton)
    assert sentence in said(widget)
    assert open_collection(collected).cases == ()


@pytest.mark.usefixtures("collected")
def test_nothing_chosen(widget, ui):
    widget.panel.parameters.caseSegmentation = None
    press(widget, ui.addCaseButton)
    assert "Choose the segmentation first." in said(widget)
    widget.panel.parameters.inputVolume = None
    press(widget, ui.addCaseButton)
    assert "Choose a volume first." in said(widget)


@pytest.mark.usefixtures("collected")
def test_a_case_added_twice(widget, ui):
    press(widget, ui.addCaseButton)
    press(widget, ui.addCaseButton)
    assert "This scan is case_001 of the collection already" in said(widget)
    assert len(rows(ui)) == 1


@pytest.mark.usefixtures("collected")
def test_another_modality(widget, ui, a_node):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), a_node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "CT")
    press(widget, ui.addCaseButton)
    assert "The scan is CT and the collection 'Heads' holds MR" in said(widget)


def test_two_slicers_on_one_collection(widget, ui, collected):
    with changing(collected):
        press(widget, ui.addCaseButton)
    assert "Another window or process changes the collection" in said(widget)
    press(widget, ui.addCaseButton)
    assert "Added case_001." in said(widget)


@pytest.mark.usefixtures("collected")
def test_a_network_drive_that_can_not_lock(widget, ui, monkeypatch):
    def no_lock(_file):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("AttnSegLib.collections.changing.take_lock_anywhere", no_lock)
    press(widget, ui.addCaseButton)
    assert "can't lock files" in said(widget)
    assert "keep the collection on a disk of this computer" in said(widget)


def test_what_another_slicer_added_is_seen(widget, ui, collected):
    from AttnSegLib.collections.cases import NewCase, add_case
    from AttnSegLib.images.volume import Volume

    label_map = masks()[0] + 2 * masks()[1].astype(np.uint8)
    add_case(collected, NewCase(Volume(np.random.default_rng(1).normal(size=SHAPE), AFFINE, "MR"), label_map))
    widget.panel.refresh()
    assert len(rows(ui)) == 1


@pytest.mark.usefixtures("collected")
def test_a_full_disk(widget, ui, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("AttnSegLib.collections.cases.write_voxels_file", full)
    press(widget, ui.addCaseButton)
    assert "No space left on device" in said(widget)
    assert "is as it was" in said(widget)
    assert ui.addCaseButton.enabled


def test_slicer_closed_in_the_middle_leaves_the_collection_as_it_was(widget, ui, collected, monkeypatch):
    """What was half written belongs to no case, and goes with the next change."""
    with monkeypatch.context() as patched:
        patched.setattr("AttnSegLib.collections.cases.write_collection", lambda _: (_ for _ in ()).throw(OSError(5)))
        press(widget, ui.addCaseButton)
    assert open_collection(collected).cases == ()
    assert len(list(collected.glob("images/*"))) == 1
    press(widget, ui.addCaseButton)
    assert [path.name for path in collected.glob("images/*")] == ["case_001_r1.nrrd"]


def test_the_scan_may_change_while_it_is_written(widget, ui, collected, a_node):
    """What is written is what was there when the button was pressed."""
    import slicer

    before = slicer.util.arrayFromVolume(a_node).copy()
    ui.addCaseButton.click()
    slicer.util.arrayFromVolume(a_node)[:] = 0
    press(widget, ui.partlyBox)
    np.testing.assert_array_equal(only_case(collected)[1].voxels, before)


def test_a_scene_that_closes_meanwhile_does_no_harm(widget, ui, collected, scene):
    ui.addCaseButton.click()
    scene.Clear(0)
    press(widget, ui.newCollectionButton)
    assert len(open_collection(collected).cases) == 1
