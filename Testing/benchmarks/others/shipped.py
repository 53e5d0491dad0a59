"""The shipped models on a real scan, AttnSeg beside the others, the network alone: make bench

Dozens of slices of the sample scan, as the model sees them, in both number formats where the processor has both.
"""

from __future__ import annotations

from AttnSegLib.inference.trained_network import trained_network
from AttnSegLib.models.catalog import find_model
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.others import compare, peers
from Testing.benchmarks.others.compare import Extent
from Testing.benchmarks.others.contest import Contest
from Testing.benchmarks.others.peers import Setting

_SLICES = 40
_ROUNDS = 3
_SLOW_TO_EXPORT = ("msdualguided", "omeganet")  # to ONNX: a minute each


def main(run: Run) -> None:
    """Print a table for each network; write them."""
    found = []
    for name in run.networks:
        spec = find_model(f"{name}-left_atrium-mr")
        case = inputs.as_seen(spec, _SLICES)
        extent = Extent(_SLICES, 0, 0, _ROUNDS, mirrored=False, onnx=run.full or name not in _SLOW_TO_EXPORT)
        contest = Contest(name, trained_network(spec), case, Setting.of(case, run.device, run.threads), _ROUNDS)
        table = contest.network_alone(compare.taking_part(peers.ALL, extent, run))
        print("\n".join(table.lines()) + "\n", flush=True)
        found.append(table)
    compare.write(found, run, "shipped.json")
