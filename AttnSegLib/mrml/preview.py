"""What is only looked at: the finished slices of a run while it goes on, and the outline of another result. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import slicer

from AttnSegLib.models.card import Label, ModelSpec
from AttnSegLib.mrml.nodes import color_table, composites, fill_volume_node, nodes_of_class
from AttnSegLib.mrml.protocols import Node, Scene, Segmentation, SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import add_plain_segment, new_segmentation_node, tag_of
from AttnSegLib.mrml.volumes import node_affine, place_beside

_PREVIEW_OPACITY = 0.6
_OUTLINE = "AttnSeg.outline"  # attribute of the node of outlines, and tag of its segments
_OUTLINE_COLOR = (0.0, 1.0, 1.0)  # is in no heat map


class Preview:
    """The finished slices of a run as a label layer in all slice views, until `remove`."""

    def __init__(self, volume_node: VolumeNode, labels: Sequence[Label]):
        scene = volume_node.GetScene()
        self._node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "AttnSeg preview")
        self._node.SetHideFromEditors(True)
        self._node.SetSaveWithScene(False)
        shape = volume_node.GetImageData().GetDimensions()[::-1]
        fill_volume_node(self._node, np.zeros(shape, np.uint8), node_affine(volume_node))
        self._node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        self._node.CreateDefaultDisplayNodes()
        self._colors = _label_colors(scene, labels)
        self._node.GetDisplayNode().SetAndObserveColorNodeID(self._colors.GetID())
        self._before = [(c, c.GetLabelVolumeID(), c.GetLabelOpacity()) for c in composites(scene)]
        for composite, _, _ in self._before:
            composite.SetLabelVolumeID(self._node.GetID())
            composite.SetLabelOpacity(_PREVIEW_OPACITY)

    def update(self, axis: int, indices: Sequence[int], label_map: np.ndarray) -> None:
        """Show these slices of a label map (D, H, W) uint8; axis, indices: as stored."""
        if self._node.GetScene() is None:
            return
        where = tuple(list(indices) if a == axis else slice(None) for a in range(3))
        slicer.util.arrayFromVolume(self._node)[where] = label_map[where]
        slicer.util.arrayFromVolumeModified(self._node)

    def remove(self) -> None:
        """Make the views as they were; what a closed scene took away stays away."""
        for composite, label_id, opacity in self._before:
            if composite.GetScene() is not None:
                composite.SetLabelVolumeID(label_id)
                composite.SetLabelOpacity(opacity)
        for node in (self._node.GetDisplayNode(), self._node, self._colors):
            if node is not None and node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
        self._before = []


def outline(volume_node: VolumeNode, label_map: np.ndarray, spec: ModelSpec, name: str) -> SegmentationNode:
    """Show labels (D, H, W) uint8 as outlines in a node of their own, in place of the last ones, until
    `hide_outlines`. No run of a model writes into its segments."""
    node = next(_outline_nodes(volume_node.GetScene()), None) or new_segmentation_node(volume_node)
    node.SetName(name)
    node.SetAttribute(_OUTLINE, "yes")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    place_beside(node, volume_node)
    _remove_outlines(node.GetSegmentation())
    for label in spec.labels:
        mask = (label_map == label.value).astype(np.uint8)
        segment_id = add_plain_segment(node, volume_node, mask, f"{label.name} {name}", _OUTLINE_COLOR)
        node.GetSegmentation().GetSegment(segment_id).SetTag(_OUTLINE, "yes")
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility3D(False)
    display.SetVisibility(True)
    return node


def has_outlines(scene: Scene) -> bool:
    """Whether what `outline` shows is seen."""
    return any(node.GetDisplayNode().GetVisibility() for node in _outline_nodes(scene))


def hide_outlines(scene: Scene) -> None:
    """Take what `outline` shows out of the views."""
    for node in _outline_nodes(scene):
        node.GetDisplayNode().SetVisibility(False)


def _outline_nodes(scene: Scene) -> Iterator[SegmentationNode]:
    """Those that are seen or could be."""
    return (
        node
        for node in nodes_of_class(scene, "vtkMRMLSegmentationNode")
        if node.GetAttribute(_OUTLINE) and node.GetDisplayNode() is not None
    )


def _remove_outlines(segmentation: Segmentation) -> None:
    """What the user has put beside them stays."""
    for segment_id in [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]:
        if tag_of(segmentation.GetSegment(segment_id), _OUTLINE):
            segmentation.RemoveSegment(segment_id)


def _label_colors(scene: Scene, labels: Sequence[Label]) -> Node:
    colors = [(0.0, 0.0, 0.0, 0.0), *((r / 255, g / 255, b / 255, 1.0) for r, g, b in (one.color for one in labels))]
    return color_table(scene, "AttnSeg preview", colors)
