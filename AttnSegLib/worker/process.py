"""The worker: a predictor in a process of its own, warm between runs. `client.Worker` starts it and talks to it."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.inference.prediction import Canvas
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.worker import protocol
from AttnSegLib.worker.messages import (
    VERSION,
    Alive,
    Attached,
    Block,
    CancelOrder,
    Checked,
    Compared,
    CompareOrder,
    Hello,
    JobCancelled,
    JobFailed,
    Message,
    Notice,
    Order,
    Ready,
    Result,
    SegmentOrder,
    SlicesDone,
)

if TYPE_CHECKING:  # torch may be missing, which the first job will tell
    from AttnSegLib.inference.predictor import SlicePredictor
    from AttnSegLib.inference.preprocess import SliceStack

_Key = TypeVar("_Key")
_BEAT = 2.0  # s between two signs of life


def main() -> None:
    """Serve the client at the other end of standard input and output until it is gone."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get among the messages
    output.write(b"\n")  # what was printed before may lack the end of its line
    _Service(output).run()


class _Service:
    def __init__(self, output: Any):
        self._output = output
        self._sending = threading.Lock()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._volume: tuple[Block, Any, Volume] | None = None  # the last: its voxels' block and shared memory
        self._stack: SliceStack | None = None  # of the last volume, with its percentiles
        self._predictor: tuple[tuple[Any, ...], Any] | None = None  # of the last model and settings

    def run(self) -> None:
        self.say(Hello(VERSION))
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()
        self.say(_ready())
        while True:
            self._serve(self._orders.get())

    def _listen(self) -> None:
        """Take orders in at once, so that a cancel and the client's end are noticed in the middle of a run."""
        while True:
            try:
                order = protocol.receive(sys.stdin.buffer)
            except ValueError as error:
                print(f"The worker does not understand its client: {error}.", file=sys.stderr, flush=True)
                os._exit(1)
            if order is None:
                os._exit(0)
            if isinstance(order, CancelOrder):
                self._cancelled.add(order.job)
            elif isinstance(order, Order):
                self._orders.put(order)

    def _beat(self) -> None:
        """Tell the client that the process is not stopped, and that no library holds Python up."""
        while True:
            self.say(Alive())
            time.sleep(_BEAT)

    def say(self, message: Message) -> None:
        with self._sending:
            try:
                protocol.send(self._output, message)
            except OSError:  # the client is gone
                os._exit(0)

    def _serve(self, order: Order) -> None:
        try:
            if isinstance(order, SegmentOrder):
                self._segment(order)
            elif isinstance(order, CompareOrder):
                self._compare(order)
            else:
                self._check(order)
        except Cancelled:
            self.say(JobCancelled(order.job))
        except InputError as error:
            self.say(JobFailed(order.job, str(error)))
        except ImportError as error:
            sentence = f"{_first_line(error)}; 'Check setup' tells how to install what is missing."
            self.say(JobFailed(order.job, sentence, traceback.format_exc()))
        except Exception as error:  # nobody above could tell the user
            sentence = (
                f"The computation failed ({type(error).__name__}: {_first_line(error)}); the log has the details."
            )
            self.say(JobFailed(order.job, sentence, traceback.format_exc()))

    def _segment(self, order: SegmentOrder) -> None:
        from AttnSegLib.results.measures import measure_segments
        from AttnSegLib.results.slices_to_check import slices_to_check

        request, memories = order.request, _Memories()
        volume = self._attach_volume(order)
        canvas = Canvas(
            memories.array(order.label_map), memories.arrays(order.attention), memories.arrays(order.probabilities)
        )
        options = replace(request.options, painted=memories.arrays(order.painted))
        self.say(Attached(order.job))
        predictor = self._load(order)
        stack = self._stack_of(volume, request.spec.preprocessing)
        watch = _Watch(self, order.job, stack.axes[0])
        prediction = predictor.predict_stack(stack, options, watch, canvas)
        self.say(
            Result(
                order.job,
                seconds=prediction.seconds,
                seconds_to_first_slice=watch.seconds_to_first_slice,
                slices=watch.done,
                axis=stack.axes[0],
                device=prediction.device,
                notices=prediction.notices,
                expected_error=prediction.expected_error,
                measures=measure_segments(stack, canvas.label_map, request.spec.labels),
                to_check=tuple(slices_to_check(canvas.label_map, stack.orientation, prediction.expected_error)),
                numbers=prediction.numbers,
            )
        )
        del canvas, prediction, options
        memories.let_go()

    def _compare(self, order: CompareOrder) -> None:
        from AttnSegLib.results.metrics import compare_masks

        memories = _Memories()
        reference, prediction = memories.array(order.reference), memories.array(order.prediction)
        self.say(Attached(order.job))
        scores = compare_masks(reference > 0, prediction > 0, order.spacing).as_dict()
        self.say(Compared(order.job, scores))
        del reference, prediction
        memories.let_go()

    def _check(self, order: Order) -> None:
        from AttnSegLib.inference.checks.self_check import check_setup

        self.say(Checked(order.job, tuple(check_setup())))

    def _attach_volume(self, order: SegmentOrder) -> Volume:
        if self._volume is None or self._volume[0] != order.voxels:
            before, self._volume, self._stack = self._volume, None, None
            if before is not None:
                memory = before[1]
                del before
                _close(memory)
            memory, voxels = protocol.attach(order.voxels)
            volume = Volume(voxels, np.array(order.affine), order.modality, padding=order.padding)
            self._volume = (order.voxels, memory, volume)
        return self._volume[2]

    def _stack_of(self, volume: Volume, preprocessing: Preprocessing) -> SliceStack:
        from AttnSegLib.inference.preprocess import SliceStack

        if self._stack is None or self._stack.preprocessing != preprocessing:
            self._stack = SliceStack.of(volume, preprocessing)
        return self._stack

    def _load(self, order: SegmentOrder) -> SlicePredictor:
        from AttnSegLib.inference.device import Compute
        from AttnSegLib.inference.predictor import SlicePredictor

        request, key = order.request, (order.folder, order.request.spec, order.request.compute, order.request.level)
        if self._predictor is None or self._predictor[0] != key:
            self._predictor = None  # room for the next one
            spec = replace(request.spec, folder=Path(order.folder))
            predictor = SlicePredictor.from_model(spec, Compute(**vars(request.compute)), level=request.level)
            self._predictor = (key, predictor)
        return self._predictor[1]

    def cancelled(self, job: int) -> bool:
        return job in self._cancelled


