"""Opens the panel of a scripted module: `qt`, `ctk`, qMRML widgets and a main window, on PySide6 without a display."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import logging
import os
import sys
import types
from pathlib import Path

import slicer

from . import headless, segment_editor

_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
}
_WITHOUT_STAND_IN = ("qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLRangeWidget", "qSlicerWidget")
"""Classes that Slicer's parameterNodeWrapper mentions; they raise when one is made."""


def why_not() -> str | None:
    """One sentence on what Qt needs and this machine lacks; None if panels can be opened."""
    if importlib.util.find_spec("PySide6") is None:
        return "Panels need PySide6: pip install PySide6-Essentials."
    if sys.platform == "linux" and not all(map(_loads, _LIBRARIES)):
        return f"Panels need system libraries of Qt: sudo apt install {' '.join(_LIBRARIES.values())}."
    return None


def start() -> headless.Application:
    """The application, now with Qt; raises `RuntimeError` with the sentence of `why_not`."""
    if "qt" in sys.modules:
        return slicer.app
    reason = why_not()
    if reason:
        raise RuntimeError(reason)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from .widgets import pythonqt

    application = headless.start()
    qt, ctk = pythonqt.install()
    application.qt_application = _start_qt(qt, Path(application.slicerUserSettingsFilePath))
    sys.modules.update(qt=qt, ctk=ctk)
    _add_widgets(qt, ctk)
    _add_python_modules()
    slicer.qSlicerScriptedLoadableModule = headless.ScriptedModule
    application.main_window = _main_window(qt)
    application.add_module(segment_editor.module())
    _answer_file_dialogs(qt, application.file_answers)
    return application


def open_module(path: str | Path):
    """Load a scripted module, as Slicer does at its start, select it, and return its panel (`<Name>Widget`).

    `slicer.modules.<name>` and `slicer.modules.<Name>Widget` are there, too; the code is `sys.modules["<Name>"]`. If
    anything raises, the module is closed again.
    """
    start()
    entry = headless.ScriptedModule(Path(path).stem, str(path))
    slicer.app.add_module(entry)
    try:
        code = _run_file(entry)
        setattr(slicer.modules, f"{entry.name}Instance", getattr(code, entry.name)(entry))
        slicer.app.emit("startupCompleted()")
        _make_panel(entry, getattr(code, f"{entry.name}Widget"))
        slicer.util.selectModule(entry.name)
    except BaseException:
        slicer.app.main_window.moduleSelector().selectedModule = ""  # what did not open needs no `exit`
        close_module(entry.name)
        raise
    return entry.panel


def close_module(name: str) -> None:
    """Leave a module and take it out of the application, as at Slicer's end."""
    import shiboken6

    entry, selector = slicer.app.moduleManager().module(name), slicer.app.main_window.moduleSelector()
    try:
        if selector.selectedModule == name:
            selector.leave()
        slicer.app.moduleManager().unload(name)
    finally:
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            vars(slicer.modules).pop(attribute, None)
        vars(slicer).get("selfTests", {}).pop(name, None)
        sys.modules.pop(name, None)
        with contextlib.suppress(ValueError):
            sys.path.remove(str(Path(entry.path).parent))
        if entry.parent:
            shiboken6.delete(entry.parent)


def screenshot(widget, path: str | Path, width: int = 420) -> None:
    """Write a picture (.png) of a panel or a widget, `width` pixels wide and as high as it wants to be."""
    shown = getattr(widget, "layout", None) and getattr(widget, "parent", None)
    shown = widget if callable(shown) or not shown else shown
    height = shown.heightForWidth(width) if shown.hasHeightForWidth() else shown.sizeHint().height()
    shown.resize(width, max(height, shown.minimumSizeHint().height()))
    shown.show()
    slicer.app.processEvents()
    if not shown.grab().save(str(path)):
        raise OSError(f"{path} can't be written")


def _loads(library):
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _start_qt(qt, settings_file):
    """The one QApplication; its settings live in a temporary folder, its messages go to Python's log."""
    qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
    qt.QSettings.setPath(qt.QSettings.IniFormat, qt.QSettings.UserScope, str(settings_file.parent.parent))
    qt.QCoreApplication.setOrganizationName(settings_file.parent.name)
    qt.QCoreApplication.setApplicationName(settings_file.stem)
    qt.qInstallMessageHandler(_log)
    return qt.QApplication.instance() or qt.QApplication(["Slicer"])


