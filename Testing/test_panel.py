"""The panel, control by control, with a worker that does what the test says."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scripted_worker import ScriptedWorker

from AttnSegLib import metrics
from AttnSegLib.catalog import find_model
from AttnSegLib.worker import events

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "AttnSeg" / "AttnSeg.py"
MODEL = "anunet-left_atrium-mr"
SHAPE = (6, 64, 48)  # axial slices of 64 x 48 pixels


@pytest.fixture
def a_node(scene):
    import slicer

    voxels = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
    node = slicer.util.addVolumeFromArray(voxels, ijkToRAS=np.diag([2.0, 2.0, 5.0, 1.0]), name="scan")
    assert scene.GetNodeByID(node.GetID())
    return node


@pytest.fixture
def widget(a_node, open_panel, monkeypatch):
    monkeypatch.setattr("AttnSegLib.mrml.session.Worker", ScriptedWorker)
    widget = open_panel(MODULE)
    widget.timer.stop()  # the tests poll themselves
    assert widget.panel.parameters.inputVolume is a_node
    widget.panel.parameters.modelId = MODEL
    return widget


@pytest.fixture
def ui(widget):
    return widget.ui


@pytest.fixture
def worker(widget):
    return widget.panel.session._worker


@pytest.fixture
def parameters(widget):
    return widget.panel.parameters


def a_block():
    """Left atrium in two slices."""
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[2:4, 10:20, 10:30] = 1
    return label_map


def segmented(widget, label_map=None):
    """Press Apply and let the run end well; returns the segmentation node."""
    widget.ui.applyButton.click()
    widget.panel.session._worker.finish(a_block() if label_map is None else label_map)
    widget.panel.poll()
    return widget.panel.parameters.segmentation


def voxels_of(segmentation, volume):
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "left_atrium", volume)


def pick(box, text):
    """Choose an entry as a user does."""
    box.setCurrentIndex(box.findText(text))
    box.activated.emit(box.currentIndex)


def test_opening_the_panel_loads_no_torch_and_starts_no_process():
    code = f"""
import subprocess, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "Testing")!r}]
from slicer_stand_in import gui
started = []
subprocess.Popen = lambda *a, **k: started.append(a)
gui.open_module({str(MODULE)!r})
assert not [name for name in sys.modules if name.split(".")[0] == "torch"], "torch"
assert not started, started
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"})


# before a run


def test_organ_and_model_are_chosen(ui, parameters):
    assert ui.organBox.currentText == "Left atrium"
    assert ui.modelBox.currentText == find_model(MODEL).title
    assert parameters.modelId == MODEL
    ui.organBox.activated.emit(0)
    ui.modelBox.activated.emit(ui.modelBox.currentIndex)
    assert parameters.modelId in [ui.modelBox.itemData(i) for i in range(ui.modelBox.count)]


def test_remarks_say_what_fits_and_what_does_not(ui, widget, a_node):
    import slicer

    assert "6 axial slices of 64 x 48 pixels, 2 x 2 mm, 5 mm apart" in ui.preflightLabel.text
    assert "CC-BY-SA-4.0" in ui.preflightLabel.text
    assert "&#9888;" not in ui.preflightLabel.text
    ct = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(a_node) - 1000, name="CT")
    widget.panel.parameters.inputVolume = ct
    assert "looks like CT" in ui.preflightLabel.text
    assert "&#9888;" in ui.preflightLabel.text


def test_nothing_to_do_without_a_volume(ui, parameters):
    parameters.inputVolume = None
    assert not ui.applyButton.enabled
    assert "Choose a volume first." in ui.preflightLabel.text
    assert "first" in ui.applyButton.toolTip


