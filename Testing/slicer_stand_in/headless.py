"""`slicer.mrmlScene`, `slicer.app` and `slicer.modules` on the wheel `slicer-core`, MRML without an application."""

from __future__ import annotations

import atexit
import contextlib
import inspect
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import slicer
import vtk

from .files import InputOutputManager
from .views import LayoutManager

_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
}
"""Loadable modules with a logic that the wheel has; those of another wheel are left out."""


class Module:
    """An entry of `slicer.modules`: name, path and logic."""

    def __init__(self, name: str, logic=None, path: str = ""):
        self.name, self.title, self.path = name, name, path
        self._logic = logic

    def logic(self):
        return self._logic


class SequencesModule(Module):
    """The module Sequences; the tool bar is `shown_browser`, the browser node that it shows."""

    shown_browser = None

    def showSequenceBrowser(self, browser):
        self.shown_browser = browser


class ScriptedModule(Module):
    """What a scripted module gets as `parent` and fills in, and its entry of `slicer.modules`."""

    def __init__(self, name: str, path: str):
        super().__init__(name, path=path)
        self.categories, self.dependencies, self.contributors = [], [], []
        self.helpText, self.acknowledgementText, self.icon, self.hidden = "", "", None, False
        self.panel, self.parent = None, None

    def widgetRepresentation(self):
        return self.parent


class ModuleManager:
    """Knows the modules by name; its one signal tells that a module is about to go."""

    def __init__(self, modules: dict[str, Module]):
        self._modules = modules
        self._slots: list[Callable[[str], None]] = []

    def module(self, name):
        return self._modules.get(name)

    def modulesNames(self):
        return tuple(self._modules)

    def connect(self, signal, slot):
        _only(signal, "moduleAboutToBeUnloaded(QString)")
        self._slots.append(slot)

    def disconnect(self, signal, slot):
        _only(signal, "moduleAboutToBeUnloaded(QString)")
        self._slots.remove(slot)

    def unload(self, name):
        """Tell those who listen, and forget the module."""
        self._modules.pop(name, None)
        for slot in tuple(self._slots):
            slot(name)