def _log(kind, context, message):  # noqa: ARG001 - Qt's signature
    if "propagateSizeHints" not in message:  # the off-screen platform says so of every window
        logging.getLogger("Qt").warning(message)


def _answer_file_dialogs(qt, answers):
    """Dialogs for files answer at once, with a path alone as in PythonQt: the next answer, else "" (cancelled)."""

    def answer(*args, **kwargs):  # noqa: ARG001 - parent, caption, folder, filter
        return answers.pop(0) if answers else ""

    for name in ("getExistingDirectory", "getOpenFileName", "getSaveFileName"):
        setattr(qt.QFileDialog, name, staticmethod(answer))


def _add_widgets(qt, ctk):
    from .widgets.ctk_widgets import CTK
    from .widgets.mrml_widgets import MRML
    from .widgets.ui_files import QUiLoader

    def missing(name):
        def refuse(self, *args, **kwargs):
            raise NotImplementedError(f"no test stand-in for {name}")

        return type(name, (qt.QWidget,), {"__init__": refuse})

    def missing_ctk(name):
        if not name.startswith("ctk"):
            raise AttributeError(f"module 'ctk' has no attribute {name!r}")
        return vars(ctk).setdefault(name, missing(name))

    vars(ctk).update(CTK, __getattr__=missing_ctk)
    vars(slicer).update(MRML, **{name: missing(name) for name in _WITHOUT_STAND_IN})
    QUiLoader.stand_ins = {**CTK, **MRML}
    qt.QUiLoader = QUiLoader


def _add_python_modules():
    """Slicer's own modules in Python from the checkout SLICER_SOURCE, else the stand-ins for them."""
    source = os.environ.get("SLICER_SOURCE")
    if source:
        slicer.__path__.append(str(Path(source, "Base", "Python", "slicer")))
        sys.path.append(str(Path(source, "Modules", "Scripted", "SampleData")))
        return
    from .python_modules import i18n, sample_data

    sys.modules.update({"slicer.i18n": i18n, "SampleData": sample_data})
    from .python_modules import parameters, scripted_module

    sys.modules.update({"slicer.parameterNodeWrapper": parameters, "slicer.ScriptedLoadableModule": scripted_module})
    slicer.i18n, slicer.parameterNodeWrapper, slicer.ScriptedLoadableModule = i18n, parameters, scripted_module


def _run_file(entry):
    sys.path.append(str(Path(entry.path).parent))  # as Slicer does with every folder of modules
    spec = importlib.util.spec_from_file_location(entry.name, entry.path)
    code = importlib.util.module_from_spec(spec)
    sys.modules[entry.name] = code
    spec.loader.exec_module(code)
    return code


def _make_panel(entry, cls):
    import qt

    entry.parent = slicer.qSlicerScriptedLoadableModuleWidget()
    entry.parent.setLayout(qt.QVBoxLayout())
    entry.parent.setMRMLScene(slicer.mrmlScene)
    entry.panel = entry.parent._panel = cls(entry.parent)
    setattr(slicer.modules, f"{entry.name}Widget", entry.panel)
    entry.panel.setup()


def _main_window(qt):
    window = qt.QMainWindow()
    window.setObjectName("qSlicerMainWindow")
    selector = ModuleSelector()
    window.moduleSelector = types.MethodType(lambda _: selector, window)
    return window


class ModuleSelector:
    """Which module the user is in: calls `exit` of the old panel and `enter` of the new one."""

    def __init__(self):
        self.selectedModule = ""

    def selectModule(self, name):
        """Enter a module; raises `ValueError` if there is none of this name."""
        if slicer.app.moduleManager().module(name) is None:
            raise ValueError(f"there is no module {name!r}")
        if name != self.selectedModule:
            self.leave()
            self.selectedModule = name
            self._tell(True)

    def leave(self):
        """Leave the module that is selected, for none."""
        self._tell(False)
        self.selectedModule = ""

    def _tell(self, entered):
        panel = getattr(slicer.app.moduleManager().module(self.selectedModule), "panel", None)
        if panel:
            panel.parent.isEntered = entered
            getattr(panel, "enter" if entered else "exit", lambda: None)()
