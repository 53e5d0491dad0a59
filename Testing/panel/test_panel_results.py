"""The panel after a run: results, slices to check, attention."""

import numpy as np
import pytest
from panel_at_work import MODEL, SHAPE, a_block, pick, said, segmented, voxels_of

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


# attention


def test_a_map_of_the_slice_in_view_becomes_the_foreground(widget, ui, worker, a_node):
    import slicer

    pick(ui.mapBox, "gate 1,2")
    region = worker.requests[0].options.region
    assert region.stop[0] - region.start[0] == 1
    worker.finish()
    widget.panel.poll()
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    shown = slicer.mrmlScene.GetNodeByID(red.GetForegroundVolumeID())
    assert shown.GetName() == "attention: gate 1,2"
    assert slicer.util.arrayFromVolume(shown).shape == (1, 64, 48)
    assert red.GetForegroundOpacity() == pytest.approx(0.5)
    ui.opacitySlider.value = 0.8
    assert red.GetForegroundOpacity() == pytest.approx(0.8)
    ui.thresholdSlider.value = 0.4
    assert shown.GetDisplayNode().GetLowerThreshold() == pytest.approx(0.4)
    ui.hideMapsButton.click()
    assert red.GetForegroundVolumeID() is None
    assert slicer.mrmlScene.IsNodePresent(shown)
    assert a_node.GetDisplayNode() is not shown.GetDisplayNode()


def test_what_the_user_lays_over_the_image_stays_there(widget, ui, worker, a_node):
    import slicer

    pick(ui.mapBox, "gate 1,2")
    worker.finish()
    widget.panel.poll()
    red, green = (slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in ("Red", "Green"))
    red.SetForegroundVolumeID(a_node.GetID())
    red.SetForegroundOpacity(0.25)
    widget.panel.refresh()
    ui.opacitySlider.value = 0.8
    assert (red.GetForegroundVolumeID(), red.GetForegroundOpacity()) == (a_node.GetID(), 0.25)
    assert green.GetForegroundOpacity() == pytest.approx(0.8)
    green.SetForegroundOpacity(0.1)  # by hand, in the view itself
    widget.panel.refresh()
    assert green.GetForegroundOpacity() == pytest.approx(0.1)
    pick(ui.mapBox, "gate 1,2")  # asked for again
    worker.finish()
    widget.panel.poll()
    assert red.GetForegroundVolumeID() == green.GetForegroundVolumeID() != a_node.GetID()


def test_a_map_of_the_whole_volume(widget, ui, worker):
    import slicer

    pick(ui.mapBox, "gate 1,2")
    worker.finish()
    widget.panel.poll()
    ui.wholeVolumeButton.click()
    assert worker.requests[-1].options.region is None
    worker.finish()
    widget.panel.poll()
    assert slicer.util.arrayFromVolume(slicer.util.getNode("attention: gate 1,2")).shape == SHAPE


def test_all_maps_become_a_sequence(widget, ui, worker):
    import slicer

    ui.sequenceButton.click()
    assert len(worker.requests[0].options.attention) == 10
    worker.finish()
    widget.panel.poll()
    sequence = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSequenceNode")
    assert sequence.GetNumberOfDataNodes() == 10
    assert sequence.GetIndexName() == "gate"


def test_volume_rendering_where_there_is_none_says_so(widget, ui, worker):
    pick(ui.mapBox, "gate 1,2")
    worker.finish()
    widget.panel.poll()
    ui.renderingBox.checked = True
    assert "Volume rendering" in ui.statusLabel.text


def test_a_query_point_shows_where_it_looks_as_it_moves(widget, ui, worker):
    import dataclasses

    import slicer

    spec = widget.panel.spec
    facts = dataclasses.replace(spec.facts, maps=("self",), queries=("self",))
    widget.panel.models = [dataclasses.replace(spec, facts=facts)]
    widget.panel.refresh()
    ui.queryButton.click()
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    point = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode")
    point.AddControlPointWorld([15.0, 20.0, 40.0])  # voxels are 2 x 2 x 5 mm
    assert worker.requests[-1].options.query == (3, 20, 10)
    point.SetNthControlPointPositionWorld(0, [15.0, 22.0, 40.0])
    point.SetNthControlPointPositionWorld(0, [15.0, 30.0, 40.0])
    assert len(worker.requests) == 1  # the last one waits
    worker.finish()
    widget.panel.poll()
    assert [request.options.query for request in worker.requests[1:]] == [(3, 20, 15)]
    assert slicer.util.getNode("attention: self")
    ui.queryButton.click()
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode") is None


def test_without_self_attention_there_is_nothing_to_query(ui):
    assert not ui.queryButton.enabled
