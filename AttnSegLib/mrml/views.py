"""Places in the slice views: the slice they show, going to a slice, a point that follows the mouse. No Qt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import slicer

from AttnSegLib.mrml.nodes import nodes_of_class
from AttnSegLib.mrml.protocols import VolumeNode
from AttnSegLib.mrml.volumes import world_affine


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
            best, index = likeness, round(float(normal @ (place - first) / (normal @ step)))
    return min(max(index, 0), length - 1)


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


class QueryPoint:
    """A point that the user places and drags in the views; `moved` gets its voxel (k, j, i) while that is there."""

    def __init__(self, volume_node: VolumeNode, moved: Callable[[tuple[int, int, int]], None]):
        self._volume_node, self._moved = volume_node, moved
        scene = volume_node.GetScene()
        self.node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "where does this look?")
        self.node.SetMaximumNumberOfControlPoints(1)
        self.node.CreateDefaultDisplayNodes()
        events = (self.node.PointModifiedEvent, self.node.PointPositionDefinedEvent)
        self._tags = [self.node.AddObserver(event, self._follow) for event in events]

    def place(self) -> None:
        """Let the next click in a view set the point."""
        scene = self.node.GetScene()
        selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        selection.SetActivePlaceNodeID(self.node.GetID())
        interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        interaction.SetCurrentInteractionMode(interaction.Place)

    def remove(self) -> None:
        """Take the point away."""
        for tag in self._tags:
            self.node.RemoveObserver(tag)
        self._tags = []
        for node in (self.node.GetDisplayNode(), self.node):
            if node is not None and node.GetScene() is not None:
                node.GetScene().RemoveNode(node)

    def _follow(self, *_: object) -> None:
        if self.node.GetNumberOfDefinedControlPoints() == 0 or self._volume_node.GetScene() is None:
            return
        place = [0.0, 0.0, 0.0]
        self.node.GetNthControlPointPositionWorld(0, place)
        index = np.linalg.inv(world_affine(self._volume_node)) @ [*place, 1.0]
        i, j, k = (round(float(value)) for value in index[:3])
        size = self._volume_node.GetImageData().GetDimensions()
        if all(0 <= value < length for value, length in zip((i, j, k), size, strict=True)):
            self._moved((k, j, i))
