"""A panel's dealings with scene and worker: start something, poll from a timer, read the news.

Nothing here waits, and nothing is Qt: the worker computes in a process of its own, and results are written into the
scene when they are all there. One thing runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.mrml import heat_maps, segmentations, views, volumes
from AttnSegLib.mrml.news import (
    Mapped,
    News,
    Remarked,
    Segmented,
    Started,
    Stopped,
    Target,
    Working,
)
from AttnSegLib.mrml.preparation import Preparation
from AttnSegLib.mrml.preview import Preview
from AttnSegLib.worker import events
from AttnSegLib.worker.client import Request, Worker
from AttnSegLib.worker.events import Result

_CANCELLED = "Cancelled; everything is as it was before."


@dataclass(eq=False)
class _Run:
    """What is going on. finish: makes the news of its result; needs: nodes that must stay in the scene; mark: of the
    volume's contents at the beginning."""

    finish: Callable[[Any], News]
    job: Any = None
    target: Target | None = None
    needs: tuple[Any, ...] = ()
    mark: Any = None
    options: PredictionOptions | None = None
    preview: Preview | None = None
    is_query: bool = False


class Session(Preparation):
    """What runs, and what a panel shows before it. python: interpreter for the worker, None for the running one.

    What starts something returns at once, and raises `InputError` with one sentence if it can't be started.
    """

    def __init__(self, python: str | None = None):
        super().__init__()
        self._worker = Worker(python)
        self._run: _Run | None = None
        self._late: list[News] = []  # to be told at the next poll
        self._next_query: tuple[Target, str, tuple[int, int, int]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something runs, but for a query, which gives way."""
        return self._run is not None and not self._run.is_query

    @property
    def is_segmenting(self) -> bool:
        """Whether a segmentation is being made."""
        return self._run is not None and self._run.preview is not None

    # what a panel starts

    def segment(
        self, target: Target, *, region: Region | None = None, start: int | None = None, segmentation: Any = None
    ) -> None:
        """Segment into a segmentation node, or into a new one. start: stored index of the slice to begin with."""
        self._check_idle()
        options = PredictionOptions(region=region, start=start, flips=target.flips)
        needs = (target.volume_node,) if segmentation is None else (target.volume_node, segmentation)

        def finish(result: Result) -> News:
            change = segmentations.write_segmentation_node(
                segmentation, target.volume_node, result.job.label_map, target.spec
            )
            return Segmented(target, change.node, change, result)

        self._begin(_Run(finish, target=target, needs=needs), options)
        if self._run is not None:
            self._run.preview = Preview(target.volume_node, target.spec.labels)

    def redo_slice(self, target: Target, segmentation: Any, index: int) -> None:
        """Segment one slice again, by its stored index, and replace only this slice of the segmentation."""
        self._check_idle()
        axis = self.slice_axis(target)

        def finish(result: Result) -> News:
            change = segmentations.merge_slices(
                segmentation, target.volume_node, result.job.label_map, target.spec, (axis, [index])
            )
            return Segmented(target, segmentation, change, result, whole=False)

        options = PredictionOptions(region=self.slice_region(target, index), flips=target.flips)
        self._begin(_Run(finish, target=target, needs=(target.volume_node, segmentation)), options)

    def show_maps(self, target: Target, titles: Sequence[str], *, whole: bool) -> None:
        """Compute attention maps for the slice in view, or for the whole volume; several become a sequence."""
        self._check_idle()
        region = None
        if not whole:
            index = views.slice_in_view(target.volume_node, self.slice_axis(target))
            region = self.slice_region(target, index)

        def finish(result: Result) -> News:
            maps = {title: result.job.attention[title] for title in titles}
            if len(maps) > 1:
                node = heat_maps.heat_map_sequence(target.volume_node, maps, target.spec, region)
                return Mapped(node, titles[0])
            return self._show(target, titles[0], maps[titles[0]], region)

        self._begin(_Run(finish, target=target, needs=(target.volume_node,)), PredictionOptions(tuple(titles), region))

    def query(self, target: Target, title: str, voxel: tuple[int, int, int]) -> None:
        """Show where a voxel (k, j, i) looks by a self-attention map; while one is computed, the last one asked for
        waits."""
        if self._run is not None:
            self._next_query = (target, title, voxel)
            return
        region = self.slice_region(target, voxel[self.slice_axis(target)])

        def finish(result: Result) -> News:
            return self._show(target, title, result.job.attention[title], region)

        run = _Run(finish, target=target, needs=(target.volume_node,), is_query=True)
        self._begin(run, PredictionOptions((title,), query=voxel))

    def compare(self, target: Target, segmentation: Any, reference: Any) -> None:
        """Compare our first segment of a segmentation node with the first segment of a reference."""
        self._check_idle()
        label = target.spec.labels[0]
        ours = segmentations.own_segment_id(segmentation, label, target.spec)
        if ours is None:
            raise InputError(f"The segmentation has no segment of the model '{target.spec.id}'; segment first.")
        if reference.GetSegmentation().GetNumberOfSegments() == 0:
            raise InputError("The reference segmentation is empty; choose another one.")
        theirs = reference.GetSegmentation().GetNthSegmentID(0)
        prediction = segmentations.labels_of_segment(segmentation, ours, target.volume_node)
        truth = segmentations.labels_of_segment(reference, theirs, target.volume_node)
        run = _Run(_passed_on)
        run.job = self._worker.compare(truth, prediction, self.volume(target.volume_node).spacing)
        self._run = run

    def check(self) -> None:
        """Look for what is wrong with this installation."""
        self._check_idle()
        run = _Run(_passed_on)
        run.job = self._worker.check()
        self._run = run

    def cancel(self) -> None:
        """Ask what runs to stop; the news tells when it has."""
        self._next_query = None
        if self._run is not None and self._run.job is None:
            self._drop()
            self._late.append(Stopped(_CANCELLED, by_user=True))
        elif self._run is not None:
            self._worker.cancel()

    def restart_worker(self) -> None:
        """Let the next run begin in a new process, after an installation."""
        self._drop()
        self._worker.close()

    def close(self) -> None:
        """End the worker; what was shown of an unfinished run disappears."""
        self.restart_worker()

    # what a timer calls

    def poll(self) -> list[News]:
        """The news since the last call; never waits."""
        news, self._late = self._late, []
        trouble = self._trouble()
        if trouble:
            self._worker.cancel()
            self._drop()
            news.append(Stopped(trouble))
        for event in self._worker.poll():
            if isinstance(event, events.Ready):
                news.append(Started(event.devices))
            elif self._run is not None and event.job is self._run.job:
                news += self._follow(event)
        if not self._worker.is_busy:
            news += self._go_on()
        return news

    def _go_on(self) -> list[News]:
        """The worker is free: start what waits for it."""
        try:
            if self._run is not None and self._run.job is None:
                self._submit(self._run)
            elif self._run is None and self._next_query is not None:
                waiting, self._next_query = self._next_query, None
                self.query(*waiting)
        except InputError as error:
            self._drop()
            return [Stopped(str(error))]
        return []

    def _follow(self, event: Any) -> list[News]:
        run = self._run
        if run is None:
            return []
        if isinstance(event, events.SlicesDone):
            if run.preview is not None:
                run.preview.update(event.axis, event.indices, run.job.label_map)
            return [] if run.is_query else [Working(event.done, event.total, event.seconds_left)]
        self._drop()
        if isinstance(event, events.JobCancelled):
            return [Stopped(_CANCELLED, by_user=True)]
        if isinstance(event, events.JobFailed):
            return [Stopped(event.sentence, event.detail)]
        return self._finish(run, event)

    def _finish(self, run: _Run, event: Any) -> list[News]:
        if isinstance(event, Result) and run.target is not None and run.preview is not None:
            self.learn_speed(run.target, event)
        try:
            news = run.finish(event)
        except InputError as error:
            return [Stopped(str(error))]
        finally:
            run.job.release()
        return [news, *(Remarked(notice) for notice in getattr(event, "notices", ()))]

    def _trouble(self) -> str:
        """Why what runs makes no sense any more; empty if it does."""
        if self._run is None or self._run.target is None:
            return ""
        if any(node.GetScene() is None for node in self._run.needs):
            return "The volume or the segmentation was removed during the run; nothing was written."
        if volumes.contents_mark(self._run.needs[0]) != self._run.mark:
            return "The volume was changed during the run; nothing was written, please run again."
        return ""

    def _check_idle(self) -> None:
        if self.is_busy:
            raise InputError("Something is running already; wait or cancel it.")
        self._next_query = None
        if self._run is not None:  # a query gives way
            self._worker.cancel()
            self._drop()

    def _begin(self, run: _Run, options: PredictionOptions) -> None:
        """Start, or wait until the worker is done with what was given up."""
        run.options = options
        run.mark = volumes.contents_mark(run.needs[0])
        if not self._worker.is_busy:
            self._submit(run)
        self._run = run

    def _submit(self, run: _Run) -> None:
        target = run.target
        if target is None or run.options is None:
            return
        request = Request(target.spec, run.options, device=target.device, level=target.level)
        run.job = self._worker.segment(self.volume(target.volume_node), request)

    def _drop(self) -> None:
        run, self._run = self._run, None
        if run is not None and run.preview is not None:
            run.preview.remove()

    def _show(self, target: Target, title: str, coefficients: Any, region: Region | None) -> Mapped:
        node = heat_maps.write_heat_map_node(target.volume_node, coefficients, target.spec, title, region)
        return Mapped(node, title)


def _passed_on(event: News) -> News:
    """What the worker tells is the news itself."""
    return event
