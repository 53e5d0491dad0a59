"""The stand-in for Slicer behaves as Slicer does, where AttnSeg's tests rely on it.

With SLICER_SOURCE (the folder of a Slicer checkout) the panel tests run on Slicer's own Python modules instead.
"""

import ctypes
import os
import sys
from pathlib import Path

import pytest
from slicer_stand_in import example, fixtures
from slicer_stand_in.example import add_volume

# The panel


@pytest.mark.usefixtures("a_panel")
def test_a_module_is_known_to_the_application():
    import slicer

    entry = slicer.util.getModule("Example")
    assert entry is slicer.modules.example
    assert (entry.title, entry.categories) == ("Example", ["Segmentation"])
    assert slicer.util.getModuleWidget("Example") is slicer.modules.ExampleWidget
    assert isinstance(slicer.util.getModuleLogic("Example"), sys.modules["Example"].ExampleLogic)
    (source,) = slicer.modules.sampleDataSources["Example"]
    assert (source.sampleName, source.uris, source.checksums) == ("One", ["https://example.org/1"], ["SHA256:00"])
    assert str(Path(entry.path).parent) in sys.path
    slicer.selfTests["Example"]()
    assert slicer.modules.ExampleWidget.calls == ["enter", "test"]


def test_every_widget_of_the_file_is_there_with_its_properties(a_panel):
    for name, (cls, _, properties) in example.WIDGETS.items():
        widget = getattr(a_panel.ui, name)
        assert widget.className() == cls
        values = {p: getattr(widget, p) for p in properties}
        assert values == properties
    assert a_panel.ui.resultSelector.noneDisplay == "New"
    assert list(a_panel.ui.imageSelector.nodeTypes) == ["vtkMRMLScalarVolumeNode"]
    assert len(a_panel.ui.group.buttons()) == 2


def test_the_panel_shows_the_defaults(a_panel):
    ui = a_panel.ui
    assert (ui.titleEdit.text, ui.noteEdit.plainText, ui.countBox.value) == ("untitled", "", 3)
    assert (ui.fractionSlider.value, ui.factorBox.value) == (0.25, 1.5)
    assert (ui.verboseBox.checked, ui.pressButton.checked) == (True, False)
    assert (ui.planeBox.currentText, ui.planeBox.count, ui.deviceBox.currentText) == ("coronal", 3, "auto")
    assert (ui.fractionSlider.minimum, ui.fractionSlider.maximum) == (0, 1)


def test_what_the_user_does_arrives_in_the_parameter_node(a_panel):
    ui, parameters = a_panel.ui, a_panel.parameters
    ui.titleEdit.text = "a"
    ui.noteEdit.setPlainText("b")
    ui.countBox.setValue(7)
    ui.fractionSlider.setValue(0.754)
    ui.factorBox.value = -2
    ui.verboseBox.click()
    ui.pressButton.toggle()
    ui.planeBox.setCurrentIndex(2)
    ui.deviceBox.currentIndex = 1
    assert (parameters.title, parameters.note, parameters.count) == ("a", "b", 7)
    assert (parameters.fraction, parameters.factor) == (0.75, -2)
    assert (parameters.verbose, parameters.pressed) == (False, True)
    assert (parameters.plane, parameters.device) == ("sagittal", "cpu")
    assert parameters.parameterNode.GetParameter("verbose") == "False"


def test_what_code_writes_is_shown(a_panel):
    ui, parameters = a_panel.ui, a_panel.parameters
    parameters.title, parameters.note, parameters.count = "a", "b", 7
    parameters.fraction, parameters.factor = 0.5, 9.0
    parameters.verbose, parameters.pressed = False, True
    parameters.plane, parameters.device = "axial", "cpu"
    assert (ui.titleEdit.text, ui.noteEdit.plainText, ui.countBox.value) == ("a", "b", 7)
    assert (ui.fractionSlider.value, ui.factorBox.value) == (0.5, 9)
    assert (ui.verboseBox.checked, ui.pressButton.checked) == (False, True)
    assert (ui.planeBox.currentText, ui.deviceBox.currentText) == ("axial", "cpu")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("fraction", 1.5, ValueError), ("plane", "oblique", ValueError), ("count", "3", TypeError), ("title", None, None)],
)
def test_wrong_values_are_refused(a_panel, name, value, error):
    with pytest.raises(error or (TypeError, ValueError)):
        setattr(a_panel.parameters, name, value)
    assert getattr(a_panel.parameters, name) == a_panel.parameters.default(name).value


def test_a_selector_follows_the_scene(scene, a_panel):
    ui, parameters = a_panel.ui, a_panel.parameters
    assert not ui.runButton.enabled
    first = add_volume("first")
    second = add_volume("second")
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "not a scalar volume by showChildNodeTypes")
    assert ui.imageSelector.nodeCount() == 2
    assert ui.imageSelector.currentNode() is parameters.image is first
    assert ui.runButton.enabled
    ui.imageSelector.setCurrentNode(second)
    assert parameters.image is second
    parameters.image = first
    assert ui.imageSelector.currentNodeID == first.GetID()
    scene.RemoveNode(first)
    assert ui.imageSelector.currentNode() is parameters.image is second
    assert ui.resultSelector.currentNode() is parameters.result is None
    made = ui.resultSelector.addNode()
    assert parameters.result is made
    scene.RemoveNode(made)
    assert parameters.result is None


