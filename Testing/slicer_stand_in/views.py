"""The layout manager, its three slice views and its 3D view: real nodes and logics; `eyes.py` draws what they show."""

from __future__ import annotations

import slicer

VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
_COLORS = {"Red": (0.95, 0.29, 0.20), "Green": (0.43, 0.69, 0.29), "Yellow": (0.93, 0.84, 0.30)}


class SliceWidget:
    """What a module may ask of a slice view: its nodes and its logic."""

    def __init__(self, logic):
        self._logic = logic

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self):
        self._logic.FitSliceToBackground()


class LayoutManager:
    """Slicer's conventional layout: a red, a green and a yellow slice view of 256 x 256 pixels, and a 3D view.

    view_node: of the 3D view; three_d_renderers: of the 3D views that are drawn.
    """

    def __init__(self, application_logic):
        self._logics = application_logic.GetSliceLogics()
        self._widgets = {}
        self.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
        for name, color in _COLORS.items():
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(application_logic)
            self._logics.AddItem(logic)
            logic.SetMRMLScene(application_logic.GetMRMLScene())
            logic.AddSliceNode(name).SetLayoutColor(*color)
            self._widgets[name] = SliceWidget(logic)
        self.three_d_renderers = []
        view_logic = slicer.vtkMRMLViewLogic()
        view_logic.SetMRMLApplicationLogic(application_logic)
        application_logic.GetViewLogics().AddItem(view_logic)
        view_logic.SetMRMLScene(application_logic.GetMRMLScene())
        self.view_node = view_logic.AddViewNode("1")
        self.reset()

    def reset(self):
        """Bring every view into the state in which Slicer starts: nothing shown, the name's own orientation."""
        self.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
        for name, widget in self._widgets.items():
            composite, node, logic = widget.mrmlSliceCompositeNode(), widget.mrmlSliceNode(), widget.sliceLogic()
            for layer in ("Background", "Foreground", "Label"):
                getattr(composite, f"Set{layer}VolumeID")(None)
            composite.SetForegroundOpacity(0.0)
            composite.SetLabelOpacity(1.0)
            composite.SetLinkedControl(False)
            node.SetOrientation(VIEWS[name])
            node.JumpSlice(0, 0, 0)
            logic.ResizeSliceNode(256, 256)

    def sliceViewNames(self):
        return tuple(self._widgets)

    def sliceWidget(self, name):
        """The view of this name, None if there is none, as in Slicer."""
        return self._widgets.get(name)

    def resetThreeDViews(self):
        """Point the cameras at the middle of what is seen, without the box, from where all of it is seen."""
        node = self.view_node
        shown = node.GetBoxVisible(), node.GetAxisLabelsVisible()
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        for renderer in self.three_d_renderers:
            renderer.ResetCamera()
        node.SetBoxVisible(shown[0])
        node.SetAxisLabelsVisible(shown[1])

    def mrmlSliceLogics(self):
        return self._logics

    def setLayout(self, layout):
        self.layout = int(layout)

    def resetSliceViews(self):
        for widget in self._widgets.values():
            widget.fitSliceToBackground()
