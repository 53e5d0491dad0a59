"""What we say of the panel's widgets and choices is true of the form and of the parameter node."""

import ast
import sys
import xml.etree.ElementTree as ET

import pytest
from panel_at_work import MODULE, ROOT

sys.path.insert(0, str(MODULE.parent))
from AttnSegPanel import widgets

CLASSES = {
    "QPushButton": "PushButton",
    "QCheckBox": "CheckBox",
    "QLabel": "TextLabel",
    "QLineEdit": "LineEdit",
    "QSpinBox": "SpinBox",
    "QDoubleSpinBox": "SpinBox",
    "QWidget": "Widget",
    "QTextBrowser": "TextBrowser",
    "QProgressBar": "ProgressBar",
    "QComboBox": "ComboBox",
    "qMRMLNodeComboBox": "NodeBox",
    "QSlider": "Slider",
    "QTableWidget": "TableWidget",
    "ctkCollapsibleButton": "CollapsibleButton",
}


def test_the_form_has_the_widgets():
    tree = ET.parse(ROOT / "Resources/UI/AttnSeg.ui")
    form = {widget.get("name"): CLASSES.get(widget.get("class")) for widget in tree.iter("widget")}
    said = widgets.PanelForm.__annotations__
    assert {name: form.get(name) for name in said} == said


def test_the_parameter_node_has_the_choices():
    module = ast.parse(MODULE.read_text(encoding="utf-8"))
    [node] = [one for one in module.body if isinstance(one, ast.ClassDef) and one.name == "AttnSegParameterNode"]
    fields = [one.target.id for one in node.body if isinstance(one, ast.AnnAssign)]
    assert list(widgets.Parameters.__annotations__) == fields


@pytest.mark.parametrize("name", [name for name in vars(widgets) if name in CLASSES.values()])
def test_widgets_have_what_a_protocol_names(name, ui):
    said = {
        one for part in getattr(widgets, name).__mro__ for one in {*vars(part), *vars(part).get("__annotations__", {})}
    }
    wanted = {one for one in said if one[0] != "_"}
    [widget, *_] = [getattr(ui, one) for one, kind in widgets.PanelForm.__annotations__.items() if kind == name]
    assert {one for one in wanted if not hasattr(widget, one)} == set()
