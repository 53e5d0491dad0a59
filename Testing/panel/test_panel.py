"""The panel up to the end of a run, control by control, with a worker that does what the test says."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from panel_at_work import MODEL, MODULE, ROOT, SHAPE, pick, remarks

from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.eight_bits import EightBits


@pytest.mark.slow
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


@pytest.mark.slow
def test_slicers_start_loads_no_more_than_it_shows():
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "Testing")!r}]
from slicer_stand_in import gui
gui.start()
before = set(sys.modules)
gui._run_file(gui.headless.ScriptedModule("AttnSeg", {str(MODULE)!r}))
ours = sorted(name for name in set(sys.modules) - before)
assert [n for n in ours if n.startswith("AttnSegLib.")] == ["AttnSegLib.models", "AttnSegLib.models.places"], ours
gui.open_module({str(MODULE)!r})
heavy = [n for n in set(sys.modules) - before if n.split(".")[0] in ("SimpleITK", "scipy", "torch", "pydicom")]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"})


# before a run


def test_organ_and_model_are_chosen(ui, parameters):
    assert ui.organBox.currentText == "Left atrium in MR"
    assert ui.modelBox.currentText == find_model(MODEL).title
    assert parameters.modelId == MODEL
    ui.organBox.activated.emit(0)
    ui.modelBox.activated.emit(ui.modelBox.currentIndex)
    assert parameters.modelId in [ui.modelBox.itemData(i) for i in range(ui.modelBox.count)]


def test_remarks_say_what_fits_and_what_does_not(ui, widget, a_node):
    import slicer

    lie = "6 slices, sagittal by the scan's header, of 64 x 48 pixels, 2 x 2 mm, 5 mm apart"
    assert lie in remarks(ui)
    assert "CC-BY-SA-4.0" in remarks(ui)
    assert "\N{WARNING SIGN}" not in remarks(ui)
    ct = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(a_node) - 1000, name="CT")
    widget.panel.parameters.inputVolume = ct
    assert "looks like CT" in remarks(ui)
    assert remarks(ui).count("\N{WARNING SIGN}") == 3  # and it lies elsewhere, in smaller slices, of just 1 mm


def test_nothing_to_do_without_a_volume(ui, parameters):
    parameters.inputVolume = None
    assert not ui.applyButton.enabled
    assert "Choose a volume first." in remarks(ui)
    assert "first" in ui.applyButton.toolTip


@pytest.mark.parametrize("kind", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"])
def test_what_is_no_scan_is_refused_in_a_sentence(widget, ui, kind):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass(kind, "no scan")
    voxels = np.ones((*SHAPE, 3) if "Vector" in kind else SHAPE, np.uint8)
    slicer.util.updateVolumeFromArray(node, voxels)
    widget.panel.parameters.inputVolume = node
    assert "choose" in remarks(ui)
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
    assert (request.compute.device, request.level, request.spec.id) == ("cpu", 2, MODEL)
    assert not request.options.flips
    assert (request.options.region.start, request.options.region.stop) == ((1, 0, 0), (5, 64, 48))
    assert (parameters.level, parameters.device) == (2, "cpu")


@pytest.mark.parametrize("model_knows", [True, False])
@pytest.mark.parametrize("openvino", [object(), None])
@pytest.mark.parametrize("device", ["Automatic", "CPU"])
def test_fast_is_for_models_that_know_how_where_openvino_is(
    widget, ui, worker, monkeypatch, model_knows, openvino, device
):
    eight = EightBits("0" * 64, (), 0.9, 0.9, "made up") if model_knows else None
    widget.panel.models = [replace(spec, eight_bits=eight) for spec in widget.panel.models]
    monkeypatch.setattr("AttnSegPanel.panel.find_spec", lambda _name: openvino)
    pick(ui.deviceBox, device)
    widget.panel.refresh()
    can_be = model_knows and openvino is not None
    assert ui.fastBox.enabled == can_be
    ui.fastBox.checked = True
    ui.applyButton.click()
    (request,) = worker.requests
    assert request.compute.precision == ("int8" if can_be else "auto")


def test_another_plane_can_be_chosen(widget, ui, worker, parameters):
    assert ui.planeBox.currentText == "as the model was trained"
    pick(ui.planeBox, "axial")
    assert parameters.plane == "axial"
    assert "64 slices, axial by the scan's header, of 48 x 6 pixels" in remarks(ui)
    assert "model knows sagittal slices" in remarks(ui)
    ui.lastSliceBox.value = 30  # the scan has 6 sagittal slices
    ui.applyButton.click()
    (request,) = worker.requests
    assert (request.spec.id, request.spec.plane) == (MODEL, "axial")
    assert (request.options.region.start, request.options.region.stop) == ((0, 0, 0), (6, 31, 48))
    assert widget.panel.spec.plane == find_model(MODEL).plane


def test_a_plane_that_is_none_is_refused_in_a_sentence(ui, worker, parameters):
    parameters.plane = "oblique"  # by a script, or a scene of another version
    assert "no slice plane 'oblique'" in remarks(ui)
    ui.applyButton.click()
    assert worker.requests == []


def test_slices_go_to_the_last_one(ui, parameters):
    assert (ui.firstSliceBox.value, ui.lastSliceBox.text) == (0, "last")
    parameters.lastSlice = 4
    assert ui.lastSliceBox.text == "4"


def test_warnings_are_one_line_until_more_is_asked_for(widget, ui, a_node):
    import slicer

    assert "Fits the model. About" in unescape(ui.preflightLabel.text)
    ct = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(a_node) - 1000, name="CT")
    widget.panel.parameters.inputVolume = ct
    line = re.sub("<[^>]*>", "", unescape(ui.preflightLabel.text))
    assert line.startswith("\N{WARNING SIGN} The volume looks like CT")
    assert line.endswith("(+2) more")
    assert len(line) < 70
    assert ui.preflightLabel.toolTip.count("\n") > 3
    ui.preflightLabel.linkActivated.emit("more")
    assert ui.preflightLabel.text.count("<br>") > 3


@pytest.mark.parametrize("folder", ["AttnSegLib/inference/checks", "AttnSeg/AttnSegPanel"])
def test_nothing_that_the_panel_says_is_of_the_command_line(folder):
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for told_to_pip in ("--no-deps openvino", "--constraint"):
            text = text.replace(told_to_pip, "")
        assert not re.search('[ "(]--[a-z]', text), path


def test_a_wrong_slice_range_is_refused(ui, worker):
    ui.firstSliceBox.value = 5
    ui.lastSliceBox.value = 2
    ui.applyButton.click()
    assert "slices 0 to 5" in ui.statusLabel.text
    assert worker.requests == []


def test_an_roi_limits_the_run(ui, worker, parameters):
    import slicer

    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    roi.SetCenter([10.0, 40.0, 60.0])
    roi.SetSize([11.0, 20.0, 20.0])
    parameters.roi = roi
    ui.applyButton.click()
    region = worker.requests[0].options.region
    assert (region.start, region.stop) == ((1, 25, 15), (4, 36, 26))


def test_the_run_begins_with_the_slice_in_view(ui, worker, a_node):
    from AttnSegLib.mrml import views

    views.jump_to_slice(a_node, 0, 4)
    ui.applyButton.click()
    assert worker.requests[0].options.start == 4
