"""Where attention is erased: a disc around a point, in the slice in which the point lies. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from AttnSegLib.images.orientation import Region
from AttnSegLib.mrml.protocols import VolumeNode
from AttnSegLib.mrml.views import Place, voxel_at
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
