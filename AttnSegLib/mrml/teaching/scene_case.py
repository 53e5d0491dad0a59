"""From the scene to a case: the scan and the masks of its segments, exactly where they are. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from AttnSegLib.collections.cases import NewCase, joined
from AttnSegLib.collections.collection import Collection, LabelledSlices
from AttnSegLib.collections.matching import STRUCTURE, UNSAID, matched
from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.images.planes import ACQUIRED
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import Label
from AttnSegLib.mrml.protocols import SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import BINARY, grid_in, labels_of_segment, tag_of
from AttnSegLib.mrml.volumes import read_volume_node
from AttnSegLib.results.segmentation_file import codes_of_entry

_SAME = 1e-4  # of a voxel
_RESAMPLED = "The segments were drawn on another grid, or as surfaces; they were resampled onto that of the scan."


@dataclass(frozen=True, eq=False)
class MaskPiece:
    """Part of a mask; outside of it there is nothing. start: its first voxel (k, j, i) in the scan; mask: bool."""

    start: tuple[int, int, int]
    mask: np.ndarray

    def whole(self, shape: tuple[int, ...]) -> np.ndarray:
        """The mask (D, H, W) of the whole scan."""
        mask = np.zeros(shape, bool)
        ends = (first + length for first, length in zip(self.start, self.mask.shape, strict=True))
        mask[tuple(slice(first, end) for first, end in zip(self.start, ends, strict=True))] = self.mask
        return mask


@dataclass(frozen=True, eq=False)
class SceneCase:
    """A scan of the scene with its segments. volume: a copy, which the scene no longer changes; masks: by the names of
    the collection's segments; missing: names of those that are not there, or are empty; others: names of segments that
    are none of the collection's; notices: what was assumed."""

    volume: Volume
    masks: dict[str, MaskPiece]
    missing: tuple[str, ...]
    others: tuple[str, ...]
    notices: tuple[str, ...]

    def new_case(self, collection: Collection, labelled: LabelledSlices | None) -> NewCase:
        """What becomes a case. The missing segments count as absent: ask before. Raises `InputError` if two segments
        overlap; takes a while, and needs no scene."""
        shape = self.volume.voxels.shape
        label_map = joined({name: piece.whole(shape) for name, piece in self.masks.items()}, collection.segments)
        return NewCase(self.volume, label_map, labelled, self._absent(collection, label_map, labelled))

    def _absent(
        self, collection: Collection, label_map: np.ndarray, labelled: LabelledSlices | None
    ) -> tuple[str, ...]:
        """Also those that are only in slices that don't count."""
        if labelled is None:
            return self.missing
        labelled.check(label_map.shape)
        found = set(np.unique(label_map[labelled.region(label_map.shape).slices]).tolist())
        return tuple(label.name for label in collection.segments if label.value not in found)


def segments_in(segmentation_node: SegmentationNode | None) -> tuple[Label, ...]:
    """The segments of a node as labels 1, 2, ..., with what its terminology says of them. Raises `InputError` if there
    is none."""
    if segmentation_node is None:
        raise InputError("Choose the segmentation first.")
    segmentation = segmentation_node.GetSegmentation()
    numbers = range(segmentation.GetNumberOfSegments())
    if not numbers:
        raise InputError("The segmentation has no segment; add one in Segment Editor.")
    return tuple(_label(segmentation.GetNthSegment(number), number + 1) for number in numbers)


def read_scene_case(
    volume_node: VolumeNode | None, segmentation_node: SegmentationNode | None, collection: Collection
) -> SceneCase:
    """The scan in a node and those segments of another node that a collection has. Parent transforms are applied.

    Raises `InputError` for what can't become a case, as under a non-linear transform, or if a name is there twice.
    """
    volume = read_volume_node(volume_node)
    assert volume_node is not None  # or it would not be read
    found = segments_in(segmentation_node)
    assert segmentation_node is not None
    names = [label.name for label in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"Two segments are called '{twice[0]}'; give each another name.")
    of_scene = matched(collection.segments, found)
    if not of_scene:
        wanted = ", ".join(label.name for label in collection.segments)
        raise InputError(
            f"The segmentation has none of the collection's segments ({wanted}), but: {', '.join(names)}; give its "
            "segments those names in Segment Editor."
        )
    reader = _SegmentReader(segmentation_node, volume_node)
    masks = {name: reader.piece(own) for name, own in of_scene.items()}
    filled = {name: piece for name, piece in masks.items() if piece.mask.any()}
    notices = [*_notices(volume, collection), *([_RESAMPLED] if reader.has_resampled else [])]
    return SceneCase(
        volume=replace(volume, voxels=volume.voxels.copy()),
        masks=filled or masks,
        missing=tuple(label.name for label in collection.segments if label.name not in filled),
        others=tuple(name for name in names if name not in of_scene.values()),
        notices=tuple(notices),
    )


