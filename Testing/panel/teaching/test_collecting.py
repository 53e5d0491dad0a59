"""The section "Teach": a collection made of the scene, and its cases, exactly as they are."""

import numpy as np
import pytest
from panel_at_work import AFFINE, SHAPE, said, segmented
from teaching_at_work import HEAD, TAIL, draw, masks, only_case, press, rows

from AttnSegLib.collections.cases import make_collection
from AttnSegLib.collections.collection import open_collection


def moved(matrix, *nodes):
    """Put nodes under a transform."""
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    for node in nodes:
        node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def turned():
    cos, sin = np.cos(0.3), np.sin(0.3)
    return np.array([[cos, -sin, 0, 11], [sin, cos, 0, -7], [0, 0, 1, 3.5], [0, 0, 0, 1.0]])


# A collection


def test_without_a_collection_the_next_step_is_to_make_one(widget, ui, drawn):
    ui.teachSection.collapsed = False
    assert not ui.newCollectionFrame.isHidden()
    assert not ui.makeCollectionButton.enabled
    assert "make a collection of it" in ui.collectionLabel.text
    widget.panel.parameters.caseSegmentation = drawn
    assert "Head, Tail" in ui.newSegmentsLabel.text
    assert ui.makeCollectionButton.enabled


def test_a_collection_is_made_of_the_segments_with_their_terminology(widget, ui, drawn, tmp_path):
    import slicer

    from AttnSegLib.results.segmentation_file import terminology_entry

    segment = drawn.GetSegmentation().GetNthSegment(1)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology_entry(TAIL))
    widget.panel.parameters.caseSegmentation = drawn
    ui.newNameEdit.text = " My heads "
    ui.newModalityBox.setCurrentIndex(1)
    slicer.app.file_answers.append(str(tmp_path))
    ui.makeCollectionButton.click()
    made = open_collection(tmp_path / "My_heads")
    assert (made.name, made.modality) == ("My heads", "MR")
    assert [label.name for label in made.segments] == ["Head", "Tail"]
    assert made.segments[0].color == (255, 128, 0)
    assert made.segments[0].type.meaning == "Tissue"  # nobody said what it is
    assert made.segments[1].type == TAIL.type
    assert ui.collectionBox.itemText(ui.collectionBox.currentIndex) == "My heads, MR, 0 cases"
    ui.teachSection.collapsed = False
    assert ui.newCollectionFrame.isHidden()
    assert "Add 5 cases, and the model gets a score" in ui.collectionLabel.text


def test_a_collection_needs_a_name_and_a_place(widget, ui, drawn):
    import slicer

    widget.panel.parameters.caseSegmentation = drawn
    ui.makeCollectionButton.click()
    assert "Give the collection a name" in said(widget)
    ui.newNameEdit.text = "Heads"
    slicer.app.file_answers.append("")
    ui.makeCollectionButton.click()
    assert "No folder was chosen" in said(widget)


def test_a_collection_that_is_there_is_opened_and_remembered(widget, ui, tmp_path):
    import slicer

    folder = make_collection(tmp_path / "heads", "Heads", "MR", (HEAD,)).folder
    slicer.app.file_answers += [str(tmp_path), str(folder)]
    ui.openCollectionButton.click()
    assert "There is no collection" in said(widget)
    ui.openCollectionButton.click()
    assert widget.panel.collect.collection.name == "Heads"
    assert widget.panel.collect.shelf.folders == [folder]


def test_a_folder_that_was_moved_is_told_and_comes_back(widget, ui, collected, tmp_path):
    collected.rename(tmp_path / "elsewhere")
    widget.panel.refresh()
    assert "heads (not there)" in ui.collectionBox.itemText(0)
    assert "it was moved" in ui.collectionLabel.text
    assert not ui.addCaseButton.enabled
    (tmp_path / "elsewhere").rename(collected)
    widget.panel.refresh()
    assert ui.addCaseButton.enabled


# A case


def test_a_case_is_the_scan_and_its_segments_to_the_last_digit(widget, ui, collected, a_node):
    import slicer

    press(widget, ui.addCaseButton)
    assert "Added case_001." in said(widget)
    case, volume, label_map = only_case(collected)
    np.testing.assert_array_equal(volume.voxels, slicer.util.arrayFromVolume(a_node))
    np.testing.assert_array_equal(volume.affine, AFFINE)
    head, tail = masks()
    np.testing.assert_array_equal(label_map, head + 2 * tail)
    assert rows(ui) == [["case_001", "48 x 64 x 6", "all", ""]]
    assert "does not say whether it is CT or MR" in said(widget)
    assert not any("scan" in path.name for path in collected.rglob("*"))  # the node's name may be a patient's
    assert case.absent == ()


