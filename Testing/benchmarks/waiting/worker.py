"""What the worker costs: against prediction in the same process, and how soon it starts, stops and notices a crash."""

from __future__ import annotations

import os
import signal
import statistics
import time

import numpy as np

from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import ComputeOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from AttnSegLib.worker import messages
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.messages import Request

MODEL = "anunet-left_atrium-mr"
RUNS = 5


def main() -> None:
    """Print a table; 256 x 256 x 110 voxels, the shipped ANU-Net on the CPU."""
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(0, 1500, (110, 256, 256)).astype(np.int16), np.diag([1.25, 1.25, 2.5, 1.0]))
    spec = find_model(MODEL)
    predictor = SlicePredictor.from_model(spec, Compute("cpu"))
    worker = Worker()
    request = Request(spec, compute=ComputeOptions("cpu"))
    inside, outside, first = [], [], []
    try:
        predictor.predict(volume)
        run(worker, volume, request)
        for _ in range(RUNS):  # in turns
            begin = time.perf_counter()
            predictor.predict(volume)
            inside.append(time.perf_counter() - begin)
            seconds, to_first = run(worker, volume, request)
            outside.append(seconds)
            first.append(to_first)
        print(f"Worker, 256 x 256 x 110 voxels, {MODEL}, CPU, {RUNS} runs in turns         median     target")
        overhead = statistics.median(b / a - 1 for a, b in zip(inside, outside, strict=True)) * 100
        row("time above prediction in the same process, %", overhead, 3)
        row("from request to the start of the first slices, ms", statistics.median(first) * 1000, 100)
        row("from cancel to idle, ms", cancel(worker, volume, request) * 1000, 1000)
        row("from SIGKILL to the message, ms", kill(worker, volume, request) * 1000, 1000)
    finally:
        worker.close()
    print()


def run(worker: Worker, volume: Volume, request: Request) -> tuple[float, float]:
    """Seconds of a run, and until its first slices were begun."""
    begin = time.perf_counter()
    job = worker.segment(volume, request)
    first, found = 0.0, []
    while worker.is_busy:
        found = worker.poll()
        if found and not first:
            first = time.perf_counter() - begin
        time.sleep(0.001)
    seconds = time.perf_counter() - begin
    job.release()
    result = next(event for event in found if isinstance(event, messages.Result))
    return seconds, first - result.seconds_to_first_slice


def cancel(worker: Worker, volume: Volume, request: Request) -> float:
    """Seconds from a cancel in the middle until the worker is idle."""
    _begin(worker, volume, request)
    begin = time.perf_counter()
    worker.cancel()
    _end(worker)
    return time.perf_counter() - begin


def kill(worker: Worker, volume: Volume, request: Request) -> float:
    """Seconds from a kill in the middle until it is told of."""
    _begin(worker, volume, request)
    begin = time.perf_counter()
    os.kill(worker._process._process.pid, signal.SIGKILL)  # type: ignore[union-attr]  # it runs
    _end(worker)
    return time.perf_counter() - begin


def row(what: str, value: float, target: float) -> None:
    """A line of the table."""
    print(f"  {what:62}{value:10.1f}{target:11.0f}")


def _begin(worker: Worker, volume: Volume, request: Request) -> None:
    worker.segment(volume, request)
    while not any(isinstance(event, messages.SlicesDone) for event in worker.poll()):
        time.sleep(0.001)


def _end(worker: Worker) -> None:
    while worker.is_busy:
        worker.poll()
        time.sleep(0.001)


if __name__ == "__main__":
    main()