def is_drawn_on(segmentation_node: SegmentationNode, volume_node: VolumeNode) -> bool:
    """Whether a segmentation was made for this scan."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentation_node.GetNodeReference(role) is volume_node


def acquired_axis(volume_node: VolumeNode) -> tuple[int, int]:
    """The array axis along which slices of a scan are counted, and how many there are."""
    volume = read_volume_node(volume_node)
    axis = slice_orientation(volume.affine, ACQUIRED).axes[0]
    return axis, volume.voxels.shape[axis]


def _label(segment: object, value: int) -> Label:
    one: slicer.vtkSegment = segment
    red, green, blue = (round(255 * part) for part in one.GetColor())
    codes = codes_of_entry(tag_of(one, slicer.vtkSegment.GetTerminologyEntryTagName()))
    category, kind, modifier = codes or (STRUCTURE, UNSAID, None)
    return Label(value, one.GetName(), (red, green, blue), category, kind, modifier)


def _notices(volume: Volume, collection: Collection) -> Iterator[str]:
    yield from volume.notices
    if volume.modality is None:
        yield f"The scan does not say whether it is CT or MR; it was taken for {collection.modality}."


class _SegmentReader:
    """The masks of a node's segments on the grid of a scan. Raises `InputError` if they can't be brought there."""

    def __init__(self, node: SegmentationNode, volume_node: VolumeNode):
        self._node, self._volume_node = node, volume_node
        self._inverse = np.linalg.inv(grid_in(node, volume_node))
        self.has_resampled = False
        segmentation = node.GetSegmentation()
        self._ids = {
            segmentation.GetNthSegment(number).GetName(): segmentation.GetNthSegmentID(number)
            for number in range(segmentation.GetNumberOfSegments())
        }

    def piece(self, name: str) -> MaskPiece:
        """The mask of a segment. Where its voxels are those of the scan, only they are copied: whoever waits for the
        application would notice more."""
        segment: Any = self._node.GetSegmentation().GetSegment(self._ids[name])
        image = segment.GetRepresentation(BINARY)
        if image is not None and image.IsEmpty():
            return MaskPiece((0, 0, 0), np.zeros((0, 0, 0), bool))
        shift = None if image is None else self._shift(image)
        if shift is None:
            self.has_resampled = True
            return MaskPiece((0, 0, 0), labels_of_segment(self._node, self._ids[name], self._volume_node) > 0)
        voxels = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        mask = voxels.reshape(image.GetDimensions()[::-1]) == segment.GetLabelValue()
        return _within(mask, shift, self._volume_node.GetImageData().GetDimensions()[::-1])

    def _shift(self, image: Any) -> list[int] | None:
        """Where (k, j, i) in the scan the first voxel of a segment lies; None if it is none of the scan's."""
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        step = self._inverse @ slicer.util.arrayFromVTKMatrix(matrix)
        shift = np.round(step[:3, 3])
        if np.abs(step[:3, :3] - np.eye(3)).max() > _SAME or np.abs(step[:3, 3] - shift).max() > _SAME:
            return None
        first = shift + image.GetExtent()[::2]
        return [int(value) for value in first[::-1]]


def _within(mask: np.ndarray, first: list[int], shape: tuple[int, ...]) -> MaskPiece:
    """What of a mask lies in the scan."""
    start = [max(0, one) for one in first]
    ends = [min(one + length, size) for one, length, size in zip(first, mask.shape, shape, strict=True)]
    inside = tuple(slice(s - f, max(s, e) - f) for s, e, f in zip(start, ends, first, strict=True))
    return MaskPiece((start[0], start[1], start[2]), mask[inside])
