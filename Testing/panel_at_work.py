"""The panel with a small scan and a worker that does what the test says; conftest.py makes its fixtures known."""

from html import unescape
from pathlib import Path

import numpy as np
import pytest
from scripted_worker import ScriptedWorker

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "AttnSeg" / "AttnSeg.py"
MODEL = "anunet-left_atrium-mr"
SHAPE = (6, 64, 48)  # sagittal slices of 64 x 48 pixels
AFFINE = np.array([[0, 0, 5.0, 0], [2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]])  # i anterior, j superior, k right


@pytest.fixture
def a_node(scene):
    import slicer

    voxels = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
    node = slicer.util.addVolumeFromArray(voxels, ijkToRAS=AFFINE, name="scan")
    assert scene.GetNodeByID(node.GetID())
    return node


@pytest.fixture
def widget(a_node, open_panel, monkeypatch):
    monkeypatch.setattr("AttnSegLib.mrml.session.Worker", ScriptedWorker)
    widget = open_panel(MODULE)
    widget.timer.stop()  # the tests poll themselves
    assert widget.panel.parameters.inputVolume is a_node
    widget.panel.parameters.modelId = MODEL
    return widget


@pytest.fixture
def ui(widget):
    return widget.ui


@pytest.fixture
def worker(widget):
    return widget.panel.session._worker


@pytest.fixture
def parameters(widget):
    return widget.panel.parameters


def a_block():
    """Left atrium in two slices."""
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[2:4, 10:20, 10:30] = 1
    return label_map


def segmented(widget, label_map=None):
    """Press Apply and let the run end well; returns the segmentation node."""
    widget.ui.applyButton.click()
    widget.panel.session._worker.finish(a_block() if label_map is None else label_map)
    widget.panel.poll()
    return widget.panel.parameters.segmentation


def voxels_of(segmentation, volume):
    import slicer

    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "left_atrium", volume)


def words(label):
    """What is read in a label with rich text, and the marks in it."""
    return unescape(label.text)


def said(widget):
    """What is read where the last action began."""
    return unescape(widget.panel.row.label.text).strip()


def remarks(ui):
    """All that is said before a run; in one line there is only the first of it."""
    ui.preflightLabel.linkActivated.emit("more")
    text = unescape(ui.preflightLabel.text)
    ui.preflightLabel.linkActivated.emit("less")
    return text


def pick(box, text):
    """Choose an entry as a user does, by what it begins with."""
    texts = [box.itemText(index) for index in range(box.count)]
    box.setCurrentIndex(next(index for index, one in enumerate(texts) if one.startswith(text)))
    box.activated.emit(box.currentIndex)


def shown_map():
    """The heat map in the views, None if there is none."""
    import slicer

    from AttnSegLib.mrml.map_display import shown_heat_map

    return shown_heat_map(slicer.mrmlScene)


def finish(widget, label_map=None):
    """What the worker computes comes."""
    widget.panel.session._worker.finish(label_map)
    widget.panel.poll()


def show_map(widget, title="gate 1,2", label_map=None):
    """A map in the views; returns its node. label_map: what the model says with it."""
    pick(widget.ui.mapBox, title)
    finish(widget, label_map)
    return shown_map()


def show_all_maps(widget):
    """All maps; returns the node that follows the sequence."""
    widget.ui.sequenceButton.click()
    finish(widget)
    return shown_map()


def legend_of(node):
    import slicer

    return slicer.modules.colors.logic().GetColorLegendDisplayNode(node)


def rendering_of(node):
    import slicer

    return slicer.modules.volumerendering.logic().GetFirstVolumeRenderingDisplayNode(node)


def outline_node():
    """What shows a result without a map; None if there is none."""
    import slicer

    from AttnSegLib.mrml.switching.outlines import is_outline

    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    found = [node for node in nodes if is_outline(node)]
    assert len(found) <= 1
    return found[0] if found else None
