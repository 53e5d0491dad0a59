"""What a panel needs to know before a run: the volume, the slices, the region, and what to read before Apply."""

from __future__ import annotations

import os

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region, slice_orientation
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.checks import preflight
from AttnSegLib.inference.cost import Load, Place
from AttnSegLib.mrml import volumes
from AttnSegLib.mrml.news import Target
from AttnSegLib.mrml.protocols import RoiNode, VolumeNode
from AttnSegLib.worker.messages import Ready, Result


class Preparation:
    """Keeps the volume that was read last, and how fast the devices of this machine are."""

    def __init__(self) -> None:
        self._volumes: dict[str, tuple[volumes.ContentsMark, Volume]] = {}  # by node id: what was read
        self._worker_is = Ready((), os.cpu_count() or 1)  # a guess, until the worker has said what there is
        self._speeds: dict[str, float] = {}  # GMAC/s by the name of a device
        self._remarks: tuple[object, list[preflight.Remark]] = (None, [])  # what they are about, and they themselves

    def volume(self, node: VolumeNode | None) -> Volume:
        """The volume in a node; read again only when the node has changed."""
        if node is None:
            raise InputError("Choose a volume first.")
        mark = volumes.contents_mark(node)
        known = self._volumes.get(node.GetID())
        if known is None or known[0] != mark:
            volume = volumes.read_volume_node(node)
            self._volumes = {node.GetID(): (mark, volume)}  # one volume is kept, not a scene's worth
        return self._volumes[node.GetID()][1]

    def slice_axis(self, target: Target) -> int:
        """Array axis of the slices that the model sees."""
        return slice_orientation(self.volume(target.volume_node).affine, target.spec.plane).axes[0]

    def preflight(self, target: Target) -> list[preflight.Remark]:
        """What to read before Apply; a panel asks often, so it is found again only if something has changed."""
        options, compute = target.request.options, target.request.compute
        device = self._device(compute.device)
        effort = preflight.Effort(self._place(device), options.flips, compute.batch_size, self._speeds.get(device))
        volume, spec = self.volume(target.volume_node), target.spec
        about = (volume, spec, spec.known_plane, effort)
        if about != self._remarks[0]:
            self._remarks = (about, preflight.inspect(volume, spec, effort))
        return self._remarks[1]

    def region(self, target: Target, roi: RoiNode | None, slices: tuple[int, int | None]) -> Region | None:
        """What an ROI node (or None) and a range of slices, first and last (None: to the end), leave of the volume."""
        shape = self.volume(target.volume_node).voxels.shape
        axis = self.slice_axis(target)
        first, last = slices[0], shape[axis] - 1 if slices[1] is None else slices[1]
        whole = roi is None and (first, last) == (0, shape[axis] - 1)
        if whole:
            return None
        if not 0 <= first <= last < shape[axis]:
            raise InputError(
                f"The volume has slices 0 to {shape[axis] - 1}, and not {first} to {last}; correct the range."
            )
        region = Region((0, 0, 0), shape) if roi is None else volumes.region_of_roi(roi, target.volume_node)
        region = region.cut(axis, max(region.start[axis], first), min(region.stop[axis], last + 1))
        region.check(shape)
        return region

    def slice_region(self, target: Target, index: int) -> Region:
        """One slice of the volume, by its stored index."""
        shape = self.volume(target.volume_node).voxels.shape
        return Region((0, 0, 0), shape).cut(self.slice_axis(target), index, index + 1)

    def learn_speed(self, target: Target, result: Result) -> None:
        """Remember how fast this device is, if the result is that of a whole network over the whole volume."""
        volume, spec, request = self.volume(target.volume_node), target.spec, target.request
        load = Load.of(volume, spec.preprocessing, spec.facts, flips=request.options.flips)
        device = self._device(request.compute.device)
        stayed = result.device.startswith(_kind(device))  # and did not go on with the CPU
        if request.level is None and result.slices == load.slices and stayed:
            self._speeds[device] = load.gmacs / max(result.seconds, 1e-3)

    def learn_machine(self, ready: Ready) -> None:
        """Remember what the worker says of the devices of this machine."""
        self._worker_is = ready

    def _device(self, asked: str) -> str:
        """The name under which the speed of a device is kept. "auto" is the first GPU, or else the CPU, as in
        `inference.device`."""
        if asked != "auto":
            return asked
        return next((name for name, _words, _free in self._worker_is.devices), "cpu")

    def _place(self, device: str) -> Place:
        if _kind(device) == "cpu":
            return Place("cpu", self._worker_is.cpu_lanes)
        free = {name: megabytes for name, _words, megabytes in self._worker_is.devices}.get(device)
        return Place(_kind(device), free_bytes=None if free is None else free * 2**20)


def _kind(device: str) -> str:
    return device.partition(":")[0]
