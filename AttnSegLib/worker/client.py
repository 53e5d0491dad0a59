"""The client of the worker: runs models in a process of its own, so that nothing here ever waits, freezes or crashes.

>>> worker = Worker()
>>> job = worker.segment(volume, Request(spec))
>>> while worker.is_busy:  # in a panel: a timer
...     for message in worker.poll():
...         ...  # SlicesDone and Notice while it runs; then Result, JobCancelled or JobFailed
>>> job.label_map
>>> worker.close()

No torch is imported on this side.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from typing import Any

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import slice_orientation
from AttnSegLib.images.volume import Volume
from AttnSegLib.worker import protocol, silence
from AttnSegLib.worker.child import ChildProcess, Ended
from AttnSegLib.worker.job import Job
from AttnSegLib.worker.messages import (
    VERSION,
    Attached,
    Block,
    CancelOrder,
    CheckOrder,
    CompareOrder,
    Hello,
    JobCancelled,
    JobFailed,
    Message,
    Notice,
    OfJob,
    Order,
    Ready,
    Request,
    Result,
    Row,
    SegmentOrder,
    SlicesDone,
)

_PATIENCE = 0.5  # s for a cancelled job to stop by itself
_IN_FILES = (
    "There is not enough shared memory (Docker has 64 MB unless told otherwise: --shm-size=2g); files in '{folder}' "
    "take its place during this run."
)


class Worker:
    """One warm process, started when it is first needed and again after a crash. python: the interpreter to run.

    Jobs come one at a time; whatever starts one raises `InputError` while another runs.
    """

    def __init__(self, python: str | None = None):
        self._python = python or sys.executable
        if python is not None:  # the tracker of shared memory is a process, too, and must not become a second Slicer
            multiprocessing.set_executable(python)
        self._process: ChildProcess | None = None
        self._job: Job | None = None
        self._jobs = 0
        self._cancel_until: float | None = None
        self._silence = silence.Silence()
        self._news: list[Message] = []  # of this side, for the next poll
        self._volume: Volume | None = None  # the one whose voxels the worker holds
        self._block = Block("", (), "")
        self._retired: list[Job] = []
        self._loose: list[Any] = []  # memories to let go when the worker has attached them

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    def segment(self, volume: Volume, request: Request) -> Job:
        """Run a model. The voxels are copied once, as long as the same `Volume` comes again."""
        job = self._new_job()
        shape, voxels = volume.voxels.shape, self._share_voxels(volume)
        attention_blocks: dict[str, Block] = {}
        probability_blocks: dict[int, Block] = {}
        painted_blocks: dict[str, Block] = {}
        seen = _seen_slices(volume, request)
        try:
            job.label_map, label_block = job.share(shape, np.uint8)
            for title in request.options.attention:
                job.attention[title], attention_blocks[title] = job.share(shape, np.float16)
            for label in request.spec.labels if request.options.probabilities else ():
                job.probabilities[label.value], probability_blocks[label.value] = job.share(shape, np.float16)
            for title, painted in request.options.painted.items():
                kind = np.uint8 if painted.dtype == np.uint8 else np.float32  # masks are large enough as they are
                array, painted_blocks[title] = job.share(painted.shape, kind)
                array[seen] = painted[seen]  # of one slice of a large volume it is little
        except InputError:  # there is not enough memory, so none may be kept for later
            self._forget_voxels()
            raise
        order = SegmentOrder(
            job.number,
            request,
            folder=str(request.spec.folder.absolute()),
            voxels=voxels,
            affine=_rows(volume.affine),
            modality=volume.modality,
            padding=volume.padding,
            label_map=label_block,
            attention=attention_blocks,
            probabilities=probability_blocks,
            painted=painted_blocks,
        )
        return self._start(job, order)

    def compare(self, reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float]) -> Job:
        """Scores of `metrics.compare_masks`. reference, prediction: (D, H, W) masks; spacing: mm along i, j, k."""
        job = self._new_job()
        blocks = []
        for mask in (reference, prediction):
            array, block = job.share(mask.shape, np.uint8)
            array[...] = mask > 0
            blocks.append(block)
        return self._start(job, CompareOrder(job.number, blocks[0], blocks[1], spacing))

    def check(self) -> Job:
        """Run the self-diagnosis."""
        job = self._new_job()
        return self._start(job, CheckOrder(job.number))

    def poll(self) -> list[Message]:
        """The worker's messages since the last call; never waits.

        The arrays of a job that failed or was cancelled are released at the next call, so that the messages before
        its end can still be used.
        """
        retired, self._retired = self._retired, []
        for job in retired:
            job.release()
        found, self._news = self._news, []
        while self._process is not None:
            message = self._process.next_message()
            if message is None:
                break
            found += self._understand(message)
        if self._cancel_until is not None and time.monotonic() > self._cancel_until:
            return found + self._mourn(Ended("", ""))
        return found + self._listen_for_life(has_step=bool(found))

    def cancel(self) -> None:
        """Ask the job to stop; if it does not within half a second, its process is ended."""
        if self._job is not None and self._process is not None and self._cancel_until is None:
            self._cancel_until = time.monotonic() + _PATIENCE
            self._process.send(CancelOrder(self._job.number))

    def close(self) -> None:
        """End the process and let everything go."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
        self._forget_job()
        self._forget_voxels()

    def _listen_for_life(self, *, has_step: bool) -> list[Message]:
        """What the user is told of a process that says nothing; in the end it is given up."""
        job, process = self._job, self._process
        if job is None or process is None:
            return []
        sentence = self._silence.look(time.monotonic(), process.signs, has_step=has_step)
        told: list[Message] = [Notice(job.number, sentence)] if sentence else []
        return told + self._give_up(silence.HUNG) if self._silence.is_lost else told

    def _new_job(self) -> Job:
        if self._job is not None:
            raise InputError("Something is running already; wait or cancel it.")
        if self._process is not None and self._process.has_ended:
            self.close()  # between two jobs, so nobody has missed it
        if self._process is None:
            self._process = ChildProcess(self._python)
        self._jobs += 1
        return Job(self._jobs)

    def _start(self, job: Job, order: Order) -> Job:
        self._job, self._cancel_until = job, None
        self._silence, self._news = silence.Silence(), []
        if job.is_in_files or protocol.is_in_file(self._block):
            self._news.append(Notice(job.number, _IN_FILES.format(folder=tempfile.gettempdir())))
        if self._process is not None:
            self._process.send(order)
        return job

    def _share_voxels(self, volume: Volume) -> Block:
        if volume is not self._volume:
            self._forget_voxels()
            memory, array = protocol.create_block(volume.voxels.shape, volume.voxels.dtype)
            array[...] = volume.voxels
            self._block = protocol.describe_block(memory, array)
            self._volume = volume
            self._loose.append(memory)
        return self._block

    def _understand(self, message: Message | Ended) -> list[Message]:
        if isinstance(message, Ended):
            return self._mourn(message)
        if isinstance(message, Hello) and message.version != VERSION:
            return self._give_up("The worker is of another version of AttnSeg; restart Slicer.")
        if isinstance(message, Ready):
            return [message]
        job = self._job
        if job is None or not isinstance(message, OfJob) or message.job != job.number:
            return []  # of a job that was given up
        if isinstance(message, Attached):
            job.unname()
            self._drop_loose()
            return []
        if not isinstance(message, SlicesDone | Notice):
            self._end(job, message)
        return [message]

    def _end(self, job: Job, last: Message) -> None:
        if isinstance(last, JobFailed):
            self._forget_voxels()  # it may not have got as far as attaching them
        self._job, self._cancel_until = None, None
        if not isinstance(last, Result):
            self._retired.append(job)

    def _mourn(self, end: Ended) -> list[Message]:
        """The process has ended, wanted or not."""
        job, cancelled = self._job, self._cancel_until is not None
        self._job = None
        self.close()
        if job is None:
            return []
        self._retired.append(job)
        self._cancel_until = None
        return [JobCancelled(job.number) if cancelled else JobFailed(job.number, end.sentence, end.lines)]

    def _give_up(self, sentence: str) -> list[Message]:
        job, self._job = self._job, None
        self.close()
        if job is None:
            return []
        self._retired.append(job)
        return [JobFailed(job.number, sentence)]

    def _forget_job(self) -> None:
        job, self._job, self._cancel_until = self._job, None, None
        for one in (*self._retired, *([job] if job is not None else [])):
            one.release()
        self._retired = []

    def _forget_voxels(self) -> None:
        self._volume = None
        self._drop_loose()

    def _drop_loose(self) -> None:
        loose, self._loose = self._loose, []
        for memory in loose:
            memory.close()
            memory.unlink()


def _seen_slices(volume: Volume, request: Request) -> Any:
    """The part of an array on the volume's grid that is predicted, in whole slices."""
    region = request.options.region
    if region is None:
        return ...
    axis = slice_orientation(volume.affine, request.spec.plane).axes[0]
    return region.whole_slices(axis, volume.voxels.shape).slices


def _rows(affine: np.ndarray) -> tuple[Row, Row, Row, Row]:
    first, second, third, fourth = ((float(a), float(b), float(c), float(d)) for a, b, c, d in affine)
    return first, second, third, fourth