@pytest.mark.parametrize("kind", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"])
def test_what_is_no_scan_is_refused_in_a_sentence(widget, ui, kind):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass(kind, "no scan")
    voxels = np.ones((*SHAPE, 3) if "Vector" in kind else SHAPE, np.uint8)
    slicer.util.updateVolumeFromArray(node, voxels)
    widget.panel.parameters.inputVolume = node
    assert "choose" in ui.preflightLabel.text
    ui.applyButton.click()
    assert "choose" in ui.statusLabel.text
    assert widget.panel.session._worker.requests == []


def test_settings_reach_the_worker(ui, worker, parameters):
    pick(ui.deviceBox, "CPU")
    pick(ui.levelBox, "pruned to level 2")
    assert not ui.flipsBox.enabled  # the model never saw mirrored slices
    ui.flipsBox.checked = True
    ui.firstSliceBox.value = 1
    ui.lastSliceBox.value = 4
    ui.applyButton.click()
    (request,) = worker.requests
    assert (request.device, request.level, request.spec.id) == ("cpu", 2, MODEL)
    assert not request.options.flips
    assert (request.options.region.start, request.options.region.stop) == ((1, 0, 0), (5, 64, 48))
    assert (parameters.level, parameters.device) == (2, "cpu")


def test_a_wrong_slice_range_is_refused(ui, worker):
    ui.firstSliceBox.value = 5
    ui.lastSliceBox.value = 2
    ui.applyButton.click()
    assert "slices 0 to 5" in ui.statusLabel.text
    assert worker.requests == []


def test_an_roi_limits_the_run(ui, worker, parameters):
    import slicer

    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    roi.SetCenter([40.0, 60.0, 10.0])
    roi.SetSize([20.0, 20.0, 11.0])
    parameters.roi = roi
    ui.applyButton.click()
    region = worker.requests[0].options.region
    assert (region.start, region.stop) == ((1, 25, 15), (4, 36, 26))


def test_the_run_begins_with_the_slice_in_view(ui, worker, a_node):
    from AttnSegLib.mrml import views

    views.jump_to_slice(a_node, 0, 4)
    ui.applyButton.click()
    assert worker.requests[0].options.start == 4


# a run


def test_progress_and_finished_slices_are_shown(widget, ui, worker):
    import slicer

    ui.applyButton.click()
    assert not ui.applyButton.enabled
    assert ui.cancelButton.enabled
    worker.job.label_map[2] = 1
    worker.say(events.Slices(worker.job, 0, [2, 3], 2, 6, 8.0))
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
    worker.say(events.Slices(worker.job, 0, [0], 1, 6, 8.0))
    widget.panel.poll()
    ui.cancelButton.click()
    assert worker.cancels == 1
    worker.say(events.Cancelled(worker.job))
    widget.panel.poll()
    np.testing.assert_array_equal(voxels_of(before, a_node), a_block())
    assert "as it was" in ui.statusLabel.text
    assert ui.applyButton.enabled
    assert not ui.cancelButton.enabled


def test_a_failure_is_one_sentence_and_its_detail_is_logged(widget, ui, worker, caplog):
    ui.applyButton.click()
    worker.say(events.Failed(worker.job, "The weights are damaged; get them again.", "Traceback: line 7"))
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
    worker.say(events.Ready((("cuda:0", "Some Card", 7168),)))
    widget.panel.poll()
    pick(ui.deviceBox, "Some Card (7168 MB free)")
    ui.applyButton.click()
    assert worker.requests[0].device == "cuda:0"


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

    parameters.level, parameters.opacity = 3, 0.25
    slicer.util.saveScene(str(tmp_path / "scene.mrb"), {})
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    widget.initializeParameterNode()
    assert (widget.panel.parameters.level, widget.panel.parameters.opacity) == (3, 0.25)
    assert widget.ui.opacitySlider.value == 0.25


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
    scores = metrics.compare(worker.compared[0] > 0, worker.compared[1] > 0, (1.0, 1.0, 1.0)).as_dict()
    worker.say(events.Compared(worker.job, scores | {"hd95_mm": None}))
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


def test_doing_a_slice_again_needs_a_choice(widget, ui, worker):
    segmented(widget)
    ui.redoButton.click()
    assert "Choose a slice" in ui.statusLabel.text
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
    point.AddControlPointWorld([20.0, 40.0, 15.0])  # voxels are 2 x 2 x 5 mm
    assert worker.requests[-1].options.query == (3, 20, 10)
    point.SetNthControlPointPositionWorld(0, [22.0, 40.0, 15.0])
    point.SetNthControlPointPositionWorld(0, [30.0, 40.0, 15.0])
    assert len(worker.requests) == 1  # the last one waits
    worker.finish()
    widget.panel.poll()
    assert [request.options.query for request in worker.requests[1:]] == [(3, 20, 15)]
    assert slicer.util.getNode("attention: self")
    ui.queryButton.click()
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode") is None


def test_without_self_attention_there_is_nothing_to_query(ui):
    assert not ui.queryButton.enabled


# models and setup


def test_the_list_of_models_shows_their_cards(ui):
    ui.modelTable.setCurrentCell(0, 0)
    assert "Medical Segmentation Decathlon" in ui.cardText.toPlainText()
    assert not ui.deleteButton.enabled  # shipped models stay
    assert not ui.downloadButton.enabled


def test_importing_and_deleting_a_model(ui, a_model_folder, tmp_path, monkeypatch):
    import slicer

    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "user"))
    count = ui.modelTable.rowCount
    slicer.app.file_answers.append(str(a_model_folder))
    ui.importFolderButton.click()
    assert ui.modelTable.rowCount == count + 1
    assert "can be chosen now" in ui.modelsLabel.text
    row = next(r for r in range(count + 1) if "tiny" in ui.modelTable.item(r, 0).text())
    ui.modelTable.setCurrentCell(row, 0)
    assert ui.deleteButton.enabled
    ui.deleteButton.click()
    assert ui.modelTable.rowCount == count
    assert "was removed" in ui.modelsLabel.text