def test_closing_the_scene_gives_a_fresh_parameter_node(scene, a_panel):
    add_volume()
    a_panel.parameters.title = "changed"
    assert a_panel.parameters.image
    scene.Clear(False)
    assert a_panel.parameters.title == "untitled"
    assert a_panel.ui.titleEdit.text == "untitled"
    assert not a_panel.ui.runButton.enabled


def test_leaving_and_entering_the_module(a_panel):
    import slicer

    slicer.util.selectModule("Volumes")
    assert not a_panel.parent.isEntered
    a_panel.ui.titleEdit.text = "not bound now"
    slicer.util.selectModule("Example")
    assert slicer.util.selectedModule() == "Example"
    assert a_panel.calls == ["enter", "exit", "enter"]
    assert a_panel.ui.titleEdit.text == "untitled"
    with pytest.raises(ValueError, match="no module 'Nothing'"):
        slicer.util.selectModule("Nothing")


def test_timers_run(a_panel):
    import slicer

    a_panel.timer.start()
    for _ in range(1000):
        if a_panel.timer.active:
            slicer.app.processEvents()
    assert a_panel.calls == ["enter", "timer"]


def test_messages_are_recorded(a_panel, messages):
    import slicer

    add_volume()
    with pytest.raises(ValueError, match="No reason"):
        a_panel.onRun()
    messages.answer = False
    a_panel.ui.runButton.click()
    slicer.util.warningDisplay("Careful.", windowTitle="AttnSeg")
    slicer.util.infoDisplay("Done.")
    assert messages.questions == ["Really?", "Really?"]
    assert messages.errors == ["It failed.\n\nNo reason."]
    assert (messages.warnings, messages.infos) == (["Careful."], ["Done."])


@pytest.mark.usefixtures("a_panel")
def test_dialogs_for_files_give_a_path_alone():
    import qt
    import slicer

    slicer.app.file_answers += ["/a.zip", "/folder"]
    assert qt.QFileDialog.getOpenFileName(None, "Model", "", "*.zip") == "/a.zip"
    assert qt.QFileDialog.getExistingDirectory(None, "Model") == "/folder"
    assert qt.QFileDialog.getSaveFileName() == ""


def test_the_segment_editor_is_given_nodes_and_the_status_bar_a_sentence(a_panel):
    import slicer

    volume = add_volume()
    slicer.util.selectModule("SegmentEditor")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    editor.setSourceVolumeNode(volume)
    assert editor.sourceVolumeNode() is volume
    assert not a_panel.parent.isEntered
    assert slicer.util.showStatusMessage("Done.", 1000)
    assert slicer.util.mainWindow().statusBar().currentMessage() == "Done."


def test_a_section_hides_what_is_in_it_while_it_is_collapsed(a_panel):
    ui = a_panel.ui
    ui.label.visible = False
    height = ui.section.sizeHint().height()
    ui.section.collapsed = True
    assert ui.table.isHidden()
    assert ui.section.sizeHint().height() < height / 5
    ui.label.visible = True
    assert ui.label.isHidden()
    ui.section.collapsed = False
    assert not ui.table.isHidden()
    assert not ui.label.isHidden()


def test_a_range_stays_in_order_and_within_its_bounds(a_panel):
    values = []
    a_panel.ui.range.connect("valuesChanged(double,double)", lambda low, high: values.append((low, high)))
    a_panel.ui.range.setValues(-3, 4)
    a_panel.ui.range.minimumValue = 6
    a_panel.ui.range.maximumValue = 99
    assert values == [(-3, 4), (4, 6), (4, 10.5)]


@pytest.mark.usefixtures("a_panel")
@pytest.mark.parametrize("key", ["Example/folder"] * 2)  # the second time, the first value must be gone
def test_settings_and_files_are_in_a_temporary_folder(tmp_path, key):
    import slicer

    assert slicer.util.settingsValue(key, "none") == "none"
    slicer.app.settings().setValue(key, str(tmp_path))
    slicer.app.settings().sync()
    assert slicer.util.settingsValue(key, "none") == str(tmp_path)
    paths = [slicer.app.slicerUserSettingsFilePath, slicer.app.cachePath, slicer.util.tempDirectory()]
    assert all(os.path.exists(path) and "slicer-stand-in-" in path for path in paths)  # noqa: PTH110


def test_a_screenshot_is_written(a_panel, tmp_path):
    import qt
    from slicer_stand_in import gui

    gui.screenshot(a_panel, tmp_path / "panel.png", width=400)
    image = qt.QImage(str(tmp_path / "panel.png"))
    assert (image.width(), image.height() > 600) == (400, True)
    if "ATTNSEG_SCREENSHOT" in os.environ:
        gui.screenshot(a_panel, os.environ["ATTNSEG_SCREENSHOT"])


# Machines without Qt


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(("required", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_without_qts_libraries_the_apt_packages_are_named(monkeypatch, required, outcome):
    def load(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("ATTNSEG_REQUIRE_QT", required)
    with pytest.raises(outcome, match="sudo apt install libegl1 libgl1 libxkbcommon0 libglib2.0-0 libfontconfig1"):
        fixtures.start_qt()


@pytest.mark.usefixtures("a_panel")
def test_slicers_own_python_is_used_where_there_is_a_checkout():
    from slicer import ScriptedLoadableModule, parameterNodeWrapper

    source = os.environ.get("SLICER_SOURCE")
    folder = Path(source, "Base", "Python", "slicer") if source else Path(fixtures.__file__).parent
    for module in (ScriptedLoadableModule, parameterNodeWrapper):
        assert Path(module.__file__).is_relative_to(folder)
