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

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.worker import protocol, silence
from AttnSegLib.worker.child import ChildProcess, Ended
from AttnSegLib.worker.job import Job
from AttnSegLib.worker.messages import (
    VERSION,
    Attached,
    CancelOrder,
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
    SlicesDone,
)
from AttnSegLib.worker.orders import SharedVoxels, check_order, compare_order, segment_order
from AttnSegLib.worker.pieces import InPieces

_AT_ONCE = 64 * 2**20  # bytes of shared memory reserved or filled in one go; 15 to 20 ms
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
        self._order: InPieces[Order] | None = None  # of the job, until it is complete
        self._voxels = SharedVoxels()
        self._retired: list[Job] = []

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    def segment(self, volume: Volume, request: Request) -> Job:
        """Run a model. The voxels are copied once, as long as the same `Volume` comes again; those of a large one are
        copied in the next calls of `poll`, so whoever changes them before the worker's first message has to cancel."""
        job = self._new_job()
        return self._start(job, segment_order(job, self._voxels, volume, request))

    def compare(self, reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float]) -> Job:
        """Scores of `metrics.compare_masks`. reference, prediction: (D, H, W) masks; spacing: mm along i, j, k."""
        job = self._new_job()
        return self._start(job, compare_order(job, reference, prediction, spacing))

    def check(self) -> Job:
        """Run the self-diagnosis."""
        job = self._new_job()
        return self._start(job, check_order(job))

    def poll(self) -> list[Message]:
        """The worker's messages since the last call; never waits.

        The arrays of a job that failed or was cancelled are released at the next call, so that the messages before
        its end can still be used.
        """
        retired, self._retired = self._retired, []
        for job in retired:
            job.release()
        found, self._news = self._news + self._go_on(), []
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
        self._forget_order()
        self._forget_job()

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

    def _start(self, job: Job, order: InPieces[Order]) -> Job:
        self._job, self._cancel_until, self._order = job, None, order
        self._silence = silence.Silence()
        try:
            self._news = self._prepare(job, order)
        except BaseException:  # whatever it is, no job is left that nobody goes on with
            self._forget_order()
            self._forget_job()
            raise
        return job

    def _go_on(self) -> list[Message]:
        """With an order that is not complete yet."""
        job, order = self._job, self._order
        if job is None or order is None:
            return []
        try:
            if self._cancel_until is None:
                return self._prepare(job, order)
            end: JobCancelled | JobFailed = JobCancelled(job.number)
        except InputError as error:
            end = JobFailed(job.number, str(error))
        except BaseException:
            self._forget_order()
            self._forget_job()
            raise
        self._end(job, end)
        return [end]

    def _prepare(self, job: Job, order: InPieces[Order]) -> list[Message]:
        """The next pieces of an order; after the last one it is sent. Raises `InputError` if memory runs out."""
        left = _AT_ONCE
        try:
            while left > 0:
                left -= next(order)
        except StopIteration as complete:
            self._order = None
            if self._process is not None:
                self._process.send(complete.value)
            if job.is_in_files or protocol.is_in_file(self._voxels.block):
                return [Notice(job.number, _IN_FILES.format(folder=tempfile.gettempdir()))]
        return []

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
            self._voxels.let_go()
            return []
        if not isinstance(message, SlicesDone | Notice):
            self._end(job, message)
        return [message]

    def _end(self, job: Job, last: Message) -> None:
        if isinstance(last, JobFailed) or self._order is not None:
            self._forget_order()  # it may not have got as far as attaching the voxels
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

    def _forget_order(self) -> None:
        """First whoever copies, then the copy."""
        order, self._order = self._order, None
        if order is not None:
            order.close()
        self._voxels.forget()
