"""A result without an attention map, seen over the scan: its outline, and the voxels gained and lost. No Qt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from AttnSegLib.images.orientation import Region
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.nodes import nodes_of_class
from AttnSegLib.mrml.protocols import Scene, Segmentation, SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import (
    Color,
    PlainSegment,
    add_plain_segment,
    new_segmentation_node,
    tag_of,
)
from AttnSegLib.mrml.volumes import place_beside

_OUTLINE = "AttnSeg.outline"  # attribute of the node of outlines, and tag of its segments
_MEASURED = "AttnSeg.measured"  # attribute of the node of outlines: JSON, see `remember_influence`
_VOLUME = "AttnSeg.volume"  # reference of the node: the scan
_FILL_OPACITY = 0.6
_WITHOUT: Color = (0.0, 1.0, 1.0)  # none of these colours is in a heat map
_GAINED: Color = (0.2, 1.0, 0.2)
_LOST: Color = (1.0, 0.25, 0.9)
_ERASED: Color = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class OtherResult:
    """A result with an attention map, and the one without it.

    Args:
        name: what it is called in the scene.
        region: the box of the volume that was computed, or all of it in which there is something.
        before, after: labels (d, h, w) uint8 of this box, with the map and without it.
        erased: (d, h, w) of bool, where the attention was erased; None if all of it was switched off.
    """

    name: str
    region: Region
    before: np.ndarray
    after: np.ndarray
    erased: np.ndarray | None = None


def show_other_result(volume_node: VolumeNode, spec: ModelSpec, other: OtherResult) -> SegmentationNode:
    """Outline the labels of a result, and fill the voxels that it gains and loses, in a node of their own, in place of
    the last ones, until `hide_outlines`. No run of a model writes into its segments."""
    node = next(_outline_nodes(volume_node.GetScene()), None) or new_segmentation_node(volume_node)
    if node.GetNodeReference(_VOLUME) is not volume_node:
        node.SetAttribute(_MEASURED, None)
    node.SetNodeReferenceID(_VOLUME, volume_node.GetID())
    node.SetName(other.name)
    node.SetAttribute(_OUTLINE, "yes")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    place_beside(node, volume_node)
    _remove_outlines(node.GetSegmentation())
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(True)
    display.SetVisibility3D(False)
    display.SetVisibility(True)

    def add(mask: np.ndarray, what: str, color: Color) -> str:
        plain = PlainSegment(f"{what} {other.name}", color, mask.astype(np.uint8), other.region.start)
        return add_plain_segment(node, volume_node, plain)

    different = other.before != other.after
    outlined = [add(other.after == label.value, label.name, _WITHOUT) for label in spec.labels]
    filled = [add(different & (other.after > 0), "gained", _GAINED), add(different & (other.after == 0), "lost", _LOST)]
    if other.erased is not None:
        outlined.append(add(other.erased, "erased", _ERASED))
    _style(node, outlined, filled)
    return node


def has_outlines(scene: Scene) -> bool:
    """Whether what `show_other_result` shows is seen."""
    return any(node.GetDisplayNode().GetVisibility() for node in _outline_nodes(scene))


def hide_outlines(scene: Scene) -> None:
    """Take what `show_other_result` shows out of the views."""
    for node in _outline_nodes(scene):
        node.GetDisplayNode().SetVisibility(False)


def is_outline(node: SegmentationNode) -> bool:
    """Whether a segmentation was made by `show_other_result`."""
    return node.GetAttribute(_OUTLINE) is not None


def remember_influence(node: SegmentationNode, key: tuple[str, str], where: str, sentence: str) -> None:
    """Keep what was measured of a map in the node of its outline, so that it is known when the map is seen again.

    Args:
        node: of the outlines.
        key: the model's id and the map's title.
        where: of what it was measured; the last measurement of each place is kept.
        sentence: what is to be told.
    """
    told = json.loads(node.GetAttribute(_MEASURED) or "{}")
    told.setdefault(" ".join(key), {})[where] = sentence
    node.SetAttribute(_MEASURED, json.dumps(told))


def remembered_influence(volume_node: VolumeNode, key: tuple[str, str]) -> tuple[str, ...]:
    """The sentences on a map of a volume that `remember_influence` has kept."""
    for node in _outline_nodes(volume_node.GetScene()):
        if node.GetNodeReference(_VOLUME) is volume_node:
            return tuple(json.loads(node.GetAttribute(_MEASURED) or "{}").get(" ".join(key), {}).values())
    return ()


def _style(node: SegmentationNode, outlined: list[str], filled: list[str]) -> None:
    """Segments by id: those that have an outline alone, and those that have an area alone."""
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    for segment_id in (*outlined, *filled):
        segmentation.GetSegment(segment_id).SetTag(_OUTLINE, "yes")
        display.SetSegmentVisibility2DFill(segment_id, segment_id in filled)
        display.SetSegmentVisibility2DOutline(segment_id, segment_id in outlined)
        display.SetSegmentOpacity2DFill(segment_id, _FILL_OPACITY)
    segmentation.Modified()
    node.Modified()


def _outline_nodes(scene: Scene) -> Iterator[SegmentationNode]:
    """Those that are seen or could be."""
    return (
        node
        for node in nodes_of_class(scene, "vtkMRMLSegmentationNode")
        if is_outline(node) and node.GetDisplayNode() is not None
    )


def _remove_outlines(segmentation: Segmentation) -> None:
    """What the user has put beside them stays."""
    for segment_id in [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]:
        if tag_of(segmentation.GetSegment(segment_id), _OUTLINE):
            segmentation.RemoveSegment(segment_id)
