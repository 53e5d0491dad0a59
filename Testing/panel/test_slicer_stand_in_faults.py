"""Faults of a module that Slicer would show do not pass the stand-in either."""

import sys

import pytest
from slicer_stand_in import example
from slicer_stand_in.example import add_volume


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('"clicked(bool)"', '"clickd(bool)"', AttributeError),
        ('"clicked(bool)"', '"clicked(int)"', AttributeError),
        ("self.ui.runButton.connect", "self.ui.runBotton.connect", AttributeError),
        ("self.timer.interval = 1", "self.timer.interval = 'soon'", AttributeError),
        ('name="decimals"', 'name="decimal"', AttributeError),
        ('class="QTableWidget"', 'class="ctkTableView"', NotImplementedError),
        ("<receiver>imageSelector", "<receiver>imageSelektor", AttributeError),
        ("mrmlSceneChanged(vtkMRMLScene*)", "sceneChanged(vtkMRMLScene*)", AttributeError),
        ("<string>fraction</string>", "<string>fractoin</string>", ValueError),
        ('class="QSpinBox"', 'class="QToolButton"', RuntimeError),
        ("Annotated[float, WithinRange(0.0, 1.0)]", "float", RuntimeError),
        ('Annotated[str, Choice(["auto", "cpu"])]', "str", RuntimeError),
        ("count: int = 3", "count: int = 'three'", TypeError),
        ("count: int = 3", "count: complex = 3", Exception),
        ("count: int = 3", "getValue: int = 3", ValueError),
        ("qt.QTimer()", "ctk.ctkDICOMBrowser()", NotImplementedError),
    ],
)
def test_faults_are_refused(open_panel, an_example_module, old, new, error):
    with pytest.raises(error):
        open_panel(example.change(an_example_module, old, new))


def test_a_forgotten_connection_of_the_scene_shows(open_panel, an_example_module):
    panel = open_panel(example.change(an_example_module, example.connection("imageSelector"), ""))
    add_volume()
    assert panel.ui.imageSelector.currentNode() is None


def test_an_attribute_without_effect_is_found(a_panel):
    from slicer_stand_in.widgets.pythonqt import stray_attributes

    a_panel.ui.runButton.enable = True
    assert stray_attributes(a_panel.parent) == ["QPushButton runButton.enable"]
    del a_panel.ui.runButton.enable


def test_exceptions_in_slots_and_observers_are_caught(scene, a_panel):
    caught = []
    sys.excepthook = lambda _, error, __: caught.append(str(error))  # the fixture `scene` has put its own there
    a_panel.ui.toolButton.connect("clicked()", lambda: int("slot"))
    a_panel.ui.toolButton.click()
    tag = scene.AddObserver(scene.NodeAddedEvent, lambda *_: int("observer"))
    add_volume()
    scene.RemoveObserver(tag)
    assert [error.rsplit(" ", 1)[1] for error in caught[:2]] == ["'slot'", "'observer'"]
