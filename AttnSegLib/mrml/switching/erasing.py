"""Where attention is erased: a disc around a point, in its slice, or a segment, in the slice in view. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.mrml.nodes import nodes_of_class
from AttnSegLib.mrml.protocols import Scene, SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import grid_in, labels_of_segment
from AttnSegLib.mrml.switching.outlines import is_outline
from AttnSegLib.mrml.views import Place, slice_in_view, voxel_at
from AttnSegLib.mrml.volumes import world_affine


@dataclass(frozen=True)
class Disc:
    """middle: in mm, RAS, of the world; radius: mm."""

    middle: Place
    radius: float

    def slice_of(self, volume_node: VolumeNode, axis: int) -> int | None:
        """Stored index along an array axis of the slice in which the middle lies; None outside of the volume."""
        voxel = voxel_at(volume_node, self.middle)
        return None if voxel is None else voxel[axis]

    def mask(self, volume_node: VolumeNode, region: Region) -> np.ndarray:
        """(D, H, W) uint8, 1 where a voxel of the region, which is one slice, lies in the disc; at least in one voxel.

        The slice is as thick as it is: the middle counts as if it lay in its middle.
        """
        shape = volume_node.GetImageData().GetDimensions()[::-1]
        axis = next(a for a in range(3) if region.stop[a] - region.start[a] == 1)
        affine = world_affine(volume_node)
        steps = affine[:3, :3][:, ::-1]  # mm for one voxel along k, j, i
        middle = np.linalg.solve(steps, np.array(self.middle) - affine[:3, 3])
        middle[axis] = region.start[axis]
        offsets = np.indices([stop - start for start, stop in zip(region.start, region.stop, strict=True)])
        offsets = offsets + (np.array(region.start) - middle)[:, None, None, None]
        distance = np.linalg.norm(np.tensordot(steps, offsets, axes=1), axis=0)
        mask = np.zeros(shape, np.uint8)
        mask[region.slices] = distance <= max(self.radius, float(distance.min()))
        return mask


@dataclass(frozen=True, eq=False)
class PaintedSegment:
    """A segment of the scene, such as one that was painted in Segment Editor."""

    node: SegmentationNode
    segment_id: str

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.node.GetName()}: {self.node.GetSegmentation().GetSegment(self.segment_id).GetName()}"

    @property
    def key(self) -> str:
        """Tells it from all others of the scene."""
        return f"{self.node.GetID()} {self.segment_id}"

    def slice_of(self, volume_node: VolumeNode, axis: int) -> int:
        """Stored index along an array axis of the slice in view."""
        return slice_in_view(volume_node, axis)

    def mask(self, volume_node: VolumeNode, region: Region) -> np.ndarray:
        """(D, H, W) uint8, 1 where a voxel of the region, which is one slice, lies in the segment. A segment on another
        grid is resampled.

        Raises `InputError` if the segment is not there.
        """
        grid_in(self.node, volume_node)  # which refuses a transform that can't be followed
        mask = np.zeros(volume_node.GetImageData().GetDimensions()[::-1], np.uint8)
        mask[region.slices] = labels_of_segment(self.node, self.segment_id, volume_node)[region.slices] > 0
        if not mask.any():
            raise InputError(
                f"'{self.title}' has nothing in the slice in view; paint there, or go to a slice in which it is."
            )
        return mask


def painted_segments(scene: Scene) -> list[PaintedSegment]:
    """All segments of the scene, but for those that show what was switched off or erased."""
    return [
        PaintedSegment(node, node.GetSegmentation().GetNthSegmentID(number))
        for node in nodes_of_class(scene, "vtkMRMLSegmentationNode")
        if not is_outline(node)
        for number in range(node.GetSegmentation().GetNumberOfSegments())
    ]
