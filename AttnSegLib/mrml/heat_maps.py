"""Attention maps as volumes that lie over the image: made, shown, hidden, scrolled through. No Qt."""

from __future__ import annotations

import numpy as np
import slicer

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.nodes import color_table, composites, fill_volume_node, nodes_of_class
from AttnSegLib.mrml.protocols import Node, Scene, VolumeNode
from AttnSegLib.mrml.volumes import node_affine, place_beside

_MAP = "AttnSeg.map"  # attribute of a heat map: the title of its attention map
_INFERNO = "vtkMRMLColorTableNodeFileInferno.txt"
_INFERNO_POINTS = (  # eight equal steps of the colour map, for a scene without it
    (0, 0, 4),
    (31, 12, 72),
    (85, 15, 109),
    (136, 34, 106),
    (186, 54, 85),
    (227, 89, 51),
    (249, 140, 10),
    (249, 201, 50),
    (252, 255, 164),
)


def write_heat_map_node(
    volume_node: VolumeNode, coefficients: np.ndarray, spec: ModelSpec, title: str, region: Region | None = None
) -> VolumeNode:
    """Coefficients (D, H, W) as a scalar volume, ready to be laid over the image: fixed range 0 to 1, Inferno.

    region: keep only this box, so that one slice of a large volume is light. A heat map of the same model and title
    that is there already is replaced.
    """
    scene = volume_node.GetScene()
    affine = node_affine(volume_node)
    if region is not None:
        coefficients = coefficients[region.slices]
        affine[:3, 3] += affine[:3, :3] @ np.array(region.start[::-1])
    node = _known_heat_map(scene, spec, title)
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"attention: {title}")
        node.SetAttribute(_MAP, title)
        node.SetAttribute("AttnSeg.model", spec.id)
        place_beside(node, volume_node)
    fill_volume_node(node, coefficients.astype(np.float32), affine)
    _style(node)
    return node


def heat_map_sequence(
    volume_node: VolumeNode, maps: dict[str, np.ndarray], spec: ModelSpec, region: Region | None = None
) -> VolumeNode:
    """All maps of a run, title to (D, H, W), as a sequence to scroll through; returns the heat map that follows it."""
    scene = volume_node.GetScene()
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", f"attention of {spec.id}")
    sequence.SetIndexName("gate")
    sequence.SetIndexType(sequence.TextIndex)
    for title, coefficients in maps.items():
        node = write_heat_map_node(volume_node, coefficients, spec, title, region)
        sequence.SetDataNodeAtValue(node, title)
        scene.RemoveNode(node)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", sequence.GetName())
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    shown = browser.GetProxyNode(sequence)
    shown.SetAttribute(_MAP, next(iter(maps)))
    place_beside(shown, volume_node)
    _style(shown)
    return shown


def show_heat_map(node: VolumeNode, opacity: float, threshold: float) -> None:
    """Lay a heat map over the image in all slice views; coefficients below the threshold are transparent."""
    for composite in composites(node.GetScene()):
        composite.SetForegroundVolumeID(node.GetID())
    adjust_heat_map(node, opacity, threshold)
    if node.GetScene().IsNodeClassRegistered("vtkMRMLColorLegendDisplayNode"):  # in the application it is
        slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)


def adjust_heat_map(node: VolumeNode, opacity: float, threshold: float) -> None:
    """Change how a heat map looks where it is shown; views that show something else by now stay as they are."""
    display = node.GetDisplayNode()
    display.SetThreshold(threshold, 1e6)
    display.SetApplyThreshold(True)
    for composite in composites(node.GetScene()):
        if composite.GetForegroundVolumeID() == node.GetID():
            composite.SetForegroundOpacity(opacity)


def hide_heat_maps(scene: Scene) -> None:
    """Take all heat maps out of the slice views; they stay in the scene."""
    for composite in composites(scene):
        shown = scene.GetNodeByID(composite.GetForegroundVolumeID() or "")
        if shown is not None and shown.GetAttribute(_MAP):
            composite.SetForegroundVolumeID(None)


def show_volume_rendering(node: VolumeNode, shown: bool) -> None:
    """Show or hide a heat map in 3D. Raises `InputError` where the application can't render volumes."""
    module = getattr(slicer.modules, "volumerendering", None)
    if module is None:
        raise InputError("Volume rendering is not there in this application; look at the map in the slice views.")
    logic = module.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(node) or logic.CreateDefaultVolumeRenderingNodes(node)
    logic.CopyDisplayToVolumeRenderingDisplayNode(display, node.GetDisplayNode())
    display.SetVisibility(shown)


def _known_heat_map(scene: Scene, spec: ModelSpec, title: str) -> VolumeNode | None:
    for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode"):
        if node.GetAttribute(_MAP) == title and node.GetAttribute("AttnSeg.model") == spec.id:
            return node
    return None


def _style(node: VolumeNode) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(_heat_colors(node.GetScene()).GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.SetInterpolate(True)


def _heat_colors(scene: Scene) -> Node:
    """Slicer's Inferno, or where it is not there a table that looks the same."""
    known = scene.GetNodeByID(_INFERNO) or scene.GetFirstNodeByName("AttnSeg heat")
    if known is not None:
        return known
    steps = np.linspace(0, len(_INFERNO_POINTS) - 1, 256)
    points = np.array(_INFERNO_POINTS) / 255
    channels = [np.interp(steps, range(len(points)), points[:, channel]) for channel in range(3)]
    return color_table(
        scene, "AttnSeg heat", [(float(r), float(g), float(b), 1.0) for r, g, b in zip(*channels, strict=True)]
    )
