"""Segmentation nodes: results written so that nothing else is touched and all can be undone. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.models.card import Label, ModelSpec
from AttnSegLib.mrml.protocols import Segment, SegmentationNode, VolumeNode
from AttnSegLib.mrml.volumes import node_affine, place_beside, world_affine
from AttnSegLib.results.segmentation_file import terminology_entry

MODEL_TAG, LABEL_TAG = "AttnSeg.model", "AttnSeg.label"  # tags of the segments that are ours
_OURS = "AttnSeg."
BINARY = "Binary labelmap"
_SURFACE = "Closed surface"
_EMPTY = (0, -1, 0, -1, 0, -1)

Color = tuple[float, float, float]  # from 0 to 1


@dataclass(eq=False)
class Change:
    """What was written into a segmentation node, and how to take it back.

    before: segment id to a copy of the segment, None where there was none; attributes: those of the node that are ours;
    created: the node is new.
    """

    node: SegmentationNode
    before: dict[str, Segment | None]
    created: bool = False
    attributes: dict[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        names = [name for name in self.node.GetAttributeNames() if name.startswith(_OURS)]
        self.attributes = {name: self.node.GetAttribute(name) for name in names}

    @property
    def can_be_undone(self) -> bool:
        """Whether the node is still there."""
        return self.node.GetScene() is not None

    def undo(self) -> None:
        """Make everything as it was. A node that has gone meanwhile stays gone."""
        if not self.can_be_undone:
            return
        if self.created:
            self.node.GetScene().RemoveNode(self.node)
            return
        segmentation = self.node.GetSegmentation()
        for segment_id, copy in self.before.items():
            if copy is None:
                segmentation.RemoveSegment(segment_id)
            elif segmentation.GetSegment(segment_id) is not None:
                segmentation.GetSegment(segment_id).DeepCopy(copy)
        for name in [name for name in self.node.GetAttributeNames() if name.startswith(_OURS)]:
            self.node.SetAttribute(name, self.attributes.get(name))
        _refresh(self.node)


def write_segmentation_node(
    segmentation_node: SegmentationNode | None, volume_node: VolumeNode, label_map: np.ndarray, spec: ModelSpec
) -> Change:
    """Write labels (D, H, W) uint8 on the volume's grid as segments of a segmentation node, or of a new one for None.

    Only segments that an earlier run of this model wrote are replaced; all others stay as they are. Raises `InputError`
    if the node is under a transform that its segments can't follow.
    """
    created = segmentation_node is None
    node = new_segmentation_node(volume_node) if segmentation_node is None else segmentation_node
    grid = grid_in(node, volume_node)
    change = Change(node, {}, created)
    before = change.before
    for label in spec.labels:
        segment_id = own_segment_id(node, label, spec.id)
        if segment_id is None:
            segment_id = _add_segment(node, label, spec)
            before[segment_id] = None
        else:
            before[segment_id] = _copy(node, segment_id)
        _replace(node, segment_id, _oriented_image(label_map, label.value, grid))
    _refresh(node)
    return change


@dataclass(frozen=True)
class SlicePlace:
    """One slice of the segments that a model wrote. model: its id; axis: array axis of the slices; index: as stored."""

    model: str
    axis: int
    index: int

    @property
    def where(self) -> tuple[int | slice, ...]:
        """The slice in an array (D, H, W)."""
        return tuple(self.index if a == self.axis else slice(None) for a in range(3))


def merge_slice(
    segmentation_node: SegmentationNode,
    volume_node: VolumeNode,
    label_map: np.ndarray,
    spec: ModelSpec,
    place: SlicePlace,
) -> Change:
    """Replace one slice of segments by the labels (D, H, W) of the same name of a model, which may be another one.

    Raises `InputError` if none of the segments is of a label of this model.
    """
    check_mergeable(segmentation_node, spec, place.model)
    grid, change = grid_in(segmentation_node, volume_node), Change(segmentation_node, {})
    for label in spec.labels:
        segment_id = own_segment_id(segmentation_node, label, place.model)
        if segment_id is None:
            continue
        change.before[segment_id] = _copy(segmentation_node, segment_id)
        merged = labels_of_segment(segmentation_node, segment_id, volume_node).copy()
        merged[place.where] = label_map[place.where] == label.value
        _replace(segmentation_node, segment_id, _oriented_image(merged, 1, grid))
    _refresh(segmentation_node)
    return change


def check_mergeable(segmentation_node: SegmentationNode, spec: ModelSpec, model: str) -> None:
    """Raises `InputError` if a model finds nothing of what another one, by its id, has written into a segmentation."""
    if all(own_segment_id(segmentation_node, label, model) is None for label in spec.labels):
        raise InputError(
            f"The model '{spec.id}' finds none of the segments of this result; choose one that does, or press Apply."
        )


def own_segment_id(segmentation_node: SegmentationNode, label: Label, model: str) -> str | None:
    """Id of the segment that a model, by its id, wrote for a label; None if there is none."""
    segmentation = segmentation_node.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        if tag_of(segment, MODEL_TAG) == model and tag_of(segment, LABEL_TAG) == label.id:
            return segmentation.GetNthSegmentID(number)
    return None


def tag_of(segment: Segment, name: str) -> str:
    """A tag of a segment, "" if it has none."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def labels_of_segment(segmentation_node: SegmentationNode, segment_id: str, volume_node: VolumeNode) -> np.ndarray:
    """(D, H, W) uint8 of a segment on the volume's grid, 1 inside."""
    array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segment_id, volume_node)
    if array is None or array.size == 0:  # an empty segment
        return np.zeros(volume_node.GetImageData().GetDimensions()[::-1], np.uint8)
    return np.asarray(array)


