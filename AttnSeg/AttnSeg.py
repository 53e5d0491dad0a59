"""AttnSeg's module in 3D Slicer: segment organs with attention networks, and see where the network looked."""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import qt
import slicer
import vtk
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

_FOLDER = Path(__file__).resolve().parent
for _place in (_FOLDER, _FOLDER.parent):  # in a checkout the library lies beside the module's folder
    if str(_place) not in sys.path:
        sys.path.append(str(_place))

from AttnSegLib.models.places import resource_folder  # noqa: E402
from AttnSegPanel import samples  # noqa: E402

if TYPE_CHECKING:  # what the panel needs is imported when it opens: Slicer's start is not to wait for it
    from AttnSegLib.mrml.news import MapSwitchedOff
    from AttnSegLib.mrml.protocols import SegmentationNode, VolumeNode
    from AttnSegLib.mrml.session import Session
    from AttnSegPanel.panel import Panel
    from AttnSegPanel.widgets import Parameters

_POLL_MS = 30
_AFTER_THE_BOXES = -10.0  # priority: Slicer's boxes fill at the end of an import, too


class AttnSeg(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "AttnSeg"
        self.parent.icon = qt.QIcon(str(resource_folder("Icons") / "AttnSeg.svg"))
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["The AttnSeg contributors"]
        self.parent.helpText = _(
            "Segments organs in CT and MR volumes with attention networks, slice by slice, and shows the attention "
            "coefficients of the network as heat maps. For research only, not a medical device. See the "
            '<a href="https://github.com/AttnSeg/SlicerAttnSeg/blob/main/docs/slicer.md">tutorial</a>.'
        )
        self.parent.acknowledgementText = _(
            "ANU-Net (Li et al.), AF-Net, Omega-Net (MDA*-U-Net*), EC-CaM-UNet and MS-Dual-Guided (Sinha and Dolz) are "
            "the work of their authors; please cite the network that you use. Each model's attribution names the data "
            "that its weights were trained on."
        )
        slicer.app.connect("startupCompleted()", samples.register)


@parameterNodeWrapper
class AttnSegParameterNode:
    """The user's choices, saved with the scene.

    level: 0 is the whole network. plane: of the slices, empty for the one in the model's card. firstSlice, lastSlice:
    stored indices along the slice axis, -1 is the last there is. fast: labels in 8 bits. threshold: a share of the
    range of colours, which is 0 to 1 at fullScale. absolute: self-attention, which is else relative to each slice's
    largest. eraseRadius: mm. cohortFolder, cohortCase (name/model): of the cohort that is looked through, or empty.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    modelId: str = ""
    device: str = "auto"
    level: int = 0
    plane: str = ""
    roi: vtkMRMLMarkupsROINode
    firstSlice: Annotated[int, WithinRange(0, 100000)] = 0
    lastSlice: Annotated[int, WithinRange(-1, 100000)] = -1  # the range makes the box say "last"
    flips: bool = False
    fast: bool = False
    segmentation: vtkMRMLSegmentationNode
    reference: vtkMRMLSegmentationNode
    caseSegmentation: vtkMRMLSegmentationNode
    attentionMap: str = ""
    opacity: Annotated[float, WithinRange(0, 1)] = 0.5
    threshold: Annotated[float, WithinRange(0, 1)] = 0.15
    fullScale: bool = False
    absolute: bool = False
    eraseRadius: Annotated[float, WithinRange(1, 100)] = 10.0
    cohortFolder: str = ""
    cohortCase: str = ""
    cohortScan: vtkMRMLScalarVolumeNode
    cohortSegmentation: vtkMRMLSegmentationNode


class AttnSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Keeps panel, parameter node and timer together; the panel does the rest."""

    logic: AttnSegLogic
    panel: Panel

    def __init__(self, parent: Any = None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self._parameterNodeGuiTag: int | None = None

    def setup(self) -> None:
        """Build the panel; no torch is loaded and no process started."""
        from AttnSegPanel.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(str(resource_folder("UI") / "AttnSeg.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = AttnSegLogic()
        self.panel = Panel(self.ui, self.logic.session, _python())
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartChange)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndChange)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartChange)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndChange, priority=_AFTER_THE_BOXES)
        self.timer = qt.QTimer()
        self.timer.setInterval(_POLL_MS)
        self.timer.connect("timeout()", self.panel.poll)
        self.timer.start()
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """The application closes, or the module is reloaded."""
        self.timer.stop()
        self.setParameterNode(None)
        self.panel.close()
        self.logic.close()
        self.removeObservers()

    def enter(self) -> None:
        """The user opens the module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """The user goes to another module; a run goes on."""
        if self.panel.is_open:
            self.panel.parameters.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None

    def onReload(self) -> None:
        """Reload the library and the panel too, which Slicer's own reload leaves as they are."""
        self.cleanup()
        for name in [name for name in sys.modules if name.split(".")[0] in ("AttnSegLib", "AttnSegPanel")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartChange(self, _caller: Any, _event: Any) -> None:
        """The parameter node is about to vanish, or to get what a file says: boxes without its nodes must not answer
        that nothing is chosen."""
        self.setParameterNode(None)
        self.panel.forget()

    def onSceneEndChange(self, _caller: Any, _event: Any) -> None:
        """Go on in the empty scene, or in that of the file."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Take the scene's parameter node; choose the first volume and model if nothing is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        parameters = self.panel.parameters
        if parameters.inputVolume is None:
            parameters.inputVolume = self.panel.first_scan()
        if self.panel.spec is None and self.panel.models:
            parameters.modelId = self.panel.models[0].id

    def setParameterNode(self, node: Parameters | None) -> None:
        """Connect another parameter node, or none, with the widgets."""
        if self.panel.is_open:
            old = self.panel.parameters
            if self._parameterNodeGuiTag is not None:
                old.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(old, vtk.vtkCommand.ModifiedEvent, self.panel.refresh)
        self._parameterNodeGuiTag = None
        self.panel.parameters = node
        if node is not None:
            self._parameterNodeGuiTag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.panel.refresh)
            self.panel.refresh()


class AttnSegLogic(ScriptedLoadableModuleLogic):
    """For scripts: AttnSegLogic().segment(volumeNode, "anunet-left_atrium-mr") gives a segmentation node.

    All logics and the panel share one session and its worker, which stays warm until `close`, or until Slicer ends.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.session = _session()

    def close(self) -> None:
        """End the worker and let its memory go; whatever runs is dropped. The next run starts another one."""
        self.session.close()

    def getParameterNode(self) -> Parameters:
        """The scene's choices."""
        wrapper: Any = AttnSegParameterNode  # its decorator makes the constructor
        node: Parameters = wrapper(super().getParameterNode())
        return node

    def segment(
        self,
        volume_node: VolumeNode,
        model_id: str,
        segmentation_node: SegmentationNode | None = None,
        device: str = "auto",
    ) -> SegmentationNode:
        """Segment and wait for the result, with the application alive meanwhile; returns the segmentation node.

        Raises `InputError` with one sentence if it can't be done, as while the panel computes something.
        """
        from AttnSegLib.mrml.news import Segmented
        from AttnSegPanel.waiting import await_news, target_of

        target = target_of(volume_node, model_id, device)
        start = functools.partial(self.session.segment, target, segmentation=segmentation_node)
        return await_news(self.session, start, Segmented).node

    def switch_off(self, volume_node: VolumeNode, model_id: str, title: str, device: str = "auto") -> MapSwitchedOff:
        """The slice in view with an attention map and without it, which is outlined; waits, and raises, as `segment`.
        The answer says what changed, its `sentence` in words."""
        from AttnSegLib.mrml.news import MapSwitchedOff
        from AttnSegPanel.waiting import await_news, target_of

        target = target_of(volume_node, model_id, device)
        return await_news(self.session, lambda: self.session.switch_off(target, title), MapSwitchedOff)


class AttnSegTest(ScriptedLoadableModuleTest):
    """Real inference with the shipped weights on the shipped case, in Slicer and on its core alone."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        for test in (self.test_segments_the_left_atrium, self.test_switches_a_map_off, self.test_teaches_a_tiny_model):
            self.setUp()
            test()

    def test_segments_the_left_atrium(self) -> None:
        """Dice above 0.9 against the manual label map, on the volume's own grid."""
        import numpy as np

        from AttnSegLib.results import metrics

        sample = resource_folder("Samples") / "left_atrium_mr"
        volume = slicer.util.loadVolume(str(sample / "image.nrrd"), {"name": "Left atrium MR"})
        truth = slicer.util.arrayFromVolume(slicer.util.loadLabelVolume(str(sample / "labels.nrrd")))
        segmentation = AttnSegLogic().segment(volume, "anunet-left_atrium-mr")
        assert segmentation.GetSegmentation().GetNthSegmentID(0) == "left_atrium"
        found = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "left_atrium", volume)
        assert found.shape == truth.shape
        assert metrics.dice(truth > 0, np.asarray(found) > 0) > 0.9

    def test_switches_a_map_off(self) -> None:
        """Without the map that matters most, the middle slice has another result, and its outline is seen."""
        from AttnSegLib.mrml import views

        sample = resource_folder("Samples") / "left_atrium_mr"
        volume = slicer.util.loadVolume(str(sample / "image.nrrd"), {"name": "Left atrium MR"})
        views.jump_to_slice(volume, 0, volume.GetImageData().GetDimensions()[2] // 2)
        switched = AttnSegLogic().switch_off(volume, "anunet-left_atrium-mr", "gate 0,1")
        assert 0 < (switched.influence or 0) < 1, switched.sentence
        assert switched.node.GetDisplayNode().GetVisibility()

    def test_teaches_a_tiny_model(self) -> None:
        """Two made-up cases become a collection, a model, and a segmentation, in less than a minute."""
        from AttnSegPanel.teaching.self_test import teach_two_balls

        teach_two_balls(_python(), AttnSegLogic().segment)


@functools.cache
def _session() -> Session:
    """The one of this application."""
    from AttnSegLib.mrml.session import Session

    session = Session(python=_python())
    slicer.app.connect("aboutToQuit()", session.close)
    return session


def _python() -> str:
    """Slicer's own Python interpreter, which is a program of its own; outside Slicer the running one."""
    return shutil.which("PythonSlicer") or sys.executable