class _Watch:
    """Tells the client how the prediction goes on."""

    def __init__(self, service: _Service, job: int, axis: int):
        self._service, self._job, self._axis = service, job, axis
        self._begin = time.perf_counter()
        self.seconds_to_first_slice = 0.0
        self.done = 0

    def finished(self, stored_indices: list[int], done: int, total: int) -> None:
        spent = time.perf_counter() - self._begin
        if not self.done:
            self.seconds_to_first_slice = spent
        self.done = done
        left = spent / done * (total - done)
        self._service.say(SlicesDone(self._job, self._axis, tuple(stored_indices), done, total, left))

    def noticed(self, sentence: str) -> None:
        self._service.say(Notice(self._job, sentence))

    def cancelled(self) -> bool:
        return self._service.cancelled(self._job)


class _Memories:
    """Shared memory of a job."""

    def __init__(self) -> None:
        self._attached: list[Any] = []

    def array(self, block: Block) -> np.ndarray:
        memory, array = protocol.attach(block)
        self._attached.append(memory)
        return array

    def arrays(self, blocks: Mapping[_Key, Block]) -> dict[_Key, np.ndarray]:
        return {key: self.array(block) for key, block in blocks.items()}

    def let_go(self) -> None:
        """Once nobody needs the arrays any more."""
        for memory in self._attached:
            _close(memory)


def _close(memory: Any) -> None:
    with contextlib.suppress(BufferError):  # an array is still about; the memory goes with it
        memory.close()


def _ready() -> Ready:
    """CUDA's and Apple's GPUs, with free memory in MiB; none if torch is missing, which the first job will tell."""
    try:
        import torch

        from AttnSegLib.inference import predictor  # noqa: F401  # so that the first job need not wait for it
        from AttnSegLib.inference.device import most_lanes
    except ImportError:
        return Ready(())
    found: list[tuple[str, str, int | None]] = []
    for number in range(torch.cuda.device_count()):
        free, _ = torch.cuda.mem_get_info(number)
        found.append((f"cuda:{number}", torch.cuda.get_device_name(number), free // 2**20))
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple GPU", None))
    return Ready(tuple(found), most_lanes(torch.device("cpu")))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main()
