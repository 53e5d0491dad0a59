"""Places in the views: the slice they show, going to a slice, a point that follows the mouse. No Qt."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import slicer

from AttnSegLib.mrml.nodes import nodes_of_class
from AttnSegLib.mrml.protocols import PointNode, Scene, VolumeNode
from AttnSegLib.mrml.volumes import world_affine

Place = tuple[float, float, float]
QUERY, ERASE = "AttnSeg.query", "AttnSeg.erase"  # attributes of points that the user places
_ROUNDING = 1e-6  # of places in slices
_NAMES = {QUERY: "where does this look?", ERASE: "erased here"}


def slice_in_view(volume_node: VolumeNode, axis: int) -> int:
    """Stored index along an array axis of the slice that is in view; the middle one if there is no view."""
    affine = world_affine(volume_node)
    length = volume_node.GetImageData().GetDimensions()[2 - axis]
    step = affine[:3, 2 - axis]
    first = (affine @ [*_middle(volume_node, axis, 0), 1])[:3]  # where the line through the volume's middle begins
    best, index = 0.0, length // 2
    for view in nodes_of_class(volume_node.GetScene(), "vtkMRMLSliceNode"):
        matrix = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
        normal, place = matrix[:3, 2], matrix[:3, 3]
        likeness = abs(float(normal @ step)) / float(np.linalg.norm(step))
        if likeness > best + 1e-3:
            best, index = likeness, _nearest(float(normal @ (place - first) / (normal @ step)))
    return min(max(index, 0), length - 1)


def _nearest(place: float) -> int:
    """The slice that a view shows; of a place in the middle between two the next one, as VTK takes it."""
    return math.floor(place + 0.5 + _ROUNDING)


def jump_to_slice(volume_node: VolumeNode, axis: int, index: int) -> None:
    """Show a slice, by its stored index along an array axis, in all slice views."""
    place = world_affine(volume_node) @ [*_middle(volume_node, axis, index), 1]
    slicer.vtkMRMLSliceNode.JumpAllSlices(
        volume_node.GetScene(), *place[:3].tolist(), slicer.vtkMRMLSliceNode.OffsetJumpSlice
    )


def _middle(volume_node: VolumeNode, axis: int, index: int) -> np.ndarray:
    """(i, j, k) of the middle of the slice at an index along an array axis."""
    middle = (np.array(volume_node.GetImageData().GetDimensions()) - 1) / 2
    middle[2 - axis] = index
    return middle


def reset_3d_views() -> None:
    """Bring all that is seen in 3D into view; Slicer's cameras look at the origin, wherever the scan lies."""
    slicer.util.resetThreeDViews()


def voxel_at(volume_node: VolumeNode, place: Place) -> tuple[int, int, int] | None:
    """The voxel (k, j, i) at a place (x, y, z) in mm, RAS; None outside of the volume."""
    index = np.linalg.inv(world_affine(volume_node)) @ [*place, 1.0]
    i, j, k = (round(float(value)) for value in index[:3])
    size = volume_node.GetImageData().GetDimensions()
    inside = all(0 <= value < length for value, length in zip((i, j, k), size, strict=True))
    return (k, j, i) if inside else None


def placed_point(scene: Scene, kind: str = QUERY) -> PointNode | None:
    """The point that the user places: `QUERY`, of which a map shows where it looks, or `ERASE`, around which attention
    is erased; None if there is none."""
    points = nodes_of_class(scene, "vtkMRMLMarkupsFiducialNode")
    return next((node for node in points if node.GetAttribute(kind)), None)


def place_point(scene: Scene, moved: Callable[[Place], None], kind: str = QUERY) -> PointNode:
    """A point that the next click in a view places, and that can be dragged; `moved` gets its place in mm, RAS.

    It is not saved with the scene.
    """
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", _NAMES[kind])
    node.SetAttribute(kind, "yes")
    node.SetMaximumNumberOfControlPoints(1)
    node.SetControlPointLabelFormat("%N")  # its name, without a number
    node.CreateDefaultDisplayNodes()
    for one in (node, node.GetDisplayNode()):
        one.SetSaveWithScene(False)
    # The observer must not hold the node: Python would take both for garbage, and the next event would crash.
    for event in (node.PointModifiedEvent, node.PointPositionDefinedEvent):
        node.AddObserver(event, lambda caller, _event: _tell(caller, moved))
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
    selection.SetActivePlaceNodeID(node.GetID())
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetCurrentInteractionMode(interaction.Place)
    return node


def point_place(node: PointNode) -> Place | None:
    """Where a point lies, mm, RAS; None if it has not been placed yet."""
    if node.GetScene() is None or node.GetNumberOfDefinedControlPoints() == 0:
        return None
    place = [0.0, 0.0, 0.0]
    node.GetNthControlPointPositionWorld(0, place)
    return place[0], place[1], place[2]


def remove_point(scene: Scene, kind: str = QUERY) -> None:
    """Take a point away, and the mouse's task to place it; nothing happens if there is none."""
    node = placed_point(scene, kind)
    if node is None:
        return
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    if scene.GetNodeByID("vtkMRMLSelectionNodeSingleton").GetActivePlaceNodeID() == node.GetID():
        interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    for one in (node.GetDisplayNode(), node):
        if one is not None:
            scene.RemoveNode(one)


def _tell(node: PointNode, moved: Callable[[Place], None]) -> None:
    place = point_place(node)
    if place is not None:
        moved(place)
