"""The panel and scenes: loaded while it is open, closed, and what a result leaves in its nodes."""

import numpy as np
from panel_at_work import MODEL, SHAPE, a_block, said, segmented, voxels_of


def saved(folder):
    import slicer

    path = str(folder / "scene.mrb")
    assert slicer.util.saveScene(path, {})
    return path


def table(widget):
    ui = widget.ui
    return [[ui.measureTable.item(r, c).text() for c in range(5)] for r in range(ui.measureTable.rowCount)]


def test_a_scene_that_is_loaded_is_taken_over_at_once(widget, ui, tmp_path):
    import slicer

    segmented(widget)
    widget.panel.parameters.opacity = 0.25
    path = saved(tmp_path)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(path)
    assert widget.panel.parameters.inputVolume.GetName() == "scan"
    assert ui.inputVolumeBox.currentNode().GetName() == "scan"
    assert ui.applyButton.enabled
    assert (widget.panel.spec.id, widget.panel.parameters.opacity) == (MODEL, 0.25)
    assert widget.panel.parameters.segmentation.GetName() == "scan segmentation"


def test_of_several_volumes_in_a_scene_the_box_shows_the_chosen_one(widget, ui, tmp_path):
    """Boxes fill at the end of an import, and then show the first volume: the choice has to come after that."""
    import slicer

    second = slicer.util.addVolumeFromArray(np.ones(SHAPE, np.int16), name="second")
    widget.panel.parameters.inputVolume = second
    slicer.util.loadScene(saved(tmp_path))
    assert widget.panel.parameters.inputVolume.GetName() == "second"
    assert ui.inputVolumeBox.currentNode().GetName() == "second"


def test_a_scene_in_which_nothing_was_chosen_yet(widget, ui, tmp_path):
    import slicer

    widget.panel.parameters.inputVolume = None
    slicer.util.loadScene(saved(tmp_path))
    assert ui.inputVolumeBox.currentNode().GetName() == "scan"
    assert "Choose a volume" not in ui.preflightLabel.text
    assert ui.applyButton.enabled


def test_a_scene_that_replaces_another_one_is_taken_over(widget, a_node, tmp_path):
    import slicer

    path = saved(tmp_path)
    a_node.SetName("not the scan of the file")
    slicer.util.loadScene(path)  # closes the other one itself
    assert widget.panel.parameters.inputVolume.GetName() == "scan"
    assert widget.ui.applyButton.enabled


def test_what_was_found_is_read_from_a_loaded_scene(widget, ui, worker, tmp_path):
    import slicer

    from AttnSegLib.mrml import views

    segmented(widget)
    told = table(widget)
    slicer.util.loadScene(saved(tmp_path))
    assert table(widget) == told == [["Left atrium", "12.3", "100.0", "7.0", "3"]]
    assert ui.checkTable.item(1, 0).text() == "1"
    ui.checkTable.setCurrentCell(1, 0)
    ui.checkTable.cellClicked.emit(1, 0)
    assert views.slice_in_view(widget.panel.parameters.inputVolume, 0) == 1
    ui.redoButton.click()
    assert worker.requests[-1].options.region.start[0] == 1
    worker.finish(np.zeros(SHAPE, np.uint8))
    widget.panel.poll()
    np.testing.assert_array_equal(
        voxels_of(widget.panel.parameters.segmentation, widget.panel.parameters.inputVolume), a_block()
    )


def test_a_closed_scene_leaves_nothing_behind(widget, ui, worker, scene):
    import slicer

    from AttnSegLib.worker import messages

    node = segmented(widget)
    ui.surfaceBox.checked = True
    reference = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "manual")
    reference.GetSegmentation().DeepCopy(node.GetSegmentation())
    widget.panel.parameters.reference = reference
    ui.compareButton.click()
    scores = dict.fromkeys(("dice", "iou", "precision", "recall", "volume_similarity"), 1.0)
    scores |= {"mean_surface_distance_mm": 0.0, "hd95_mm": None}
    worker.say(messages.Compared(worker.job.number, scores))
    widget.panel.poll()
    assert not ui.compareTable.isHidden()
    scene.Clear(0)
    assert (ui.measureTable.rowCount, ui.checkTable.rowCount) == (0, 0)
    assert not said(widget)
    assert not ui.surfaceBox.checked
    assert not ui.undoButton.enabled
    assert not ui.redoButton.enabled
    assert ui.compareTable.isHidden()
    assert ui.checkLinks.isHidden()


def test_a_closed_scene_takes_along_what_was_said_of_it(widget, ui, scene):
    widget.panel.notice("The scan does not say what it is.")
    segmented(widget)
    assert "Done in" in said(widget)
    scene.Clear(0)
    assert not said(widget)
    assert not ui.statusLabel.text.strip().startswith("Done")


def test_choosing_another_segmentation_shows_what_is_in_it(widget, ui):
    segmented(widget)
    widget.panel.parameters.segmentation = None
    assert table(widget) == []
    assert ui.checkTable.rowCount == 0


def test_a_volume_that_gets_its_voxels_later(widget, ui, scene):
    import slicer

    late = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "late")
    widget.panel.parameters.inputVolume = late
    assert "no voxels" in ui.preflightLabel.text
    slicer.util.updateVolumeFromArray(late, np.random.default_rng(1).integers(0, 900, SHAPE).astype(np.int16))
    widget.panel.poll()
    assert "no voxels" not in ui.preflightLabel.text


def test_maps_and_previews_are_not_offered_as_volumes(widget, ui, scene, a_node):
    import slicer

    ui.applyButton.click()  # a preview
    map_node = slicer.util.addVolumeFromArray(np.zeros(SHAPE), name="attention: a")
    map_node.SetAttribute("AttnSeg.map", "a")
    widget.panel.refresh()
    assert ui.inputVolumeBox.nodes() == [a_node]
    scene.RemoveNode(a_node)
    widget.panel.parameters.inputVolume = None
    widget.initializeParameterNode()
    assert widget.panel.parameters.inputVolume is None
    widget.panel.parameters.inputVolume = map_node  # by a script
    ui.applyButton.click()
    assert "attention map, not a scan" in ui.preflightLabel.text
