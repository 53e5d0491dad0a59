"""A run from Apply to its end, in the panel, with a worker that does what the test says; scene and module meanwhile."""

from html import unescape

import numpy as np
import pytest
from panel_at_work import a_block, pick, said, segmented, voxels_of

from AttnSegLib.worker import messages

# a run


def test_progress_and_finished_slices_are_shown(widget, ui, worker):
    import slicer

    ui.applyButton.click()
    assert not ui.applyButton.enabled
    assert ui.cancelButton.enabled
    worker.job.label_map[2] = 1
    worker.say(messages.SlicesDone(worker.job.number, 0, (2, 3), 2, 6, 8.0))
    widget.panel.poll()
    assert (ui.progressBar.value, ui.progressBar.maximum) == (2, 6)
    assert "2 of 6 slices, 8 s left" in ui.statusLabel.text
    preview = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert slicer.util.arrayFromVolume(preview)[2].all()
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert red.GetLabelVolumeID() == preview.GetID()


def test_the_result_is_a_segmentation_and_a_table(widget, ui, a_node):
    import slicer

    node = segmented(widget)
    np.testing.assert_array_equal(voxels_of(node, a_node), a_block())
    assert [ui.measureTable.item(0, c).text() for c in range(5)] == ["Left atrium", "12.3", "100.0", "7.0", "3"]
    assert not ui.resultSection.collapsed
    assert "1.5 s on cpu" in ui.statusLabel.text
    assert ui.applyButton.enabled
    assert not slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLabelMapVolumeNode")


def test_a_second_run_replaces_the_first_and_undo_brings_it_back(widget, ui, a_node):
    first = segmented(widget)
    other = np.roll(a_block(), 2, axis=1)
    assert segmented(widget, other) is first
    np.testing.assert_array_equal(voxels_of(first, a_node), other)
    ui.undoButton.click()
    np.testing.assert_array_equal(voxels_of(first, a_node), a_block())
    assert not ui.undoButton.enabled


def test_undo_of_the_first_run_removes_the_new_segmentation(widget, ui):
    import slicer

    node = segmented(widget)
    ui.undoButton.click()
    assert slicer.mrmlScene.IsNodePresent(node) == 0
    assert widget.panel.parameters.segmentation is None


def test_cancel_leaves_everything_as_it_was(widget, ui, worker, a_node):
    before = segmented(widget)
    ui.applyButton.click()
    worker.say(messages.SlicesDone(worker.job.number, 0, (0,), 1, 6, 8.0))
    widget.panel.poll()
    ui.cancelButton.click()
    assert worker.cancels == 1
    worker.say(messages.JobCancelled(worker.job.number))
    widget.panel.poll()
    np.testing.assert_array_equal(voxels_of(before, a_node), a_block())
    assert "as it was" in ui.statusLabel.text
    assert ui.applyButton.enabled
    assert not ui.cancelButton.enabled


def test_a_failure_is_one_sentence_and_its_detail_is_logged(widget, ui, worker, caplog):
    ui.applyButton.click()
    worker.say(messages.JobFailed(worker.job.number, "The weights are damaged; get them again.", "Traceback: line 7"))
    widget.panel.poll()
    assert "The weights are damaged; get them again." in ui.statusLabel.text
    assert "line 7" not in ui.statusLabel.text
    assert "line 7" in caplog.text
    assert "scan" not in caplog.text  # names of volumes may be those of patients
    assert ui.applyButton.enabled


def test_a_fall_back_is_told(widget, ui, worker):
    ui.applyButton.click()
    worker.finish(a_block(), notices=("The device ran out of memory; went on with the CPU, which is slower.",))
    widget.panel.poll()
    assert "went on with the CPU" in ui.statusLabel.text


def test_cards_with_free_memory_can_be_chosen_once_the_worker_is_up(widget, ui, worker):
    worker.say(messages.Ready((("cuda:0", "Some Card", 7168),)))
    widget.panel.poll()
    pick(ui.deviceBox, "Some Card (7168 MB free)")
    ui.applyButton.click()
    assert worker.requests[0].compute.device == "cuda:0"


