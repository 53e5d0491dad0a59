"""How long it takes to see a slice without an attention map, in the worker and in a panel's session, and what the
switch costs when nobody uses it: python -m Testing.benchmarks.waiting.switched_off

Processor time beside the clock: on a busy machine only the first tells something.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import ComputeOptions, PredictionOptions
from AttnSegLib.inference.runner import Runner
from AttnSegLib.inference.trained_network import trained_network
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder
from AttnSegLib.networks.override import AttentionOverride
from AttnSegLib.networks.replacement import Replacement
from AttnSegLib.worker.client import Worker
from AttnSegLib.worker.messages import Request
from Testing.benchmarks.waiting.worker import run

if TYPE_CHECKING:
    from AttnSegLib.mrml.session import Session

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "Testing"))
MODEL = "anunet-left_atrium-mr"
ROUNDS = 15
POLL = 0.03  # s, as the panel does


def main() -> None:
    """Print all three."""
    _in_the_worker()
    _in_a_session()
    _unused()


def _in_the_worker() -> None:
    """One slice of the sample case, without a gate; the first runs, which load the model, are not counted."""
    spec = find_model(MODEL)
    volume = read_volume(resource_folder("Samples") / "left_atrium_mr" / "image.nrrd")
    shape = volume.voxels.shape
    slice_alone = Region((shape[0] // 2, 0, 0), (shape[0] // 2 + 1, *shape[1:]))
    options = PredictionOptions(("gate 1,2",), region=slice_alone, replaced=(Replacement("gate 1,2"),))
    request = Request(spec, options, ComputeOptions("cpu"))
    worker = Worker()
    try:
        run(worker, volume, request)
        run(worker, volume, request)
        process = worker._process._process.pid  # type: ignore[union-attr]  # it runs
        clock, used = [], []
        for _ in range(ROUNDS):
            before = time.process_time() + _processor_seconds(process)
            clock.append(run(worker, volume, request)[0])
            used.append(time.process_time() + _processor_seconds(process) - before)
    finally:
        worker.close()
    print(f"{MODEL}, one slice of {shape[1]} x {shape[2]} without 'gate 1,2', warm worker, {ROUNDS} runs")
    print(f"  processor, both processes: median {1000 * statistics.median(used):.0f} ms")
    print(f"  clock: least {1000 * min(clock):.0f} ms, median {1000 * statistics.median(clock):.0f} ms")


def _in_a_session() -> None:
    """From the button to the outline, without views: what is known of the slice, and what has to be computed twice."""
    from slicer_stand_in import headless

    headless.start()
    import slicer

    from AttnSegLib.mrml.news import Target
    from AttnSegLib.mrml.session import Session

    volume = slicer.util.loadVolume(str(resource_folder("Samples") / "left_atrium_mr" / "image.nrrd"))
    session, target = Session(), Target(volume, Request(find_model(MODEL), compute=ComputeOptions("cpu")))
    try:
        _until_idle(session, lambda: session.show_maps(target, ["gate 1,2"], whole=False))
        times: dict[str, list[tuple[float, float]]] = {"known with the map": [], "not known": []}
        for _ in range(ROUNDS):
            for known, rows in times.items():
                if known == "not known":
                    session._known = None
                rows.append(_until_idle(session, lambda: session.switch_off(target, "gate 1,2")))
    finally:
        session.close()
    print(f"The same in a panel's session, in turns, {ROUNDS} times each")
    for known, rows in times.items():
        clock, used = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"  slice {known}: processor, both processes: {1000 * used:.0f} ms, clock: {1000 * clock:.0f} ms")


def _until_idle(session: Session, start: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of both processes' processors."""
    before = _used(session)
    begin = time.perf_counter()
    start()
    while session.is_busy:
        time.sleep(POLL)
        session.poll()
    return time.perf_counter() - begin, _used(session) - before


def _used(session: Session) -> float:
    process = session._worker._process
    return time.process_time() + (0.0 if process is None else _processor_seconds(process._process.pid))


@torch.inference_mode()
def _unused() -> None:
    """The network alone, in turns with and without an override that replaces nothing."""
    runner = Runner(trained_network(find_model(MODEL)), Compute("cpu", precision="float32"))
    slices = torch.rand(1, 1, 160, 160)
    plain, idle = [], []
    for _ in range(ROUNDS + 3):
        begin = time.process_time()
        runner.run(slices)
        middle = time.process_time()
        with AttentionOverride(runner.network, ()):
            runner.run(slices)
        plain.append(middle - begin)
        idle.append(time.process_time() - middle)
    ratio = statistics.median(idle[3:]) / statistics.median(plain[3:])
    begin = time.process_time()
    for _ in range(10_000):
        with AttentionOverride(runner.network, ()):
            pass
    entering = (time.process_time() - begin) / 10_000
    share = entering / statistics.median(plain[3:])
    print(f"Unused override, processor time of {ROUNDS} runs in turns: {ratio:.3f} times that without")
    print(f"  entering and leaving it alone: {1e6 * entering:.1f} µs, {100 * share:.4f} % of a slice")


def _processor_seconds(process: int) -> float:
    """Of another process, all threads together; only where the system tells it, as Linux does."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="utf-8").split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    main()