def test_downloading_the_weights_of_a_model(widget, ui, monkeypatch):
    import dataclasses

    from AttnSegLib import model_store

    class Download:
        def __init__(self, spec):
            assert spec.id == "far"
            self.state = model_store.DownloadState(0, 100)

        def start(self):
            started.append(self)

        def poll(self):
            return self.state

        def cancel(self):
            self.state = dataclasses.replace(
                self.state, finished=True, cancelled=True, error="The download was cancelled."
            )

    started = []
    monkeypatch.setattr(model_store, "Download", Download)
    spec = dataclasses.replace(
        widget.panel.spec, id="far", url="https://nowhere.invalid/x", sha256="0" * 64, weights="x"
    )
    widget.panel.models = [spec]
    widget.panel.refresh()
    ui.modelTable.setCurrentCell(0, 0)
    assert ui.modelTable.item(0, 2).text() == "not downloaded"
    ui.downloadButton.click()
    started[0].state = dataclasses.replace(started[0].state, done=40)
    widget.panel.poll()
    assert (ui.downloadBar.value, ui.downloadBar.maximum) == (40, 100)
    assert ui.downloadButton.text == "Cancel download"
    ui.downloadButton.click()
    widget.panel.poll()
    assert "cancelled" in ui.modelsLabel.text
    assert ui.downloadBar.isHidden()


def test_importing_nonsense_says_what_is_wrong(ui, tmp_path):
    import slicer

    (tmp_path / "x.zip").write_text("no zip file")
    slicer.app.file_answers.append(str(tmp_path / "x.zip"))
    ui.importFileButton.click()
    assert ui.statusLabel.text


def test_check_setup_tells_the_cure_and_offers_torch(widget, ui, worker):
    ui.setupSection.collapsed = False
    ui.checkButton.click()
    job = worker.job
    findings = (events.Finding("SimpleITK", True, "2.5"), events.Finding("torch", False, "not there", "install it"))
    worker.say(events.Checked(job, findings))
    widget.panel.poll()
    assert "not there" in ui.setupLabel.text
    assert "install it" in ui.setupLabel.text
    assert not ui.installButton.isHidden()
    ui.installButton.click()
    assert "Extensions Manager" in ui.setupLabel.text


def test_installing_torch_asks_slicers_own_extension(widget, worker, monkeypatch):
    import types

    asked = []

    class Logic:
        def installTorch(self, **options):
            asked.append(options)
            return "torch"

    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=Logic))
    widget.panel.setup.install()
    assert asked == [{"askConfirmation": True, "torchVersionRequirement": ">=2.2"}]
    assert worker.closed == 1  # the next job begins in a new process


def test_sample_data_is_offered(widget):
    import slicer

    (source,) = slicer.modules.sampleDataSources["AttnSeg"]
    assert Path(source.thumbnailFileName).is_file()
    import hashlib

    shipped = ROOT / "Resources" / "Samples" / "left_atrium_mr"
    for name, checksum in zip(("image.nrrd", "labels.nrrd"), source.checksums, strict=True):
        assert checksum == f"SHA256:{hashlib.sha256((shipped / name).read_bytes()).hexdigest()}"
    assert widget is not None


# for real


@pytest.mark.slow
def test_the_modules_own_self_test(open_panel):
    open_panel(MODULE)
    sys.modules["AttnSeg"].AttnSegTest().runTest()