class Application:
    """`slicer.app`: the scene and its logics, paths in a temporary folder, signals at the application's start and end.

    Methods that Slicer answers with objects of Qt need `gui.start()` before; without it they raise `ImportError`.
    A test puts into `file_answers` the paths that its user is going to choose in dialogs for files.
    """

    applicationName, majorVersion, minorVersion = "Slicer", 5, 12
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"

    def __init__(self):
        folder = Path(tempfile.mkdtemp(prefix="slicer-stand-in-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.slicerHome = self._folder(folder / "home")
        self.temporaryPath = self._folder(folder / "temporary")
        self.cachePath = self._folder(folder / "cache")
        self.slicerUserSettingsFilePath = str(Path(self._folder(folder / "settings"), "Slicer.ini"))
        self.testing = True
        self.file_answers: list[str] = []
        self._slots: dict[str, list[Callable[[], None]]] = {"startupCompleted()": [], "aboutToQuit()": []}
        self._scene = slicer.vtkMRMLScene()
        self._logic = self._application_logic()
        self._modules = {name: self._loadable(name, c) for name, c in _LOGICS.items() if hasattr(slicer, c)}
        self._module_manager = ModuleManager(self._modules)
        self._files = InputOutputManager(self)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self._scene, True)
        self._layout = LayoutManager(self._logic)

    def mrmlScene(self):
        return self._scene

    def applicationLogic(self):
        return self._logic

    def moduleLogic(self, name):
        return self._modules[name].logic()

    def moduleManager(self):
        return self._module_manager

    def coreIOManager(self):
        return self._files

    def layoutManager(self):
        return self._layout

    def testingEnabled(self):
        """True by default, as under `Slicer --testing`: messages are logged only, errors are raised only."""
        return self.testing

    def moduleDocumentationUrl(self, name):
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def translate(self, context, text):  # noqa: ARG002 - Slicer's signature; the stand-in speaks English
        return text

    def connect(self, signal, slot):
        _only(signal, *self._slots)
        self._slots[signal].append(slot)

    def disconnect(self, signal, slot):
        _only(signal, *self._slots)
        self._slots[signal].remove(slot)

    def emit(self, signal):
        """Call, once, who connected to `startupCompleted()` (all modules are there) or `aboutToQuit()`."""
        slots, self._slots[signal] = self._slots[signal], []
        for slot in slots:
            slot()

    def settings(self):
        import qt

        return qt.QSettings()

    userSettings = revisionUserSettings = settings

    def processEvents(self):
        if "qt" in sys.modules:
            sys.modules["qt"].QApplication.processEvents()

    def topLevelWidgets(self):
        import qt

        return qt.QApplication.topLevelWidgets()

    def setOverrideCursor(self, cursor):
        import qt

        qt.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self):
        import qt

        qt.QApplication.restoreOverrideCursor()

    def pauseRender(self):
        pass

    def resumeRender(self):
        pass

    def add_module(self, module: Module):
        """Make a module known under `slicer.modules.<name in small letters>`."""
        self._modules[module.name] = module
        setattr(slicer.modules, module.name.lower(), module)

    @staticmethod
    def _folder(path):
        path.mkdir(parents=True)
        return str(path)

    def _application_logic(self):
        logic = slicer.vtkSlicerApplicationLogic()
        logic.SetMRMLScene(self._scene)
        logic.SetSliceLogics(vtk.vtkCollection())
        logic.SetViewLogics(vtk.vtkCollection())
        logic.SetTemporaryPath(self.temporaryPath)
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self._scene.AddNode(crosshair)
        self._observe_files(logic)
        return logic

    def _observe_files(self, logic):
        """Scenes in one file (.mrb) are read through the data manager, which needs a cache folder."""
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.SetMRMLScene(self._scene)
        self._remote.SetMRMLApplicationLogic(logic)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(self.cachePath)
        self._data_manager = slicer.vtkDataIOManagerLogic()
        self._data_manager.SetMRMLScene(self._scene)
        self._data_manager.SetMRMLApplicationLogic(logic)
        self._data_manager.SetAndObserveDataIOManager(self._remote.GetDataIOManager())
        self._remote.AddDataIOToScene()

    def _loadable(self, name, class_name):
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(self._logic)
        logic.SetMRMLScene(self._scene)
        self._logic.SetModuleLogic(name, logic)
        return SequencesModule(name, logic) if name == "Sequences" else Module(name, logic)


def start() -> Application:
    """The application of this process, made at the first call."""
    if not hasattr(slicer, "app"):
        _forget_functions()
        with quiet_vtk():  # the wheel has no terminologies, whose logic complains
            application = Application()
        slicer.app, slicer.mrmlScene = application, application.mrmlScene()
        slicer.modules = types.SimpleNamespace()
        for name in application.moduleManager().modulesNames():
            setattr(slicer.modules, name.lower(), application.moduleManager().module(name))
    return slicer.app


@contextlib.contextmanager
def quiet_vtk() -> Iterator[None]:
    """Errors and warnings of VTK are not written while this lasts."""
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)


def clear_scene() -> None:
    """An empty scene and fresh views: File > Close scene, and the parameter nodes, which Slicer keeps, go too."""
    scene = slicer.mrmlScene
    scene.Clear(False)
    for class_name in ("vtkMRMLScriptedModuleNode", "vtkMRMLSubjectHierarchyNode"):
        while node := scene.GetFirstNodeByClass(class_name):
            scene.RemoveNode(node)
    slicer.app.layoutManager().reset()
    slicer.app.file_answers.clear()


def _forget_functions() -> None:
    """The wheel has every function of `slicer.util` in `slicer`, too; in Slicer that would be an error."""
    for name, value in vars(slicer.util).items():
        own = (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == "slicer.util"
        if own and vars(slicer).get(name) is value:
            delattr(slicer, name)


def _only(signal, *known):
    if signal not in known:
        raise NotImplementedError(f"no test stand-in for the signal {signal!r}, but: {', '.join(known)}")