def test_pressing_apply_moves_nothing(widget, ui):
    import slicer

    widget.parent.resize(420, 1200)
    widget.parent.show()
    slicer.app.processEvents()
    before = [getattr(ui, f"{name}Section").y for name in ("result", "attention", "check")]
    ui.applyButton.click()
    slicer.app.processEvents()
    assert ui.progressBar.enabled
    assert [getattr(ui, f"{name}Section").y for name in ("result", "attention", "check")] == before
    widget.parent.hide()


@pytest.mark.parametrize("section", ["input", "result", "attention", "check"])
def test_progress_cancel_and_the_last_sentence_are_where_it_was_started(widget, ui, worker, parameters, section):
    parameters.reference = segmented(widget)
    ui.checkTable.setCurrentCell(1, 0)
    for name in ("attention", "check"):
        getattr(ui, f"{name}Section").collapsed = False
    starts = {"input": ui.applyButton, "result": ui.compareButton, "attention": ui.sequenceButton}
    starts.get(section, ui.redoButton).click()
    row = widget.panel.row
    assert getattr(ui, f"{section}Section").isAncestorOf(row.label)
    worker.say(messages.SlicesDone(worker.job.number, 0, (0,), 1, 6, 8.0))
    widget.panel.poll()
    assert "1 of 6 slices" in said(widget) or section == "result"  # which tells of no slices
    assert section == "input" or not unescape(ui.statusLabel.text).strip()
    assert row.bar.enabled
    assert not row.bar.isHidden()
    row.cancel.click()
    assert worker.cancels == 1
    worker.say(messages.JobCancelled(worker.job.number))
    widget.panel.poll()
    assert "as it was" in said(widget)
    assert not row.bar.enabled
    assert section == "input" or row.bar.isHidden()


def test_a_notice_is_still_read_after_the_next_slices(widget, ui, worker):
    ui.applyButton.click()
    worker.say(messages.Notice(worker.job.number, "Went on with the CPU."))
    widget.panel.poll()
    worker.say(messages.SlicesDone(worker.job.number, 0, (0,), 1, 6, 8.0))
    widget.panel.poll()
    assert "1 of 6 slices" in said(widget)
    assert "Went on with the CPU." in said(widget)
    worker.finish(a_block(), notices=("Went on with the CPU.",))
    widget.panel.poll()
    assert said(widget).count("Went on with the CPU.") == 1
    assert "Done in" in said(widget)
    ui.applyButton.click()
    assert "Went on" not in said(widget)


def test_progress_is_not_the_last_word(widget, ui, worker):
    ui.sequenceButton.click()
    worker.say(messages.SlicesDone(worker.job.number, 0, (0,), 1, 6, 8.0))
    widget.panel.poll()
    assert "1 of 6 slices" in said(widget)
    worker.finish()
    widget.panel.poll()
    assert said(widget) == ""


# scene and module during a run


def test_closing_the_scene_during_a_run(widget, ui, worker, scene):
    ui.applyButton.click()
    scene.Clear(0)
    widget.panel.poll()
    assert worker.cancels == 1
    assert "removed during the run" in ui.statusLabel.text
    assert not ui.applyButton.enabled


def test_changing_the_volume_during_a_run(widget, ui, a_node):
    import slicer

    ui.applyButton.click()
    slicer.util.arrayFromVolume(a_node)[0] = 5
    slicer.util.arrayFromVolumeModified(a_node)
    widget.panel.poll()
    assert "changed during the run" in ui.statusLabel.text
    assert widget.panel.parameters.segmentation is None


def test_unloading_the_module_during_a_run(widget, ui, worker):
    import slicer

    ui.applyButton.click()
    widget.cleanup()
    assert worker.closed
    assert not slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLabelMapVolumeNode")
    widget.setup()  # the fixture closes it once more
    widget.timer.stop()


def test_choices_are_saved_with_the_scene(widget, parameters, tmp_path):
    import slicer

    parameters.level, parameters.opacity, parameters.plane = 3, 0.25, "coronal"
    slicer.util.saveScene(str(tmp_path / "scene.mrb"), {})
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    widget.initializeParameterNode()
    assert (widget.panel.parameters.level, widget.panel.parameters.opacity) == (3, 0.25)
    assert widget.ui.opacitySlider.value == 0.25
    assert widget.ui.planeBox.currentText == "coronal"
