"""Small things that several files of this folder do to nodes. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, overload

import numpy as np
import slicer

from AttnSegLib.mrml.protocols import (
    CompositeNode,
    Node,
    PointNode,
    Scene,
    SegmentationNode,
    SequenceNode,
    SliceNode,
    VolumeNode,
)

MAP = "AttnSeg.map"  # attribute of a heat map: the title of its attention map


def color_table(scene: Scene, name: str, colors: Sequence[tuple[float, float, float, float]]) -> Node:
    """A new, hidden colour table, RGBA from 0 to 1 by value."""
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(name)
    node.SetNumberOfColors(len(colors))
    for number, color in enumerate(colors):
        node.SetColor(number, str(number), *color)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return scene.AddNode(node)


def fill_volume_node(node: VolumeNode, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Give a volume node voxels (D, H, W) on the grid of an affine (4x4, index to mm, RAS)."""
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(affine))
    slicer.util.updateVolumeFromArray(node, voxels)


def scalar_volumes(scene: Scene) -> Iterator[VolumeNode]:
    """All volumes but label maps, and those that Slicer hides from its lists."""
    for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode"):
        if not node.IsA("vtkMRMLLabelMapVolumeNode") and not node.GetHideFromEditors():
            yield node


def is_ours(node: VolumeNode) -> bool:
    """Whether we made a volume, as an attention map; it is no scan then."""
    return node.GetAttribute(MAP) is not None


def composites(scene: Scene) -> list[CompositeNode]:
    """What decides which volumes the slice views show, one a view."""
    return list(nodes_of_class(scene, "vtkMRMLSliceCompositeNode"))


@overload
def nodes_of_class(scene: Scene, kind: Literal["vtkMRMLScalarVolumeNode"]) -> Iterator[VolumeNode]: ...
@overload
def nodes_of_class(scene: Scene, kind: Literal["vtkMRMLSliceCompositeNode"]) -> Iterator[CompositeNode]: ...
@overload
def nodes_of_class(scene: Scene, kind: Literal["vtkMRMLSliceNode"]) -> Iterator[SliceNode]: ...
@overload
def nodes_of_class(scene: Scene, kind: Literal["vtkMRMLSequenceNode"]) -> Iterator[SequenceNode]: ...
@overload
def nodes_of_class(scene: Scene, kind: Literal["vtkMRMLSegmentationNode"]) -> Iterator[SegmentationNode]: ...
@overload
def nodes_of_class(scene: Scene, kind: Literal["vtkMRMLMarkupsFiducialNode"]) -> Iterator[PointNode]: ...
def nodes_of_class(scene: Scene, kind: str) -> Iterator[Any]:
    """All nodes of a class, as `vtkMRMLSliceNode`."""
    for number in range(scene.GetNumberOfNodesByClass(kind)):
        yield scene.GetNthNodeByClass(number, kind)
