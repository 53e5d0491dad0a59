"""Starting, and the demo: what docs/performance.md promises. make bench"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from Testing.benchmarks.measuring.machine import Run

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "Resources/Samples/abdomen_mr"
MODEL = "afnet-abdomen-mr"  # of the demo


def main(_run: Run) -> None:
    """Both, in a process of their own: Linux counts as a child's memory what its parent had when it started it."""
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "Testing.benchmarks.waiting.start_up"], check=True, cwd=ROOT)


def start_up() -> None:
    """Wall time of a new process, in seconds."""
    print("Start-up, seconds of a whole process (7 runs)     median     min     max")
    for name, code in {
        "python alone": "pass",
        "import AttnSegLib": "import AttnSegLib",
        "attnseg models": "from AttnSegLib.__main__ import main; main(['models'])",
    }.items():
        seconds = [_process([sys.executable, "-c", code])[0] for _ in range(7)]
        print(f"  {name:45} {statistics.median(seconds):8.3f}{min(seconds):8.3f}{max(seconds):8.3f}")
    print()


def demo() -> None:
    """The demo's segmentation on two threads: wall time and peak memory of the process."""
    print("Demo: file to results, 2 threads (3 runs)         median     min     max    peak MB")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "AttnSegLib", "segment", str(SAMPLE / "image.nrrd"), "--model", MODEL]
        runs = [_process([*command, "--out", f"{folder}/{n}"], threads=2) for n in range(3)]
    seconds = [run[0] for run in runs]
    print(f"  {'attnseg segment':45} {statistics.median(seconds):8.2f}{min(seconds):8.2f}{max(seconds):8.2f}", end="")
    print(f"{max(run[1] for run in runs):11.0f}\n")


def _process(command: list[str], threads: int | None = None) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds, usage.ru_maxrss / 1024


if __name__ == "__main__":
    start_up()
    demo()