@pytest.mark.parametrize("both", [True, False])
def test_parent_transforms_are_applied(widget, ui, collected, a_node, drawn, both):
    """Both under one, or the scan alone: then the segments stay where they are, and the scan goes to them."""
    matrix = turned() if both else np.array([[1, 0, 0, 0], [0, 1, 0, 4], [0, 0, 1, -6], [0, 0, 0, 1.0]])
    moved(matrix, *((a_node, drawn) if both else (a_node,)))
    press(widget, ui.addCaseButton)
    _, volume, label_map = only_case(collected)
    np.testing.assert_allclose(volume.affine, matrix @ AFFINE, atol=1e-12)
    head, tail = masks()
    wanted = head + 2 * tail
    if not both:  # 4 mm anterior and 6 mm inferior are 2 and 3 voxels
        wanted = np.roll(wanted, (3, -2), axis=(1, 2))
    np.testing.assert_array_equal(label_map, wanted)


def test_a_bent_transform_is_refused(widget, ui, collected, a_node, drawn):
    import slicer
    import vtk

    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bent")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    drawn.SetAndObserveTransformNodeID(bent.GetID())
    press(widget, ui.addCaseButton)
    assert "non-linear transform" in said(widget)
    drawn.SetAndObserveTransformNodeID(None)
    a_node.SetAndObserveTransformNodeID(bent.GetID())
    press(widget, ui.addCaseButton)
    assert "non-linear transform" in said(widget)
    assert open_collection(collected).cases == ()


def test_segments_of_another_grid_are_resampled_and_that_is_said(widget, ui, collected):
    import slicer

    from AttnSegLib.mrml.segmentations import new_segmentation_node

    coarse = AFFINE @ np.diag([2, 2, 1, 1.0])
    other = slicer.util.addVolumeFromArray(np.zeros((6, 32, 24), np.int16), ijkToRAS=coarse, name="coarse")
    node = new_segmentation_node(other)
    mask = np.zeros((6, 32, 24), bool)
    mask[1:4, 5:10, 5:15] = True
    draw(node, other, Head=mask, Tail=np.roll(mask, 10, axis=1))
    widget.panel.parameters.caseSegmentation = node
    press(widget, ui.addCaseButton)
    assert "resampled onto that of the scan" in said(widget)
    _, volume, label_map = only_case(collected)
    assert label_map.shape == volume.voxels.shape
    assert abs(np.count_nonzero(label_map == 1) - 3 * 10 * 20) < 130


def test_segments_that_go_beyond_the_scan_are_cut_to_it(widget, ui, collected):
    """Drawn on a larger grid with the same voxels, as after the scan was cropped: nothing is resampled."""
    import slicer

    from AttnSegLib.mrml.segmentations import new_segmentation_node

    shift = np.eye(4)
    shift[:3, 3] = (-4, 3, -1)  # voxels i, j, k
    larger = slicer.util.addVolumeFromArray(np.zeros((9, 70, 60), np.int16), ijkToRAS=AFFINE @ shift, name="larger")
    node = new_segmentation_node(larger)
    head, tail = np.zeros((9, 70, 60), bool), np.zeros((9, 70, 60), bool)
    head[0:4, 2:20, 0:10] = True
    tail[3:6, 30:40, 20:30] = True
    draw(node, larger, Head=head, Tail=tail)
    widget.panel.parameters.caseSegmentation = node
    press(widget, ui.addCaseButton)
    assert "resampled" not in said(widget)
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[0:3, 5:23, 0:6] = 1
    wanted[2:5, 33:43, 16:26] = 2
    np.testing.assert_array_equal(only_case(collected)[2], wanted)


def test_segments_are_known_by_their_terminology(widget, ui, tmp_path, drawn, messages):
    import slicer

    from AttnSegLib.results.segmentation_file import terminology_entry

    collected = make_collection(tmp_path / "heads", "Heads", "MR", (HEAD, TAIL)).folder
    widget.panel.collect.shelf.choose(collected)
    tag = slicer.vtkSegment.GetTerminologyEntryTagName()
    for number, label in enumerate((HEAD, TAIL)):
        segment = drawn.GetSegmentation().GetNthSegment(number)
        segment.SetName(f"Segment_{number}")
        segment.SetTag(tag, terminology_entry(label))
    widget.panel.parameters.caseSegmentation = drawn
    press(widget, ui.addCaseButton)
    head, tail = masks()
    np.testing.assert_array_equal(only_case(collected)[2], head + 2 * tail)
    assert messages.questions == []


