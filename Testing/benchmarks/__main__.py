"""AttnSeg beside what its users would take instead, and beside what the machine could do: make bench

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from Testing.benchmarks import (
    attention_cost,
    compare,
    inputs,
    machine,
    memory,
    plot,
    pruning,
    roofline,
    scaling,
    start_up,
)
from Testing.benchmarks.compare import Table


def main() -> None:
    """Print the tables; write them and their plot into a folder."""
    options = _options()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True  # nnU-Net switches it on for the whole process; so all have it from the start
    print(machine.describe(device, options.threads) + "\n", flush=True)
    started = time.perf_counter()
    for part in options.only:
        _PARTS[part](options, device)
    print(f"{time.perf_counter() - started:.0f} s in all")


def _compare(options: argparse.Namespace, device: torch.device) -> None:
    tables: list[Table] = []
    for name in options.networks:
        extent = compare.extent(name, quick=options.quick, full=options.full)
        for table in compare.tables(name, extent, device, options.threads):
            print("\n".join(table.lines()) + "\n", flush=True)
            tables.append(table)
    options.out.mkdir(parents=True, exist_ok=True)
    results = {"machine": machine.describe(device, options.threads), "tables": [asdict(table) for table in tables]}
    (options.out / "results.json").write_text(json.dumps(results, indent=1))
    plot.speeds(tables, machine.describe(device, options.threads), options.out / "speeds.png")
    print(f"The same as a plot: {options.out / 'speeds.png'}\n")


_PARTS: dict[str, Callable[[argparse.Namespace, torch.device], None]] = {
    "compare": _compare,
    "roofline": lambda options, device: roofline.main(device, options.threads, options.networks),
    "pruning": lambda options, device: pruning.main(device, full=options.full),
    "attention": lambda options, device: attention_cost.main(device, full=options.full),
    "scaling": lambda options, device: scaling.main(device, options.threads, full=options.full),
    "memory": lambda options, device: memory.main(device, options.threads),
    "start_up": lambda _options, _device: start_up.main(),
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks", description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of the CPU, for all who take part")
    parser.add_argument(
        "--only", nargs="+", default=list(_PARTS), choices=_PARTS, metavar="PART", help=", ".join(_PARTS)
    )
    parser.add_argument("--networks", nargs="+", default=inputs.NETWORKS, choices=inputs.NETWORKS, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="few slices, the network alone: a look within minutes")
    parser.add_argument("--full", action="store_true", help="whole scans and full widths, as a card always does")
    parser.add_argument("--out", type=Path, default=Path("bench-output"), help="folder for results.json and speeds.png")
    options = parser.parse_args()
    options.full = options.full or options.device.startswith("cuda")
    return options


if __name__ == "__main__":
    main()
