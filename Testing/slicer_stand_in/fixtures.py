"""Fixtures for tests in 3D Slicer's surroundings; `slicer` is imported only by tests that take one of them.

An exception in an observer of VTK or in a slot of Qt, which Slicer only prints, makes the test fail at its end.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

import pytest


@pytest.fixture
def scene(monkeypatch):
    """`slicer.mrmlScene`, empty but for what Slicer has at its start; cleared after the test."""
    from . import headless

    headless.start()
    import slicer

    caught: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _, error, __: caught.append(error))
    yield slicer.mrmlScene
    headless.clear_scene()
    if caught:
        raise caught[0]


@pytest.fixture
def open_panel(scene):  # noqa: ARG001 - the panel is closed before the scene is cleared
    """A function: the path of a scripted module's .py file to its panel, open and entered.

    Without Qt's libraries the test is skipped, or fails if ATTNSEG_REQUIRE_QT=1. At the end the panel is closed; an
    attribute that was set on a widget and means nothing there (`button.enable = True`) makes the test fail.
    """
    start_qt()
    from . import gui
    from .widgets import pythonqt

    panels = []

    def open_module(path):
        panels.append(gui.open_module(path))
        return panels[-1]

    yield open_module
    stray = [name for panel in panels for name in pythonqt.stray_attributes(panel.parent)]
    for panel in reversed(panels):
        gui.close_module(panel.moduleName)
    import slicer

    slicer.app.settings().clear()
    slicer.app.processEvents()
    assert not stray, f"set, but without any effect: {', '.join(stray)}"


def start_qt():
    """Start the application with Qt; skips the test where that can't be, or fails it if ATTNSEG_REQUIRE_QT=1."""
    from . import gui

    _skip_if(gui.why_not())
    gui.start()


def _skip_if(reason):
    if reason and os.environ.get("ATTNSEG_REQUIRE_QT") == "1":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def eyes(scene):  # noqa: ARG001 - the views are closed before the scene is cleared
    """`Eyes` that look at all views; without OpenGL the test is skipped, or fails if ATTNSEG_REQUIRE_QT=1."""
    from . import eyes as looking

    _skip_if(looking.why_blind())
    opened = looking.Eyes()
    yield opened
    opened.close()


@dataclass
class Messages:
    """What a module has told its user: texts by kind. `answer` is what the user says to the next questions."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    answer: bool = True

    def ask(self, text, **options):  # noqa: ARG002 - window titles and the like
        self.questions.append(text)
        return self.answer


@pytest.fixture
def messages(scene, monkeypatch):  # noqa: ARG001 - there is no slicer.app without it
    """`Messages` from `slicer.util.errorDisplay`, `warningDisplay`, `infoDisplay`, `confirm...Display`.

    While a test has it, Slicer is not in its testing mode: `tryWithErrorDisplay` displays (and raises) as for users.
    """
    import slicer

    told = Messages()
    for kind, texts in (("error", told.errors), ("warning", told.warnings), ("info", told.infos)):
        monkeypatch.setattr(slicer.util, f"{kind}Display", lambda text, *_, texts=texts, **__: texts.append(text))
    for answers in ("OkCancel", "YesNo", "RetryClose"):
        monkeypatch.setattr(slicer.util, f"confirm{answers}Display", told.ask)
    monkeypatch.setattr(slicer.app, "testing", False)
    return told


@pytest.fixture
def an_example_module(tmp_path):
    """File of a module with every widget and every type of parameter that has a stand-in."""
    from . import example

    return example.write(tmp_path)


@pytest.fixture
def a_panel(open_panel, an_example_module):
    """Its panel."""
    return open_panel(an_example_module)
