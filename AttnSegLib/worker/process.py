"""The worker: a predictor in a process of its own, warm between runs. `client.Worker` starts it and talks to it."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import Canvas, PredictionOptions
from AttnSegLib.models.catalog import load_card
from AttnSegLib.worker import protocol


def main() -> None:
    """Serve the client at the other end of standard input and output until it is gone."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get among the messages
    _Service(output).run()


class _Service:
    def __init__(self, output: Any):
        self._output = output
        self._sending = threading.Lock()
        self._requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._volume: tuple[str, Any, Volume] | None = None  # name, shared memory, volume
        self._predictor: tuple[tuple, Any] | None = None  # of the last model and settings

    def run(self) -> None:
        self._say("hello", protocol=protocol.VERSION)
        threading.Thread(target=self._listen, daemon=True).start()
        self._say("ready", devices=_devices())
        while True:
            request = self._requests.get()
            self._serve(request)

    def _listen(self) -> None:
        """Take requests in at once, so that a cancel and the client's end are noticed in the middle of a run."""
        while True:
            request = protocol.receive(sys.stdin.buffer)
            if request is None:
                os._exit(0)
            if request["do"] == "cancel":
                self._cancelled.add(request["job"])
            else:
                self._requests.put(request)

    def _say(self, what: str, **fields: Any) -> None:
        with self._sending:
            try:
                protocol.send(self._output, {"say": what, **fields})
            except OSError:  # the client is gone
                os._exit(0)

    def _serve(self, request: dict[str, Any]) -> None:
        job = request["job"]
        try:
            {"segment": self._segment, "compare": self._compare, "check": self._check}[request["do"]](job, request)
        except Cancelled:
            self._say("cancelled", job=job)
        except InputError as error:
            self._say("failed", job=job, sentence=str(error), detail="")
        except ImportError as error:
            sentence = f"{_first_line(error)}; 'Check setup' tells how to install what is missing."
            self._say("failed", job=job, sentence=sentence, detail=traceback.format_exc())
        except Exception as error:  # nobody above could tell the user
            sentence = (
                f"The computation failed ({type(error).__name__}: {_first_line(error)}); the log has the details."
            )
            self._say("failed", job=job, sentence=sentence, detail=traceback.format_exc())

    def _segment(self, job: int, request: dict[str, Any]) -> None:
        from AttnSegLib.results.report import measure_segments
        from AttnSegLib.results.slices_to_check import slices_to_check

        volume = self._attach_volume(request)
        held = [protocol.attach(block) for block in (request["label_map"], *request["attention"].values())]
        canvas = Canvas(held[0][1], dict(zip(request["attention"], (array for _, array in held[1:]), strict=True)))
        self._say("attached", job=job)
        predictor, spec = self._load(request)
        stack = predictor.preprocessing.stack(volume)
        watch = _Watch(self, job, stack.axes[0])
        prediction = predictor.predict(volume, _options(request["options"]), watch, canvas)
        to_check = slices_to_check(canvas.label_map, stack.orientation, prediction.expected_error)
        self._say(
            "result",
            job=job,
            seconds=prediction.seconds,
            seconds_to_first_slice=watch.seconds_to_first_slice,
            slices=watch.done,
            axis=stack.axes[0],
            device=prediction.device,
            notices=prediction.notices,
            measures=measure_segments(stack, canvas.label_map, spec.labels),
            to_check=[asdict(entry) for entry in to_check],
        )
        del canvas, prediction
        _let_go(held)

    def _compare(self, job: int, request: dict[str, Any]) -> None:
        from AttnSegLib.results.metrics import compare_masks

        held = [protocol.attach(request[key]) for key in ("reference", "prediction")]
        self._say("attached", job=job)
        i, j, k = request["spacing"]
        self._say("compared", job=job, scores=compare_masks(held[0][1] > 0, held[1][1] > 0, (i, j, k)).as_dict())
        _let_go(held)

    def _check(self, job: int, _request: dict[str, Any]) -> None:
        from AttnSegLib.inference.checks.self_check import check_setup

        self._say("checked", job=job, findings=[asdict(finding) for finding in check_setup()])

    def _attach_volume(self, request: dict[str, Any]) -> Volume:
        block = request["voxels"]
        if self._volume is None or self._volume[0] != block["name"]:
            if self._volume is not None:
                memory = self._volume[1]
                self._volume = None
                _let_go([(memory, np.empty(0))])
            memory, voxels = protocol.attach(block)
            volume = Volume(voxels, np.array(request["affine"]), request["modality"])
            self._volume = (block["name"], memory, volume)
        return self._volume[2]

    def _load(self, request: dict[str, Any]) -> tuple[Any, Any]:
        from AttnSegLib.inference.device import Compute
        from AttnSegLib.inference.predictor import SlicePredictor

        spec = load_card(Path(request["card"])).in_plane(request["plane"])
        key = (request["card"], spec, *request["compute"], request["level"])  # the whole card: all of it decides
        if self._predictor is None or self._predictor[0] != key:
            self._predictor = None  # room for the next one
            predictor = SlicePredictor.from_model(spec, Compute(*request["compute"]), level=request["level"])
            self._predictor = (key, predictor)
        return self._predictor[1], spec

    def cancelled(self, job: int) -> bool:
        return job in self._cancelled


class _Watch:
    """Tells the client of finished slices."""

    def __init__(self, service: _Service, job: int, axis: int):
        self._service, self._job, self._axis = service, job, axis
        self._begin = time.perf_counter()
        self.seconds_to_first_slice: float | None = None
        self.done = 0

    def finished(self, stored_indices: list[int], done: int, total: int) -> None:
        spent = time.perf_counter() - self._begin
        if self.seconds_to_first_slice is None:
            self.seconds_to_first_slice = spent
        self.done = done
        self._service._say(
            "slices",
            job=self._job,
            axis=self._axis,
            indices=stored_indices,
            done=done,
            total=total,
            seconds_left=spent / done * (total - done),
        )

    def cancelled(self) -> bool:
        return self._service.cancelled(self._job)


def _options(fields: dict[str, Any]) -> PredictionOptions:
    region = fields["region"] and Region(tuple(fields["region"]["start"]), tuple(fields["region"]["stop"]))
    query = fields["query"] and tuple(fields["query"])
    return PredictionOptions(tuple(fields["attention"]), region, fields["start"], fields["flips"], query)


def _devices() -> list[tuple[str, str, int | None]]:
    """CUDA cards and Apple's GPU, with free memory in MB; none if torch is missing, which the first job will tell."""
    try:
        import torch

        from AttnSegLib.inference import predictor  # noqa: F401  # so that the first job need not wait for it
    except ImportError:
        return []
    found: list[tuple[str, str, int | None]] = []
    for number in range(torch.cuda.device_count()):
        free, _ = torch.cuda.mem_get_info(number)
        found.append((f"cuda:{number}", torch.cuda.get_device_name(number), free // 2**20))
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple GPU", None))
    return found


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _let_go(held: list[tuple[Any, np.ndarray]]) -> None:
    memories = [memory for memory, _ in held]
    held.clear()
    for memory in memories:
        try:
            memory.close()
        except BufferError:  # an array is still about; the memory goes with it
            continue


if __name__ == "__main__":
    main()
