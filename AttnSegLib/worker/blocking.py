"""Prediction by the worker for a program that has nothing else to do meanwhile, such as the command line."""

from __future__ import annotations

import time

import numpy as np

from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import Prediction, Watch
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.job import Job
from AttnSegLib.worker.messages import JobCancelled, JobFailed, Message, Notice, Request, Result, SlicesDone

_PAUSE = 0.01  # s between looks


def predict(volume: Volume, request: Request, watch: Watch | None = None) -> Prediction:
    """As `SlicePredictor.predict`, in a process of its own, which ends with this call.

    Raises `InputError` with the worker's sentence if it failed, and `Cancelled`.
    """
    worker = Worker()
    try:
        job = worker.segment(volume, request)
        while True:
            for message in worker.poll():
                _follow(message, watch)
                if isinstance(message, Result):
                    return _prediction(SliceStack.of(volume, request.spec.preprocessing), job, message)
            if watch is not None and watch.cancelled():
                worker.cancel()
            time.sleep(_PAUSE)
    finally:
        worker.close()


def _follow(message: Message, watch: Watch | None) -> None:
    if isinstance(message, JobCancelled):
        raise Cancelled
    if isinstance(message, JobFailed):
        raise InputError(message.sentence)
    if isinstance(message, SlicesDone) and watch is not None:
        watch.finished(list(message.indices), message.done, message.total)
    if isinstance(message, Notice) and watch is not None:
        watch.noticed(message.sentence)


def _prediction(stack: SliceStack, job: Job, result: Result) -> Prediction:
    prediction = Prediction(
        stack,
        np.array(job.label_map),
        {title: np.array(coefficients) for title, coefficients in job.attention.items()},
        result.seconds,
        result.device,
        result.expected_error,
        result.notices,
        {label: np.array(probability) for label, probability in job.probabilities.items()},
        result.numbers,
    )
    job.release()
    return prediction
