"""Does the time of a slice, and memory, stay what they are in larger scans? And what does starting cost? make bench

Each scan in a process of its own. On a CPU with an ANU-Net of width 4 and small slices, so that it takes a minute; on a
card at the paper's width, twice (the first run tunes its convolutions), and with 2,000 slices, too.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from Testing.benchmarks.measuring.children import result_of

if TYPE_CHECKING:
    from Testing.benchmarks.measuring.machine import Run

COUNTS = (50, 100, 200, 400, 800)


def main(run: Run) -> None:
    """Print a table: starting apart, then time a slice and memory beside scan and label map."""
    width, size, counts = (32, 256, (*COUNTS, 2000)) if run.full else (4, 128, COUNTS)
    print(f"Scaling, ANU-Net width {width}, slices of {size}x{size}, {run.device}, each scan in its own process")
    starting = f"{'import, s':>11}{'predictor, s':>14}{'first slice, ms':>17}{'first run, s':>14}"
    print(f"  slices{starting}{'ms a slice':>12}{'CPU ms':>9}{'memory MB':>11}{'GPU MB':>9}")
    for slices in counts:
        found = result_of("whole_runs.scaling", run.threads, run.device, slices, width, size, 2 if run.full else 1)
        start = f"{found['importing']:11.2f}{found['predictor']:14.2f}{1000 * found['first_slice']:17.1f}"
        times = f"{1000 * found['last_run'] / slices:12.2f}{1000 * found['cpu'] / slices:9.2f}"
        memory = f"{found['memory'] / 1e6:11.0f}{found['gpu'] / 1e6:9.0f}"
        print(f"  {slices:6}{start}{found['first_run']:14.2f}{times}{memory}", flush=True)


def child(device_name: str, slices: int, width: int, size: int, runs: int) -> dict[str, float]:
    """Seconds of each step, and bytes: of the process beside scan and label map, and of the GPU."""
    begin = time.perf_counter()
    import torch

    from AttnSegLib import networks
    from AttnSegLib.images.orientation import Region
    from AttnSegLib.inference.device import Compute
    from AttnSegLib.inference.prediction import PredictionOptions
    from AttnSegLib.inference.predictor import SlicePredictor
    from AttnSegLib.models.preprocessing import Preprocessing

    importing = time.perf_counter() - begin
    from Testing.benchmarks.measuring import inputs, machine
    from Testing.benchmarks.measuring.turns import seconds

    device, volume = torch.device(device_name), inputs.long_scan(slices, size)
    preprocessing = Preprocessing("axial", window=(-160.0, 240.0))
    begin = time.perf_counter()
    predictor = SlicePredictor(networks.create("anunet", width=width), preprocessing, Compute(device_name))
    made = time.perf_counter() - begin
    one = PredictionOptions(region=Region((0, 0, 0), (1, size, size)))
    first_slice = seconds(lambda: predictor.predict(volume, one), device)
    cpu = time.process_time()
    times = [seconds(lambda: predictor.predict(volume), device) for _ in range(runs)]
    return {
        "importing": importing,
        "predictor": made,
        "first_slice": first_slice,
        "first_run": times[0],
        "last_run": times[-1],
        "cpu": (time.process_time() - cpu) / runs,
        "memory": machine.peak_bytes() - volume.voxels.nbytes * 3 / 2,
        "gpu": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
    }


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], *map(int, sys.argv[2:]))))
