"""Prediction by the worker for a program that has nothing else to do meanwhile, such as the command line."""

from __future__ import annotations

import time

import numpy as np

from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import Prediction, Watch
from AttnSegLib.worker import events
from AttnSegLib.worker.client import Request, Worker
from AttnSegLib.worker.job import Job

_PAUSE = 0.01  # s between looks


def predict(volume: Volume, request: Request, watch: Watch | None = None) -> Prediction:
    """As `SlicePredictor.predict`, in a process of its own, which ends with this call.

    Raises `InputError` with the worker's sentence if it failed, and `Cancelled`.
    """
    worker = Worker()
    try:
        job = worker.segment(volume, request)
        while True:
            for event in worker.poll():
                prediction = _follow(event, job, watch)
                if prediction is not None:
                    job.release()
                    return prediction
            if watch is not None and watch.cancelled():
                worker.cancel()
            time.sleep(_PAUSE)
    finally:
        worker.close()


def _follow(event: events.Event, job: Job, watch: Watch | None) -> Prediction | None:
    if isinstance(event, events.SlicesDone) and watch is not None:
        watch.finished(event.indices, event.done, event.total)
    if isinstance(event, events.JobCancelled):
        raise Cancelled
    if isinstance(event, events.JobFailed):
        raise InputError(event.sentence)
    if isinstance(event, events.Result):
        attention = {title: np.array(coefficients) for title, coefficients in job.attention.items()}
        errors = {entry.index: entry.expected_error for entry in event.to_check}
        return Prediction(np.array(job.label_map), attention, event.seconds, event.device, errors, event.notices)
    return None