def show_surface(segmentation_node: SegmentationNode, shown: bool) -> None:
    """Show or hide the segmentation in 3D views; the surface is made when it is first shown."""
    if shown:
        segmentation_node.CreateClosedSurfaceRepresentation()
    else:
        segmentation_node.RemoveClosedSurfaceRepresentation()


def has_surface(segmentation_node: SegmentationNode) -> bool:
    """Whether there is a surface to show."""
    return segmentation_node.GetSegmentation().ContainsRepresentation(_SURFACE)


@dataclass(frozen=True, eq=False)
class PlainSegment:
    """A segment that no run writes into.

    Args:
        mask: (d, h, w), on the volume's grid.
        start: the voxel (k, j, i) of the volume on which the first voxel of the mask lies.
    """

    name: str
    color: Color
    mask: np.ndarray
    start: tuple[int, int, int] = (0, 0, 0)


def add_plain_segment(node: SegmentationNode, volume_node: VolumeNode, plain: PlainSegment) -> str:
    """Add a segment; returns its id."""
    segmentation = node.GetSegmentation()
    segment_id = segmentation.AddEmptySegment(segmentation.GenerateUniqueSegmentID(plain.name), plain.name, plain.color)
    _replace(node, segment_id, _oriented_image(plain.mask, 1, grid_in(node, volume_node), plain.start))
    _refresh(node)
    return segment_id


def replace_masks(
    node: SegmentationNode, volume_node: VolumeNode, label_map: np.ndarray, values: Sequence[int]
) -> None:
    """Let the segments of a node, in their order, be where a label map (D, H, W) on the volume's grid has these
    values."""
    grid, segmentation = grid_in(node, volume_node), node.GetSegmentation()
    for number, value in enumerate(values):
        _replace(node, segmentation.GetNthSegmentID(number), _oriented_image(label_map, value, grid))
    _refresh(node)


def new_segmentation_node(volume_node: VolumeNode) -> SegmentationNode:
    """An empty one on the volume's grid, beside the volume."""
    scene = volume_node.GetScene()
    name = scene.GenerateUniqueName(f"{volume_node.GetName()} segmentation")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    place_beside(node, volume_node)
    return node


def _add_segment(node: SegmentationNode, label: Label, spec: ModelSpec) -> str:
    segmentation = node.GetSegmentation()
    segment_id = segmentation.GenerateUniqueSegmentID(label.id)
    red, green, blue = (c / 255 for c in label.color)
    segmentation.AddEmptySegment(segment_id, label.name, (red, green, blue))
    segment = segmentation.GetSegment(segment_id)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology_entry(label))
    segment.SetTag(MODEL_TAG, spec.id)
    segment.SetTag(LABEL_TAG, label.id)
    return segment_id


def _copy(node: SegmentationNode, segment_id: str) -> Segment:
    node.GetSegmentation().SeparateSegmentLabelmap(segment_id)  # a layer shared with others would be copied whole
    copy: Segment = slicer.vtkSegment()
    copy.DeepCopy(node.GetSegmentation().GetSegment(segment_id))
    return copy


def _replace(node: SegmentationNode, segment_id: str, image: Any) -> None:
    segmentation = node.GetSegmentation()
    segmentation.SeparateSegmentLabelmap(segment_id)
    segmentation.GetSegment(segment_id).AddRepresentation(BINARY, image)


def grid_in(segmentation_node: SegmentationNode, volume_node: VolumeNode) -> np.ndarray:
    """The volume's grid in the coordinates of the segmentation node, which may be under another transform."""
    parent = segmentation_node.GetParentTransformNode()
    if parent is not None and not parent.IsTransformToWorldLinear():
        raise InputError("The segmentation is under a non-linear transform; harden it, or choose a new segmentation.")
    if segmentation_node.GetTransformNodeID() == volume_node.GetTransformNodeID():
        return node_affine(volume_node)  # bit for bit
    matrix = vtk.vtkMatrix4x4()
    if parent is not None:
        parent.GetMatrixTransformToWorld(matrix)
    return np.asarray(np.linalg.inv(slicer.util.arrayFromVTKMatrix(matrix)) @ world_affine(volume_node))


def _oriented_image(
    label_map: np.ndarray, value: int, grid: np.ndarray, start: tuple[int, int, int] = (0, 0, 0)
) -> Any:
    """The label's mask, as small as it can be, on a grid (4x4, index to mm). start: (k, j, i) of its corner there."""
    image = slicer.vtkOrientedImageData()
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(grid))
    box = Region.around(label_map, value)
    if box is None:
        image.SetExtent(*_EMPTY)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        return image
    bounds = zip(box.start, box.stop, start, strict=True)
    k, j, i = ((low + first, high + first - 1) for low, high, first in bounds)
    image.SetExtent(*i, *j, *k)
    mask = np.ascontiguousarray(label_map[box.slices] == value, np.uint8)
    scalars = numpy_support.numpy_to_vtk(mask.ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    image.GetPointData().SetScalars(scalars)
    return image


def _refresh(node: SegmentationNode) -> None:
    """Tell everyone, and make the surface again if there was one."""
    segmentation = node.GetSegmentation()
    had_surface = has_surface(node)
    segmentation.Modified()
    if had_surface:
        node.RemoveClosedSurfaceRepresentation()
        node.CreateClosedSurfaceRepresentation()
    node.Modified()
