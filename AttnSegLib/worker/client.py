"""The client of the worker: runs models in a process of its own, so that nothing here ever waits, freezes or crashes.

>>> worker = Worker()
>>> job = worker.segment(volume, Request(spec))
>>> while worker.is_busy:  # in a panel: a timer
...     for event in worker.poll():
...         ...  # SlicesDone while it runs; then Result, JobCancelled or JobFailed
>>> job.label_map
>>> worker.close()

No torch is imported on this side.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.models.catalog import CARD, ModelSpec
from AttnSegLib.worker import events, protocol
from AttnSegLib.worker.child import ChildProcess, why_it_ended
from AttnSegLib.worker.events import Event, Ready
from AttnSegLib.worker.job import Job

_PATIENCE = 0.5  # s for a cancelled job to stop by itself


@dataclass(frozen=True)
class Request:
    """What to predict, with which model, where. level: of a pruned network; device, batch_size, precision: as in
    `device.Compute`."""

    spec: ModelSpec
    options: PredictionOptions = field(default_factory=PredictionOptions)
    device: str = "auto"
    level: int | None = None
    batch_size: int | None = None
    precision: str = "auto"


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
        self._volume: Volume | None = None  # the one whose voxels the worker holds
        self._block: dict[str, Any] = {}
        self._retired: list[Job] = []
        self._loose: list[Any] = []  # memories to let go when the worker has attached them

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    def segment(self, volume: Volume, request: Request) -> Job:
        """Run a model. The voxels are copied once, as long as the same `Volume` comes again."""
        job = self._new_job()
        shape = volume.voxels.shape
        job.label_map, label_block = job.share(shape, np.uint8)
        attention_blocks = {}
        for title in request.options.attention:
            job.attention[title], attention_blocks[title] = job.share(shape, np.float16)
        message = {
            "card": str(request.spec.folder / CARD),
            "plane": request.spec.plane,
            "voxels": self._share_voxels(volume),
            "affine": volume.affine.tolist(),
            "modality": volume.modality,
            "label_map": label_block,
            "attention": attention_blocks,
            "options": asdict(request.options),
            "compute": [request.device, request.batch_size, request.precision],
            "level": request.level,
        }
        return self._start("segment", job, message)

    def compare(self, reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, float, float]) -> Job:
        """Scores of `metrics.compare_masks`. reference, prediction: (D, H, W) masks; spacing: mm along i, j, k."""
        job = self._new_job()
        blocks = {}
        for name, mask in (("reference", reference), ("prediction", prediction)):
            array, blocks[name] = job.share(mask.shape, np.uint8)
            array[...] = mask > 0
        return self._start("compare", job, {**blocks, "spacing": list(spacing)})

    def check(self) -> Job:
        """Run the self-diagnosis."""
        return self._start("check", self._new_job(), {})

    def poll(self) -> list[Event]:
        """What happened since the last call; never waits. The arrays of a job that came to nothing are let go at the
        next call, so that the events before its end can still be followed."""
        retired, self._retired = self._retired, []
        for job in retired:
            job.release()
        found: list[Event] = []
        while self._process is not None:
            message = self._process.next_message()
            if message is None:
                break
            found += self._understand(message)
        if self._cancel_until is not None and time.monotonic() > self._cancel_until and self._process is not None:
            self._process.kill()
        return found

    def cancel(self) -> None:
        """Ask the job to stop; if it does not within half a second, its process is ended."""
        if self._job is not None and self._process is not None and self._cancel_until is None:
            self._cancel_until = time.monotonic() + _PATIENCE
            self._process.send({"do": "cancel", "job": self._job.number})

    def close(self) -> None:
        """End the process and let everything go."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
        self._forget_job()
        self._forget_voxels()

    def _new_job(self) -> Job:
        if self._job is not None:
            raise InputError("Something is running already; wait or cancel it.")
        if self._process is not None and self._process.has_ended:
            self.close()  # between two jobs, so nobody has missed it
        if self._process is None:
            self._process = ChildProcess(self._python)
        self._jobs += 1
        return Job(self._jobs)

    def _start(self, what: str, job: Job, message: dict[str, Any]) -> Job:
        self._job, self._cancel_until = job, None
        if self._process is not None:
            self._process.send({"do": what, "job": job.number, **message})
        return job

    def _share_voxels(self, volume: Volume) -> dict[str, Any]:
        if volume is not self._volume:
            self._forget_voxels()
            memory, array = protocol.create_block(volume.voxels.shape, volume.voxels.dtype)
            array[...] = volume.voxels
            self._block = protocol.describe_block(memory, array)
            self._volume = volume
            self._loose.append(memory)
        return self._block

    def _understand(self, message: dict[str, Any]) -> list[Event]:
        what = message["say"]
        if what == "ended":
            return self._mourn(message)
        if what == "hello" and message["protocol"] != protocol.VERSION:
            return self._give_up("The worker is of another version of AttnSeg; restart Slicer.")
        if what == "ready":
            return [Ready(tuple((name, words, free) for name, words, free in message["devices"]))]
        job = self._job
        if job is None or message.get("job") != job.number:
            return []  # of a job that was given up
        if what == "attached":
            job.unname()
            self._drop_loose()
        event = events.from_message(message, job)
        if isinstance(event, events.JobFailed):
            self._forget_voxels()  # it may not have got as far as attaching them
        if event is not None and not isinstance(event, events.SlicesDone):
            self._job, self._cancel_until = None, None
            if not isinstance(event, events.Result):
                self._retired.append(job)
        return [] if event is None else [event]

    def _mourn(self, message: dict[str, Any]) -> list[Event]:
        """The process has ended, wanted or not."""
        job, cancelled = self._job, self._cancel_until is not None
        self._job = None
        self.close()
        if job is None:
            return []
        self._retired.append(job)
        self._cancel_until = None
        if cancelled:
            return [events.JobCancelled(job)]
        return [events.JobFailed(job, why_it_ended(message["code"]), message["lines"])]

    def _give_up(self, sentence: str) -> list[Event]:
        job, self._job = self._job, None
        self.close()
        if job is None:
            return []
        self._retired.append(job)
        return [events.JobFailed(job, sentence)]

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
