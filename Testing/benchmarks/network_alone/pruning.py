"""ANU-Net at the paper's width, pruned: does its time fall as its operations do? make bench"""

from __future__ import annotations

from AttnSegLib.networks.cost import measure_network
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.measuring.turns import in_turns
from Testing.benchmarks.others.peers import OURS, Setting

LEVELS = (1, 2, 3, 4)


def main(run: Run) -> None:
    """Print operations and time of all levels as shares of the whole network's, in turns."""
    slices, rounds = (64, 5) if run.full else (1, 3)
    case = inputs.mr(slices)
    setting = Setting.of(case, run.device, run.threads)
    whole = inputs.a_network("anunet", run.device)
    images = case.slices().to(run.device)
    ready = {level: OURS.network_alone(whole.pruned(level), setting) for level in LEVELS}
    calls = {f"L{level}": lambda logits=logits: logits(images) for level, logits in ready.items()}
    for call in calls.values():
        call()
    times = in_turns(calls, rounds, run.device)
    macs = {f"L{level}": measure_network("anunet", 256, level=level).macs for level in LEVELS}
    print(f"ANU-Net pruned, network alone, {case.title}, {rounds} rounds in turns")
    print(f"  {'':6}{'GMACs':>8}{'as of L4':>10}{'ms a slice':>12}{'as of L4':>10}{'time / operations':>20}")
    for level in calls:
        operations, time = macs[level] / macs["L4"], times[level].median / times["L4"].median
        counted = f"{macs[level] / 1e9:8.1f}{operations:10.3f}"
        print(f"  {level:6}{counted}{1000 * times[level].median / slices:12.1f}{time:10.3f}{time / operations:20.2f}")
