"""What the views show, as pictures: Slicer's own displayable managers draw off-screen, by VTK with EGL.

Slice views show the blended layers, outlines of segmentations, points and colour legends; the 3D view shows surfaces,
volume rendering, points and its box. Not drawn: the texts in the corners and the rulers.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

_IN_SLICES = ("ColorLegend", "Markups", "Segmentations2D", "ModelSlice")
_IN_3D = ("Camera", "View", "Model", "Segmentations3D", "VolumeRendering", "Markups", "ColorLegend")
_PROBE = (
    "import vtk; w = vtk.vtkRenderWindow(); w.SetOffScreenRendering(1); w.AddRenderer(vtk.vtkRenderer()); w.Render()"
)


@functools.cache
def why_blind() -> str | None:
    """One sentence on what off-screen rendering needs; None if it works. VTK crashes where it does not, so a process
    of its own tries."""
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")  # no display is looked for
    if subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, check=False).returncode == 0:
        return None
    return "Views need OpenGL: sudo apt install libegl1 libgl1."


class Eyes:
    """Looks at the three slice views, `Red`, `Green` and `Yellow`, and at the 3D view, `3D`.

    size: pixels of a slice view, height and width; size_3d: of the 3D view, since volume rendering takes long.
    """

    def __init__(self, size: int = 200, size_3d: int = 96):
        manager = slicer.app.layoutManager()
        self._slices = {name: manager.sliceWidget(name).sliceLogic() for name in manager.sliceViewNames()}
        self._windows = {name: _SliceWindow(logic, size) for name, logic in self._slices.items()}
        self._windows["3D"] = _view_window(manager.view_node, size_3d)
        for logic in self._slices.values():
            logic.ResizeSliceNode(size, size)
        manager.three_d_renderers.append(self._windows["3D"].renderer)

    def look(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8: what a view shows now."""
        return self._windows[name].picture()

    def draw(self) -> None:
        """Let the views draw what has changed, as the application does between two events."""
        for window in self._windows.values():
            window.draw()

    def legend(self, name: str) -> tuple[int, int, int, int] | None:
        """The box around what the legend draws in a view, as first and last row and column; None if there is none."""
        return self._windows[name].legend()

    def save(self, path: str | Path) -> None:
        """All four views in one picture, as Slicer's usual layout has them; they must be of one size."""
        import matplotlib.image

        rows = [("Red", "3D"), ("Green", "Yellow")]
        picture = np.concatenate([np.concatenate([self.look(name) for name in row], axis=1) for row in rows])
        matplotlib.image.imsave(path, picture)

    def close(self) -> None:
        """Take the windows away; the nodes of the views stay."""
        slicer.app.layoutManager().three_d_renderers.clear()
        for window in self._windows.values():
            window.close()


class _Window:
    """A window that nobody sees, in which the displayable managers of a view draw."""

    def __init__(self, factory, managers, node, size):
        self.renderer, self._window = vtk.vtkRenderer(), vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)  # translucent surfaces would disappear in software
        self._window.SetSize(size, size)
        self._window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        names = [_class_name(name) for name in managers]
        for name in names:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.SetRenderer(self.renderer)
        self._group.Initialize(factory, self.renderer)
        self._group.SetMRMLDisplayableNode(node)

        self._is_old = True
        self._group.AddObserver(vtk.vtkCommand.UpdateEvent, self._grow_old)  # what managers ask for

    def _grow_old(self, *_):
        self._is_old = True

    def draw(self) -> None:
        """Draw if a displayable manager asked for it."""
        if self._is_old:
            self._is_old = False
            self._window.Render()

    def picture(self) -> np.ndarray:
        self._is_old = True
        self.draw()
        return _pixels(self._window)

    def legend(self):
        """By two pictures: with the legend, and without."""
        shown = [node for node in _legends() if node.GetVisibility()]
        with_legend = self.picture()
        for node in shown:
            node.SetVisibility(False)
        changed = (self.picture() != with_legend).any(axis=2)
        for node in shown:
            node.SetVisibility(True)
        if not changed.any():
            return None
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])

    def close(self) -> None:
        self._group.SetMRMLDisplayableNode(None)
        self._window.Finalize()


class _SliceWindow(_Window):
    """That of a slice view, where the slice logic blends the volumes."""

    def __init__(self, logic, size):
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, _IN_SLICES, logic.GetSliceNode(), size)
        self._logic, self._layers, self._actor = logic, vtk.vtkImageMapper(), vtk.vtkActor2D()
        self._layers.SetColorWindow(255)
        self._layers.SetColorLevel(127.5)
        self._actor.SetMapper(self._layers)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self._actor)
        self.renderer.GetActiveCamera().ParallelProjectionOn()

    def draw(self) -> None:
        """Draw, since what volumes show has changed if anything has."""
        self._is_old = True
        blended = self._logic.GetImageDataConnection()
        self._layers.SetInputConnection(blended)
        self._actor.SetVisibility(blended is not None)
        super().draw()


def _view_window(node, size):
    factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
    return _Window(factory, _IN_3D, node, size)


def _class_name(short):
    """`Segmentations2D` is vtkMRMLSegmentationsDisplayableManager2D."""
    stem, dimensions = (short[:-2], short[-2:]) if short.endswith(("2D", "3D")) else (short, "")
    return f"vtkMRML{stem}DisplayableManager{dimensions}"


def _legends():
    scene, kind = slicer.mrmlScene, "vtkMRMLColorLegendDisplayNode"
    return [scene.GetNthNodeByClass(number, kind) for number in range(scene.GetNumberOfNodesByClass(kind))]


def _pixels(window):
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    width, height, _ = grab.GetOutput().GetDimensions()
    flat = numpy_support.vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
    return np.ascontiguousarray(flat.reshape(height, width, -1)[::-1, :, :3])
