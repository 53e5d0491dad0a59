"""The panel after a run: results, slices to check."""

import numpy as np
from panel_at_work import MODEL, SHAPE, a_block, pick, said, segmented, voxels_of

from AttnSegLib.mrml import records
from AttnSegLib.results import metrics
from AttnSegLib.worker import messages

# what comes after a run


def test_the_table_goes_to_the_clipboard(widget, ui):
    import qt

    segmented(widget)
    ui.copyButton.click()
    assert qt.QApplication.clipboard().text() == "segment,volume_ml,mean,sd,slices\nLeft atrium,12.3,100.0,7.0,3\n"


def test_the_surface_is_made_on_demand(widget, ui):
    node = segmented(widget)
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")
    ui.surfaceBox.checked = True
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")
    ui.surfaceBox.checked = False
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")


def test_the_segment_editor_opens_with_the_result(widget, ui, a_node):
    import slicer

    node = segmented(widget)
    ui.editorButton.click()
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    assert editor.segmentationNode() is node
    assert editor.sourceVolumeNode() is a_node


def test_comparison_with_a_reference(widget, ui, worker, parameters):
    import slicer

    node = segmented(widget)
    reference = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "manual")
    reference.GetSegmentation().DeepCopy(node.GetSegmentation())
    parameters.reference = reference
    ui.compareButton.click()
    np.testing.assert_array_equal(worker.compared[0], worker.compared[1])
    scores = metrics.compare_masks(worker.compared[0] > 0, worker.compared[1] > 0, (1.0, 1.0, 1.0)).as_dict()
    worker.say(messages.Compared(worker.job.number, scores | {"hd95_mm": None}))
    widget.panel.poll()
    rows = [[ui.compareTable.item(r, c).text() for c in (0, 1)] for r in range(7)]
    assert rows[0] == ["Dice", "1.000"]
    assert rows[-1] == ["95 % Hausdorff distance, mm", "undefined"]


def test_a_click_goes_to_a_doubtful_slice_and_a_button_does_it_again(widget, ui, worker, a_node):
    from AttnSegLib.mrml import views

    node = segmented(widget)
    assert [ui.checkTable.item(0, c).text() for c in range(3)] == ["3", "0.75", "0.10"]
    ui.checkTable.setCurrentCell(1, 0)
    ui.checkTable.cellClicked.emit(1, 0)
    assert views.slice_in_view(a_node, 0) == 1
    ui.redoButton.click()
    region = worker.requests[-1].options.region
    assert (region.start[0], region.stop[0]) == (1, 2)
    only = np.zeros(SHAPE, np.uint8)
    only[1, 5:9, 5:9] = 1
    worker.finish(only)
    widget.panel.poll()
    expected = a_block()
    expected[1] = only[1]
    np.testing.assert_array_equal(voxels_of(node, a_node), expected)
    assert ui.checkTable.rowCount == 2  # the list is still that of the whole run


def test_another_model_replaces_just_this_slice_and_undo_brings_it_back(widget, ui, worker, a_node):
    node = segmented(widget)
    told = [ui.measureTable.item(0, c).text() for c in range(5)]
    pick(ui.modelBox, next(m.title for m in widget.panel.models if m.finds == "Left atrium in MR" and m.id != MODEL))
    assert widget.panel.spec.id != MODEL
    ui.checkTable.setCurrentCell(0, 0)
    ui.redoButton.click()
    only = np.zeros(SHAPE, np.uint8)
    only[3, 1:3, 1:5] = 1
    worker.finish(only)
    widget.panel.poll()
    assert node.GetSegmentation().GetNumberOfSegments() == 1
    expected = a_block()
    expected[3] = only[3]
    np.testing.assert_array_equal(voxels_of(node, a_node), expected)
    voxels = expected.sum()  # of 2 x 2 x 5 mm
    assert ui.measureTable.item(0, 1).text() == f"{voxels * 20 / 1000:.1f}"
    ui.undoButton.click()
    assert [ui.measureTable.item(0, c).text() for c in range(5)] == told  # it is still there, and so is its list
    assert ui.checkTable.rowCount == 2


def test_undo_of_a_second_run_shows_what_the_first_one_found(widget, ui, worker):
    segmented(widget)
    ui.applyButton.click()
    worker.finish(np.zeros(SHAPE, np.uint8), volume_ml=1.0)
    widget.panel.poll()
    assert ui.measureTable.item(0, 1).text() == "1.0"
    ui.undoButton.click()
    assert ui.measureTable.item(0, 1).text() == "12.3"


def test_what_one_wants_to_know_stands_in_the_result(widget, ui, worker, a_node):
    from AttnSegLib.mrml import views

    segmented(widget)
    assert "Slices to check:" in ui.checkLinks.text
    assert not any(one.isHidden() for one in (ui.measureTable, ui.checkLinks, ui.seeAttentionButton))
    assert 'href="3"' in ui.checkLinks.text
    ui.checkLinks.linkActivated.emit("3")
    assert views.slice_in_view(a_node, 0) == 3
    assert ui.checkSection.collapsed
    ui.checkLinks.linkActivated.emit("all")
    assert not ui.checkSection.collapsed
    ui.seeAttentionButton.click()
    assert not ui.attentionSection.collapsed
    assert worker.requests[-1].options.attention == widget.panel.spec.attention[:1]


def test_doing_a_slice_again_needs_a_choice(widget, ui, worker):
    segmented(widget)
    ui.redoButton.click()
    assert "Choose a slice" in said(widget)
    assert len(worker.requests) == 1


def test_a_slice_of_another_plane_is_not_done_again(widget, ui, worker):
    segmented(widget)
    ui.checkTable.setCurrentCell(1, 0)
    pick(ui.planeBox, "axial")
    ui.redoButton.click()
    assert "slices of another plane" in said(widget)
    assert len(worker.requests) == 1


def corrected(segmentation, a_node, to):
    """Painted in the Segment Editor."""
    import slicer

    mask = np.zeros(SHAPE, np.uint8)
    mask[2, 10:20, 10:to] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, "left_atrium", a_node)


def shown_ml(ui):
    return ui.measureTable.item(0, 1).text()


def test_what_was_corrected_by_hand_is_measured_again_when_the_panel_is_seen(widget, ui, a_node, monkeypatch):
    segmentation = segmented(widget)
    assert shown_ml(ui) == "12.3"
    assert widget.panel.result._rows()[0][4] == "3"
    measured = []
    again = records.measure_again
    monkeypatch.setattr(records, "measure_again", lambda *what: measured.append(1) or again(*what))
    for to in (20, 30):  # strokes
        corrected(segmentation, a_node, to)
        widget.panel.poll()
    assert measured == []
    widget.enter()
    assert shown_ml(ui) == "4.0"  # 200 voxels of 0.02 mL
    assert widget.panel.result._rows()[0][4] == "1"
    widget.panel.refresh()
    assert len(measured) == 1
    segmented(widget)
    assert shown_ml(ui) == "12.3"


def test_without_its_volume_the_last_measures_stay(widget, ui, a_node):
    import slicer

    segmentation = segmented(widget)
    corrected(segmentation, a_node, 20)
    slicer.mrmlScene.RemoveNode(a_node)
    widget.enter()
    assert shown_ml(ui) == "12.3"