def test_a_missing_segment_is_asked_about(widget, ui, collected, drawn, messages):
    drawn.GetSegmentation().GetNthSegment(1).SetName("Something")
    messages.answer = False
    press(widget, ui.addCaseButton)
    assert "Nothing is segmented as 'Tail'" in messages.questions[0]
    assert "Something" in messages.questions[0]
    assert "Nothing was added; segment 'Tail' first." in said(widget)
    assert open_collection(collected).cases == ()
    messages.answer = True
    press(widget, ui.addCaseButton)
    assert only_case(collected)[0].absent == ("tail",)
    assert "'Something' is no segment of the collection" in said(widget)
    assert rows(ui)[0][3] == "Tail"


def test_only_some_slices_count(widget, ui, collected):
    ui.partlyBox.checked = True
    assert ui.lastLabelledBox.value == SHAPE[0] - 1
    ui.firstLabelledBox.value, ui.lastLabelledBox.value = 2, 3
    press(widget, ui.addCaseButton)
    case, _, _ = only_case(collected)
    assert (case.labelled.axis, case.labelled.first, case.labelled.last) == (0, 2, 3)
    assert rows(ui)[0][2] == "2-3"
    assert not ui.partlyBox.checked  # or the next case would be learnt from in these slices alone
    ui.partlyBox.checked = True
    assert (ui.firstLabelledBox.value, ui.lastLabelledBox.value) == (0, SHAPE[0] - 1)
    ui.firstLabelledBox.value, ui.lastLabelledBox.value = 2, 70
    ui.replaceCaseButton.enabled = True
    ui.caseTable.setCurrentCell(0, 0)
    press(widget, ui.replaceCaseButton)
    assert "Slices 2 to 70 are not among the scan's 0 to 5" in said(widget)
    assert only_case(collected)[0] == case


def test_labelled_slices_are_those_of_one_volume_and_come_back_with_their_case(widget, ui, collected, a_node):
    ui.partlyBox.checked = True
    ui.firstLabelledBox.value, ui.lastLabelledBox.value = 2, 3
    press(widget, ui.addCaseButton)
    ui.caseTable.setCurrentCell(0, 0)
    press(widget, ui.lookButton)
    assert (ui.partlyBox.checked, ui.firstLabelledBox.value, ui.lastLabelledBox.value) == (True, 2, 3)
    press(widget, ui.replaceCaseButton)
    assert only_case(collected)[0].labelled.last == 3
    ui.partlyBox.checked = True
    widget.panel.parameters.inputVolume = a_node
    assert not ui.partlyBox.checked


def test_a_case_is_looked_at_corrected_and_replaced(widget, ui, collected, a_node):
    press(widget, ui.addCaseButton)
    before = only_case(collected)
    ui.caseTable.setCurrentCell(0, 0)
    press(widget, ui.lookButton)
    assert "case_001 is loaded" in said(widget)
    shown, segmentation = widget.panel.parameters.inputVolume, widget.panel.parameters.caseSegmentation
    assert (shown.GetName(), shown is a_node) == ("Heads case_001", False)
    assert segmentation.GetSegmentation().GetNthSegment(1).GetName() == "Tail"
    press(widget, ui.replaceCaseButton)
    assert "Replaced case_001." in said(widget)
    after = only_case(collected)
    assert after[0].revision == 2
    for one, other in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(getattr(one, "voxels", one), getattr(other, "voxels", other))


def test_a_result_is_the_next_case_unless_one_of_the_scan_is_chosen(widget, collected, drawn):
    assert collected.is_dir()
    result = segmented(widget)
    assert widget.panel.parameters.caseSegmentation is drawn
    widget.panel.parameters.caseSegmentation = None
    segmented(widget)
    assert widget.panel.parameters.caseSegmentation is result


def test_a_case_is_taken_out_after_asking(widget, ui, collected, messages):
    press(widget, ui.addCaseButton)
    ui.caseTable.setCurrentCell(0, 0)
    messages.answer = False
    press(widget, ui.takeOutButton)
    assert len(open_collection(collected).cases) == 1
    messages.answer = True
    press(widget, ui.takeOutButton)
    assert open_collection(collected).cases == ()
    assert not ui.lookButton.enabled
