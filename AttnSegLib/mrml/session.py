"""A panel's dealings with scene and worker: start something, poll from a timer, read the news.

Nothing here waits, and nothing is Qt: the worker computes in a process of its own, and results are written into the
scene when they are all there. One thing runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.mrml import records, segmentations, views
from AttnSegLib.mrml.news import News, Target
from AttnSegLib.mrml.preparation import Preparation
from AttnSegLib.mrml.protocols import SegmentationNode
from AttnSegLib.mrml.runs import (
    CheckRun,
    ComparisonRun,
    KnownLabels,
    MapsRun,
    QueryRun,
    Run,
    SegmentationRun,
    SliceAgainRun,
)
from AttnSegLib.mrml.segmentations import SlicePlace
from AttnSegLib.mrml.switching.erasing import Disc, PaintedSegment
from AttnSegLib.mrml.switching.switch_run import Switch, SwitchRun
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.messages import JobCancelled, JobFailed, Notice, Ready, Result, SlicesDone

_NO_JOB = 0  # what ends before the worker had it, or without the worker


class Session(Preparation):
    """What runs, and what a panel shows before it. python: interpreter for the worker, None for the running one.

    listeners: get the news at each poll, whoever polls, so that a panel and a script can share a session and its
    worker. What starts something returns at once, and raises `InputError` with one sentence if it can't be started.
    """

    def __init__(self, python: str | None = None):
        super().__init__()
        self._worker = Worker(python)
        self._run: Run | None = None
        self._late: list[News] = []  # to be told at the next poll
        self.listeners: list[Callable[[list[News]], None]] = []
        self._next: Callable[[], None] | None = None  # the last query or erasing that was asked for, while one runs
        self._known: KnownLabels | None = None  # of the last slice

    @property
    def is_busy(self) -> bool:
        """Whether something runs, but for what follows a point, which gives way."""
        return self._run is not None and not self._run.gives_way

    # what a panel starts

    def segment(
        self,
        target: Target,
        *,
        region: Region | None = None,
        start: int | None = None,
        segmentation: SegmentationNode | None = None,
    ) -> None:
        """Segment into a segmentation node, or into a new one. start: stored index of the slice to begin with."""
        self._check_idle()
        request = target.asking(region=region, start=start)
        self._begin(SegmentationRun(target, self.volume(target.volume_node), request, segmentation))

    def redo_slice(self, target: Target, segmentation: SegmentationNode, index: int) -> None:
        """Segment one slice of the segmentation's last run again, by its stored index, perhaps by another model, and
        replace only this slice of the segments that are there."""
        self._check_idle()
        listed = records.check_list(segmentation)
        place = SlicePlace(listed.model if listed else target.spec.id, self.slice_axis(target), index)
        segmentations.check_mergeable(segmentation, target.spec, place.model)
        request = target.asking(region=self.slice_region(target, index))
        self._begin(SliceAgainRun(target, self.volume(target.volume_node), request, segmentation, place))

    def show_maps(self, target: Target, titles: Sequence[str], *, whole: bool, absolute: bool = False) -> None:
        """Compute attention maps for the slice in view, or for the whole volume; several become a sequence. absolute:
        show self-attention so, and not relative to the largest coefficient of a slice."""
        self._check_idle()
        region = None
        if not whole:
            index = views.slice_in_view(target.volume_node, self.slice_axis(target))
            region = self.slice_region(target, index)
        request = target.asking(attention=tuple(titles), region=region, flips=False, channels=True)
        self._begin(MapsRun(target, self.volume(target.volume_node), request, region, absolute=absolute))

    def query(self, target: Target, title: str, voxel: tuple[int, int, int], *, absolute: bool = False) -> None:
        """Show where a voxel (k, j, i) looks by a self-attention map; while one is computed, the last one asked for
        waits."""
        if self._run is not None:
            self._next = lambda: self.query(target, title, voxel, absolute=absolute)
            return
        region = self.slice_region(target, voxel[self.slice_axis(target)])
        request = target.asking(attention=(title,), query=voxel, flips=False)
        self._begin(QueryRun(target, self.volume(target.volume_node), request, region, absolute=absolute))

    def switch_off(self, target: Target, title: str, *, whole: bool = False) -> None:
        """Compute the slice in view, or the whole volume, with an attention map and without it, tell what changes, and
        show the latter."""
        self._check_idle()
        region = None
        if not whole:
            index = views.slice_in_view(target.volume_node, self.slice_axis(target))
            region = self.slice_region(target, index)
        self._begin_switch(target, Switch(title, region))

    def erase(self, target: Target, title: str, place: Disc | PaintedSegment) -> None:
        """The same with an attention map that is erased in a place of a slice; while one is computed, the last one
        asked for waits. Nothing happens if a disc lies outside of the volume."""
        if self._run is not None:
            self._next = lambda: self.erase(target, title, place)
            return
        axis = self.slice_axis(target)
        index = place.slice_of(target.volume_node, axis)
        if index is not None:
            region = self.slice_region(target, index)
            self._begin_switch(target, Switch(title, region, place.mask(target.volume_node, region)))

    def _begin_switch(self, target: Target, switch: Switch) -> None:
        run = SwitchRun(target, self.volume(target.volume_node), switch)
        run.take(self._known)
        self._begin(run)

    def compare(self, target: Target, segmentation: SegmentationNode, reference: SegmentationNode) -> None:
        """Compare our first segment of a segmentation node with the first segment of a reference."""
        self._check_idle()
        label = target.spec.labels[0]
        ours = segmentations.own_segment_id(segmentation, label, target.spec.id)
        if ours is None:
            raise InputError(f"The segmentation has no segment of the model '{target.spec.id}'; segment first.")
        if reference.GetSegmentation().GetNumberOfSegments() == 0:
            raise InputError("The reference segmentation is empty; choose another one.")
        theirs = reference.GetSegmentation().GetNthSegmentID(0)
        prediction = segmentations.labels_of_segment(segmentation, ours, target.volume_node)
        truth = segmentations.labels_of_segment(reference, theirs, target.volume_node)
        self._begin(ComparisonRun(truth, prediction, self.volume(target.volume_node).spacing))

    def check(self) -> None:
        """Look for what is wrong with this installation."""
        self._check_idle()
        self._begin(CheckRun())

    def cancel(self) -> None:
        """Ask what runs to stop; the news tells when it has."""
        self._next = None
        if self._run is not None and self._run.job is None:
            self._drop()
            self._late.append(JobCancelled(_NO_JOB))
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
        """The news since the last call, which the listeners get, too; never waits."""
        news = self._news()
        for listener in tuple(self.listeners) if news else ():
            listener(news)
        return news

    def _news(self) -> list[News]:
        news, self._late = self._late, []
        if self._run is not None and (trouble := self._run.trouble()):
            self._worker.cancel()
            self._drop()
            news.append(JobFailed(_NO_JOB, trouble))
        for message in self._worker.poll():
            if isinstance(message, Ready):
                self.learn_machine(message)
                news.append(message)
            else:
                news += self._follow(message)
        if not self._worker.is_busy:
            news += self._go_on()
        return news

    def _go_on(self) -> list[News]:
        """The worker is free: start what waits for it."""
        try:
            if self._run is not None and self._run.job is None:
                self._run.submit(self._worker)
            elif self._run is None and self._next is not None:
                waiting, self._next = self._next, None
                waiting()
        except InputError as error:
            self._drop()
            return [JobFailed(_NO_JOB, str(error))]
        return []

    def _follow(self, message: Any) -> list[News]:
        run = self._run
        if run is None or run.job is None or message.job != run.job.number:
            return []  # of a run that was given up
        if isinstance(message, SlicesDone):
            return run.follow(message)
        if isinstance(message, Notice):
            return run.tell(message)
        if isinstance(message, Result) and run.goes_on():
            return []
        self._run = None
        run.drop()
        if isinstance(message, JobCancelled | JobFailed):
            run.let_go()
            return [message]
        return self._finish(run, message)

    def _finish(self, run: Run, answer: Any) -> list[News]:
        if isinstance(run, SegmentationRun):
            self.learn_speed(run.target, answer)
        try:
            news = run.finish(answer)
            self._known = run.known() or self._known
        except InputError as error:
            return [JobFailed(answer.job, str(error))]
        finally:
            run.let_go()
            if run.job is not None:
                run.job.release()
        notices = answer.notices if isinstance(answer, Result) else ()
        told = [run.tell(Notice(answer.job, sentence)) for sentence in notices]
        return [news, *(one for some in told for one in some)]  # again: what came between hid them

    def _check_idle(self) -> None:
        if self.is_busy:
            raise InputError("Something is running already; wait or cancel it.")
        self._next = None
        if self._run is not None:  # what follows a point gives way
            self._worker.cancel()
            self._drop()

    def _begin(self, run: Run) -> None:
        """Start, or wait until the worker is done with what was given up."""
        try:
            if not self._worker.is_busy:
                run.submit(self._worker)
        except InputError:
            run.drop()
            raise
        self._run = run

    def _drop(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.drop()
            run.let_go()
