"""What is only looked at: the finished slices of a run while it goes on. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

from AttnSegLib.models.card import Label
from AttnSegLib.mrml.nodes import color_table, composites, fill_volume_node
from AttnSegLib.mrml.protocols import Node, Scene, VolumeNode
from AttnSegLib.mrml.volumes import node_affine

_PREVIEW_OPACITY = 0.6


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


def _label_colors(scene: Scene, labels: Sequence[Label]) -> Node:
    colors = [(0.0, 0.0, 0.0, 0.0), *((r / 255, g / 255, b / 255, 1.0) for r, g, b in (one.color for one in labels))]
    return color_table(scene, "AttnSeg preview", colors)
