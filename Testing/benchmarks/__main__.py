"""AttnSeg beside what its users would take instead, and beside what the machine could do: make bench

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

import torch

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from Testing.benchmarks.measuring import inputs, machine
from Testing.benchmarks.measuring.machine import Run

PARTS = {
    "shipped": "others",
    "engines": "whole_runs",
    "eight_bits": "whole_runs",
    "compare": "others",
    "around": "whole_runs",
    "roofline": "network_alone",
    "pruning": "network_alone",
    "number_formats": "network_alone",
    "attention_cost": "network_alone",
    "scaling": "whole_runs",
    "memory": "whole_runs",
    "start_up": "waiting",
}


def main() -> None:
    """Print the tables of all parts."""
    options = _options()
    device = Compute(options.device).resolve_device()
    torch.set_num_threads(options.threads)
    full = options.full or device.type == "cuda"
    run = Run(device, options.threads, tuple(options.networks), options.quick, full, options.out)
    print(machine.describe(run) + "\n", flush=True)
    begin = time.perf_counter()
    for part in options.only or (["compare"] if options.quick else PARTS):
        part_begin = time.perf_counter()
        import_module(f"Testing.benchmarks.{PARTS[part]}.{part}").main(run)
        print(f"({part}: {time.perf_counter() - part_begin:.0f} s)\n", flush=True)
    print(f"{time.perf_counter() - begin:.0f} s in all")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks", description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of the CPU, for all who take part")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--networks", nargs="+", default=inputs.NETWORKS, choices=inputs.NETWORKS, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="two slices, only the networks alone: within minutes")
    parser.add_argument("--full", action="store_true", help="whole scans at the papers' widths, as a GPU always does")
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder for results.json and speeds.png")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
