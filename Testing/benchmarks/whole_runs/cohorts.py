"""A cohort against a loop over its scans: python -m Testing.benchmarks.whole_runs.cohorts

Promised: 1.15 times as many scans as a loop that keeps the model warm, 3 times as many as a shell loop over `attnseg
segment`, and memory that stays within 5 % from the 20th case on.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from AttnSegLib.cohort.cohort_folder import CohortSettings
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.run import CohortRequest, run_cohort
from AttnSegLib.cohort.steps import Finished, WarmModel, predicted, read_scan
from AttnSegLib.inference.device import Compute
from AttnSegLib.models.catalog import find_model
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.children import result_of

_SLICES, _SIZE = 60, 256
_STEADY = 20  # cases, after which memory is looked at
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
        for way, count in (("cohort", options.cases), ("loop", options.loop), ("shell", options.shell)):
            if count:
                given = (way, count, options.model, scans, Path(name) / way)
                told = result_of("whole_runs.cohorts", options.threads, "--child", *given)
                took = f"{told['wall'] / count:7.2f} by the clock, {told['cpu'] / count:7.2f} of the processor"
                print(f"  {way:8}{count:5} scans{took}{told['memory']}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="of the cohort")
    parser.add_argument("--loop", type=int, default=50, help="scans of the warm loop")
    parser.add_argument("--shell", type=int, default=10, help="scans of the shell loop")
    parser.add_argument("--model", default="afnet-left_atrium-mr")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def child(way: str, count: int, model: str, scans: Path, out: Path) -> dict[str, Any]:
    """One way in a process of its own. Loading torch and the model counts."""
    images = [scans / f"{number}.nii.gz" for number in range(count)]
    megabytes: list[float] = []

    def note(_line: str = "") -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        megabytes.append(pages * resource.getpagesize() / 1e6)

    begin = time.perf_counter()
    if way == "cohort":
        run_cohort(CohortRequest(tuple(images), (model,), out, compute=_CPU), note)
    elif way == "loop":
        warm = WarmModel.of(find_model(model), CohortSettings(), _CPU)
        for image in images:
            scan = read_scan(CohortCase(image.stem, image))
            case = CohortCase(image.stem, image)
            Finished(case, warm.spec, predicted(scan, warm), scan.seconds, out / image.stem).write(CohortSettings())
    else:
        for image in images:
            command = [sys.executable, "-m", "AttnSegLib", "segment", image, "--model", model, "--device", "cpu"]
            subprocess.run(list(map(str, [*command, "--out", out / image.stem])), check=True, capture_output=True)
    who = resource.RUSAGE_CHILDREN if way == "shell" else resource.RUSAGE_SELF
    used = resource.getrusage(who)
    steady = megabytes[_STEADY:]
    memory = f", memory from case {_STEADY} on {min(steady):.0f} to {max(steady):.0f} MB" if steady else ""
    return {"wall": time.perf_counter() - begin, "cpu": used.ru_utime + used.ru_stime, "memory": memory}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        way, count, model, scans, out = sys.argv[2:]
        print(json.dumps(child(way, int(count), model, Path(scans), Path(out))))
    else:
        main()
