"""What a session has the worker do: for each kind a small class, which asks, and makes news of the answer. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.mrml import heat_maps, records, segmentations, volumes
from AttnSegLib.mrml.news import Mapped, News, Segmented, Target
from AttnSegLib.mrml.preview import Preview
from AttnSegLib.mrml.protocols import SegmentationNode
from AttnSegLib.mrml.segmentations import SlicePlace
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.job import Job
from AttnSegLib.worker.messages import Notice, Request, SlicesDone


@dataclass(frozen=True, eq=False)
class KnownLabels:
    """What was computed of a part of a volume, so that it need not be computed again. mark: of the volume, see
    `contents_mark`; request: without the maps that came along; labels: (d, h, w) uint8 of its region."""

    mark: volumes.ContentsMark
    request: Request
    labels: np.ndarray

    def answer(self, mark: volumes.ContentsMark, request: Request) -> bool:
        """Whether this is what a request asks for."""
        return self.mark == mark and self.request == request


class Run:
    """What is going on; each kind says what it submits.

    job: None until the worker has it. gives_way: whatever else is asked for comes first.
    """

    gives_way = False

    def __init__(self) -> None:
        self.job: Job | None = None

    def submit(self, worker: Worker) -> None:
        """Give it to the worker, which is free. Raises `InputError` if that can't be."""
        raise NotImplementedError

    def trouble(self) -> str:
        """Why it makes no sense any more; empty if it does."""
        return ""

    def follow(self, slices: SlicesDone) -> list[News]:
        """The news of slices that are done."""
        return [slices]

    def tell(self, notice: Notice) -> list[News]:
        """What of the worker's notices the user is told."""
        return [notice]

    def goes_on(self) -> bool:
        """Whether the worker's answer is not the last one: then it was taken, and the run is to be submitted again."""
        return False

    def finish(self, answer: Any) -> News:
        """The news of the worker's answer. Raises `InputError` if it can't be shown."""
        news: News = answer  # which is news itself, of what needs no scene
        return news

    def known(self) -> KnownLabels | None:
        """What a later run may need again, asked after the end; None if there is nothing."""
        return None

    def drop(self) -> None:
        """What was shown meanwhile disappears."""

    def let_go(self) -> None:
        """What was kept of earlier answers is not needed any more."""


class ComparisonRun(Run):
    """Compares masks (D, H, W). spacing: along i, j, k, mm."""

    def __init__(self, truth: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float]):
        super().__init__()
        self._masks, self._spacing = (truth, prediction), spacing

    def submit(self, worker: Worker) -> None:
        self.job = worker.compare(*self._masks, self._spacing)


class CheckRun(Run):
    """The self-check."""

    def submit(self, worker: Worker) -> None:
        self.job = worker.check()


class PredictionRun(Run):
    """Runs a model. volume: what is in the target's node; needs: other nodes that must stay in the scene."""

    def __init__(self, target: Target, volume: Volume, request: Request, needs: Sequence[SegmentationNode] = ()):
        super().__init__()
        self.target = target
        self._volume, self._request = volume, request
        self._needs = (target.volume_node, *needs)
        self._mark = volumes.contents_mark(target.volume_node)

    def submit(self, worker: Worker) -> None:
        self.job = worker.segment(self._volume, self._request)

    def trouble(self) -> str:
        if any(node.GetScene() is None for node in self._needs):
            return "The volume or the segmentation was removed during the run; nothing was written."
        if volumes.contents_mark(self.target.volume_node) != self._mark:
            return "The volume was changed during the run; nothing was written, please run again."
        return ""

    @property
    def arrays(self) -> Job:
        """Where the worker has written."""
        assert self.job is not None  # an answer comes to a job only
        return self.job


class SegmentationRun(PredictionRun):
    """Writes a segmentation node, or a new one if there is none, and shows slices while they come."""

    def __init__(self, target: Target, volume: Volume, request: Request, segmentation: SegmentationNode | None):
        super().__init__(target, volume, request, () if segmentation is None else (segmentation,))
        self._segmentation = segmentation
        self._preview = Preview(target.volume_node, target.spec.labels)

    def follow(self, slices: SlicesDone) -> list[News]:
        self._preview.update(slices.axis, slices.indices, self.arrays.label_map)
        return [slices]

    def finish(self, answer: Any) -> News:
        volume_node, spec = self.target.volume_node, self.target.spec
        change = segmentations.write_segmentation_node(self._segmentation, volume_node, self.arrays.label_map, spec)
        records.record_result(change.node, self.target, answer)
        return Segmented(self.target, change.node, change, answer)

    def drop(self) -> None:
        self._preview.remove()


class SliceAgainRun(PredictionRun):
    """Replaces one slice of a segmentation node."""

    def __init__(
        self, target: Target, volume: Volume, request: Request, segmentation: SegmentationNode, place: SlicePlace
    ):
        super().__init__(target, volume, request, (segmentation,))
        self._segmentation, self._place = segmentation, place

    def finish(self, answer: Any) -> News:
        volume_node, spec, place = self.target.volume_node, self.target.spec, self._place
        change = segmentations.merge_slice(self._segmentation, volume_node, self.arrays.label_map, spec, place)
        records.record_slice(self._segmentation, self.target, self._volume, place)
        return Segmented(self.target, self._segmentation, change, answer, whole=False)


class MapsRun(PredictionRun):
    """Writes the attention maps that it asks for as a heat map, or several as a sequence.

    region: where they are; absolute: whether self-attention is shown so, and not relative to each slice's largest
    coefficient.
    """

    def __init__(self, target: Target, volume: Volume, request: Request, region: Region | None, *, absolute: bool):
        super().__init__(target, volume, request)
        self._absolute = absolute
        self._titles, self._region = request.options.attention, region
        self._labels: np.ndarray | None = None  # of a part of the volume, which is small

    def known(self) -> KnownLabels | None:
        options = self._request.options
        if self._labels is None or options.query is not None:
            return None
        return KnownLabels(
            self._mark, replace(self._request, options=replace(options, attention=(), channels=False)), self._labels
        )

    def finish(self, answer: Any) -> News:
        if self._region is not None:
            self._labels = self.arrays.label_map[self._region.slices].copy()
        first, node, spec, numbers = self._titles[0], self.target.volume_node, self.target.spec, answer.numbers
        maps = {title: self.arrays.attention[title] for title in self._titles}
        for title, peaks in numbers.peaks.items() if self._absolute else ():
            maps[title] = heat_maps.absolute_coefficients(maps[title], peaks, answer.axis)
        told = {title: heat_maps.number_attributes(numbers, title, absolute=self._absolute) for title in maps}
        if len(maps) > 1:
            return Mapped(heat_maps.heat_map_sequence(node, maps, spec, self._region, told), first)
        shown = heat_maps.write_heat_map_node(node, maps[first], spec, first, self._region)
        heat_maps.set_attributes(shown, told[first])
        return Mapped(shown, first)


class QueryRun(MapsRun):
    """Shows where one voxel looks; while one is computed, there is nothing to wait for."""

    gives_way = True

    def follow(self, _slices: SlicesDone) -> list[News]:
        return []
