"""A cohort against loops over its scans, in turns: python -m Testing.benchmarks.whole_runs.cohorts

Promised: 1.15 times as many scans as a loop that keeps the model warm, 3 times as many as a shell loop over `attnseg
segment`, and memory that stays within 5 % from the 20th case on. "openvino" is the loop that keeps the model, by the
engine that a cohort takes here by itself, so that one sees what else a cohort gains.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from AttnSegLib.cohort.cohort_folder import CohortSettings
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.run import CohortRequest, run_cohort
from AttnSegLib.cohort.steps import Finished, WarmModel, predicted, read_scan
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.children import result_of

_SLICES, _SIZE = 60, 256
_WARM, _STEADY = 2, 20  # scans, after which time and memory are looked at
_CPU = Compute("cpu")


def main() -> None:
    """Print seconds a scan of each way, and how memory goes."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        scans = Path(name) / "scans"
        scans.mkdir()
        inputs.mr(_SLICES, _SIZE).write(scans / "0.nii.gz")
        for number in range(1, max(options.cases, options.loop)):
            (scans / f"{number}.nii.gz").hardlink_to(scans / "0.nii.gz")
        print(f"{_SIZE}x{_SIZE}x{_SLICES}, {options.model}, {options.threads} threads: seconds a scan", flush=True)
        counts = {"cohort": options.cases, "loop": options.loop, "openvino": options.loop, "shell": options.shell}
        cohort: list[dict[str, float]] = []
        ratios: dict[str, list[dict[str, float]]] = {}
        for turn in range(options.turns):
            for way, count in counts.items():
                given = (way, count, options.model, scans, Path(name) / f"{way}{turn}")
                told = result_of("whole_runs.cohorts", options.threads, "--child", *given)
                each = {clock: told[clock] for clock in ("wall", "cpu")}
                took = f"{each['wall']:7.2f} by the clock, {each['cpu']:7.2f} of the processor"
                print(f"  {way:9}{count:5} scans{took}{told['memory']}, load {os.getloadavg()[0]:.1f}", flush=True)
                if way == "cohort":
                    cohort.append(each)
                else:
                    ratios.setdefault(way, []).append({clock: each[clock] / cohort[-1][clock] for clock in each})
        for way, found in ratios.items():
            wall, cpu = (statistics.median(one[clock] for one in found) for clock in ("wall", "cpu"))
            print(f"  {way} against cohort: {wall:.2f} by the clock, {cpu:.2f} of the processor")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1, help="how often each way is taken; medians of the ratios")
    parser.add_argument("--cases", type=int, default=200, help="of the cohort")
    parser.add_argument("--loop", type=int, default=50, help="scans of the warm loops")
    parser.add_argument("--shell", type=int, default=10, help="scans of the shell loop")
    parser.add_argument("--model", default="afnet-left_atrium-mr")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def child(way: str, count: int, model: str, scans: Path, out: Path) -> dict[str, Any]:
    """One way in a process of its own, by the scan. What stays warm is measured from the third scan on: of 200, loading
    and compiling are less than 1 %."""
    images = [scans / f"{number}.nii.gz" for number in range(count)]
    megabytes: list[float] = []
    clocks: list[np.ndarray] = []

    def note(_line: str = "") -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        megabytes.append(pages * resource.getpagesize() / 1e6)
        used = resource.getrusage(resource.RUSAGE_CHILDREN if way == "shell" else resource.RUSAGE_SELF)
        clocks.append(np.array([time.perf_counter(), used.ru_utime + used.ru_stime]))

    if way == "cohort":
        run_cohort(CohortRequest(tuple(images), (model,), out, compute=_CPU), note)  # it tells how many, then of each
    elif way in ("loop", "openvino"):
        warm = WarmModel.of(find_model(model), CohortSettings(), _CPU)
        compute = _CPU if way == "loop" else replace(_CPU, engine="openvino")
        warm = replace(warm, predictor=SlicePredictor.from_model(warm.spec, compute))  # as `attnseg segment` has it
        note()
        for image in images:
            scan = read_scan(CohortCase(image.stem, image))
            case = CohortCase(image.stem, image)
            Finished(case, warm.spec, predicted(scan, warm), scan.seconds, out / image.stem).write(CohortSettings())
            note()
    else:
        note()
        for image in images:
            command = [sys.executable, "-m", "AttnSegLib", "segment", image, "--model", model, "--device", "cpu"]
            subprocess.run(list(map(str, [*command, "--out", out / image.stem])), check=True, capture_output=True)
            note()
    first = 0 if way == "shell" else _WARM
    wall, cpu = (clocks[-1] - clocks[first]) / (count - first)
    steady = megabytes[_STEADY:]
    memory = f", memory from case {_STEADY} on {min(steady):.0f} to {max(steady):.0f} MB" if steady else ""
    return {"wall": wall, "cpu": cpu, "memory": memory}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        way, count, model, scans, out = sys.argv[2:]
        print(json.dumps(child(way, int(count), model, Path(scans), Path(out))))
    else:
        main()
