"""A module with every widget and every type of parameter that has a stand-in, for the tests of the stand-ins."""

from xml.sax.saxutils import escape

MODULE = """
from typing import Annotated

import ctk
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


class Example(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Example")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        slicer.app.connect("startupCompleted()", register)


def register():
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataCategory("Example", title=_("Example"))
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Example", sampleName="One", uris="https://example.org/1", fileNames="1.nrrd", nodeNames="one",
        checksums="SHA256:00", thumbnailFileName="1.png",
    )


@parameterNodeWrapper
class ExampleParameters:
    image: vtkMRMLScalarVolumeNode | None
    result: vtkMRMLSegmentationNode
    title: str = "untitled"
    note: str
    count: int = 3
    fraction: Annotated[float, WithinRange(0.0, 1.0)] = 0.25
    factor: float = 1.5
    verbose: bool = True
    pressed: bool
    plane: Annotated[str, Choice(["axial", "coronal", "sagittal"])] = "coronal"
    device: Annotated[str, Choice(["auto", "cpu"])] = "auto"


class ExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters, self.tag, self.calls = None, None, []

    def setup(self):
        super().setup()
        widget = slicer.util.loadUI(self.resourcePath("UI/Example.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = ExampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onEndClose)
        self.ui.runButton.connect("clicked(bool)", self.onRun)
        self.timer = qt.QTimer()
        self.timer.interval = 1
        self.timer.singleShot = True
        self.timer.connect("timeout()", lambda: self.calls.append("timer"))

    def enter(self):
        self.calls.append("enter")
        self.show(self.logic.getParameterNode())

    def exit(self):
        self.calls.append("exit")
        self.show(None)

    def cleanup(self):
        self.calls.append("cleanup")
        self.removeObservers()

    def onStartClose(self, caller, event):
        self.show(None)

    def onEndClose(self, caller, event):
        if self.parent.isEntered:
            self.show(self.logic.getParameterNode())

    def show(self, parameters):
        if self.parameters:
            self.parameters.disconnectGui(self.tag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.check)
        self.parameters = parameters
        if parameters:
            self.tag = parameters.connectGui(self.ui)
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self.check)
            self.check()

    def check(self, caller=None, event=None):
        self.ui.runButton.enabled = bool(self.parameters.image)

    def onRun(self):
        self.calls.append("run")
        if not slicer.util.confirmOkCancelDisplay("Really?", windowTitle="Run"):
            return
        with slicer.util.tryWithErrorDisplay("It failed.", waitCursor=True):
            raise ValueError("No reason.")


class ExampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return ExampleParameters(super().getParameterNode())


class ExampleTest(ScriptedLoadableModuleTest):
    def runTest(self):
        slicer.modules.ExampleWidget.calls.append("test")
"""
SELECTORS = {
    "imageSelector": ("image", "vtkMRMLScalarVolumeNode", {"noneEnabled": False, "showChildNodeTypes": False}),
    "resultSelector": ("result", "vtkMRMLSegmentationNode", {"noneEnabled": True, "noneDisplay": "New"}),
}
WIDGETS = {
    "titleEdit": ("QLineEdit", "title", {}),
    "noteEdit": ("QTextEdit", "note", {}),
    "countBox": ("QSpinBox", "count", {}),
    "fractionSlider": ("ctkSliderWidget", "fraction", {"singleStep": 0.05, "decimals": 2}),
    "factorBox": ("QDoubleSpinBox", "factor", {}),
    "verboseBox": ("QCheckBox", "verbose", {"text": "Say more"}),
    "pressButton": ("QPushButton", "pressed", {"text": "Press", "checkable": True}),
    "planeBox": ("QComboBox", "plane", {}),
    "deviceBox": ("ctkComboBox", "device", {}),
    "range": ("ctkRangeWidget", None, {"minimum": -10, "maximum": 10.5}),
    "runButton": ("QPushButton", None, {"text": "Run", "enabled": False, "toolTip": "Runs it"}),
    "toolButton": ("QToolButton", None, {"text": "..."}),
    "label": ("QLabel", None, {"text": "A label"}),
    "progress": ("QProgressBar", None, {"value": 40}),
    "table": ("QTableWidget", None, {}),
    "list": ("QListWidget", None, {}),
    "plain": ("QPlainTextEdit", None, {}),
    "browser": ("QTextBrowser", None, {}),
}


def _property(name, value):
    kind = {bool: "bool", int: "number", float: "double", str: "string"}[type(value)]
    text = str(value).lower() if kind == "bool" else escape(str(value))
    return f'<property name="{name}"><{kind}>{text}</{kind}></property>'


def _element(cls, name, parameter, properties, extra=""):
    bound = f'<property name="SlicerParameterName" stdset="0"><string>{parameter}</string></property>'
    inner = "".join(_property(*item) for item in properties.items()) + extra + (bound if parameter else "")
    return f'<item><widget class="{cls}" name="{name}">{inner}</widget></item>'


def _selector(name, parameter, node_type, properties):
    types = f'<property name="nodeTypes"><stringlist><string>{node_type}</string></stringlist></property>'
    return _element("qMRMLNodeComboBox", name, parameter, properties, types)


def connection(receiver):
    """The connection that tells a selector of the scene, as it stands in the file."""
    parts = {"sender": "Example", "signal": "mrmlSceneChanged(vtkMRMLScene*)", "receiver": receiver}
    parts["slot"] = "setMRMLScene(vtkMRMLScene*)"
    return f"<connection>{''.join(f'<{tag}>{text}</{tag}>' for tag, text in parts.items())}</connection>"


def _ui_file():
    rows = "".join(_selector(name, *rest) for name, rest in SELECTORS.items())
    rows += "".join(_element(cls, name, *rest) for name, (cls, *rest) in WIDGETS.items())
    radio = '<attribute name="buttonGroup"><string notr="true">group</string></attribute>'
    rows += "".join(_element("QRadioButton", f"radio{n}", None, {"text": f"Choice {n}"}, radio) for n in (1, 2))
    return (
        '<ui version="4.0"><class>Example</class><widget class="qMRMLWidget" name="Example">'
        '<layout class="QVBoxLayout" name="outer"><item><widget class="ctkCollapsibleButton" name="section">'
        f'<property name="text"><string>Section</string></property><layout class="QVBoxLayout" name="inner">{rows}'
        '</layout></widget></item></layout></widget><buttongroups><buttongroup name="group"/></buttongroups>'
        f"<connections>{''.join(map(connection, SELECTORS))}</connections></ui>"
    )


def write(folder):
    """Write the module into a folder; returns the path of its .py file."""
    resources = folder / "Resources" / "UI"
    resources.mkdir(parents=True)
    (resources / "Example.ui").write_text(_ui_file())
    (folder / "Example.py").write_text(MODULE)
    return folder / "Example.py"


def change(path, old, new):
    """Put one fault into the module that `write` wrote; returns its path."""
    files = (path, path.parent / "Resources" / "UI" / "Example.ui")
    assert any(old in file.read_text() for file in files)
    for file in files:
        file.write_text(file.read_text().replace(old, new))
    return path


def add_volume(name="volume", shape=(3, 4, 5)):
    """A volume in the scene."""
    import numpy as np
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros(shape), name=name)
