"""Ours and the others side by side, all networks, the network alone and from file to file: make bench"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from AttnSegLib.inference.device import Compute
from AttnSegLib.networks.cost import network_facts
from Testing.benchmarks.measuring import inputs, machine
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.others import peers, plot
from Testing.benchmarks.others.contest import Contest
from Testing.benchmarks.others.peers import Peer, Setting
from Testing.benchmarks.others.tables import Table


@dataclass(frozen=True)
class Extent:
    """Slices of an MR for the network alone, of an MR and a CT from file to file, and rounds.

    mirrored: whether nnU-Net's mirroring takes part, four passes a slice; onnx: whether ONNX Runtime does, for which
    exporting a large network takes a minute. Enough slices are in `shipped`.
    """

    alone: int
    mr: int
    ct: int
    rounds: int
    mirrored: bool = True
    onnx: bool = True

    def left_out(self, run: Run) -> list[str]:
        """In words."""
        if run.full:
            return []
        return [
            f"scans of {_WHOLE.mr} and {_WHOLE.ct} slices",
            "ONNX Runtime and OpenVINO, float32, from file to file",
            "nnU-Net's mirroring" + (" of a CT" if self.mirrored else ""),
            *([] if self.onnx else ["ONNX Runtime"]),
            *([] if self.mr else ["an MR from file to file"]),
            *([] if self.ct else ["a CT from file to file"]),
        ]


_WHOLE = Extent(110, 110, 300, 5)
_QUICK = Extent(2, 0, 0, 3, mirrored=False)
_SMALL = {  # what two cores do in eight minutes; of the quickest enough slices for several batches in each lane
    "anunet": Extent(4, 0, 0, 2, mirrored=False),
    "afnet": Extent(8, 8, 2, 3, mirrored=False),
    "eccamunet": Extent(2, 0, 0, 2, mirrored=False),
    "msdualguided": Extent(2, 0, 0, 2, mirrored=False, onnx=False),
    "omeganet": Extent(2, 0, 0, 2, mirrored=False, onnx=False),
}


def extent(name: str, *, quick: bool, full: bool) -> Extent:
    """How much of a network."""
    return _WHOLE if full else _QUICK if quick else _SMALL[name]


def main(run: Run) -> None:
    """Print the tables of all networks, at the papers' widths; write them and their plot."""
    found = []
    for name in run.networks:
        size = extent(name, quick=run.quick, full=run.full)
        for table in tables(name, size, run):
            print("\n".join(table.lines()) + "\n", flush=True)
            found.append(table)
        if left_out := size.left_out(run):
            print(f"  Left out of {name} without --full: {', '.join(left_out)}\n")
    write(found, run, "results.json")
    plot.speeds(found, machine.describe(run), run.out / "speeds.png")
    print(f"The same as a plot: {run.out / 'speeds.png'}")


def write(tables: Sequence[Table], run: Run, name: str) -> None:
    """Into the folder of the run."""
    run.out.mkdir(parents=True, exist_ok=True)
    results = {"machine": machine.describe(run), "tables": [asdict(table) for table in tables]}
    (run.out / name).write_text(json.dumps(results, indent=1))


def tables(name: str, size: Extent, run: Run) -> Iterator[Table]:
    """Of one network, one after the other."""
    network, bytes_per_pixel = inputs.a_network(name, run.device), network_facts(name).mb_per_megapixel

    def contest(case: inputs.Case) -> Contest:
        setting = replace(Setting.of(case, run.device, run.threads), bytes_per_pixel=bytes_per_pixel)
        return Contest(name, network, case, setting, size.rounds)

    yield contest(inputs.mr(size.alone)).network_alone(taking_part(peers.ALL, size, run))
    with_files = [peer for peer in peers.ALL if run.full or peer not in (peers.ONNX_RUNTIME, peers.OPENVINO)]
    if size.mr:
        yield contest(inputs.mr(size.mr)).end_to_end(taking_part(with_files, size, run))
    if size.ct:
        size = replace(size, mirrored=run.full)
        yield contest(inputs.ct(size.ct)).end_to_end(taking_part(with_files, size, run))


def taking_part(candidates: Sequence[Peer], size: Extent, run: Run) -> list[Peer]:
    """bfloat16 where AttnSeg would choose it: on most CPUs it is slower than float32."""
    chosen = str(Compute().resolve_dtype(run.device)).removeprefix("torch.")
    return [
        peer
        for peer in candidates
        if (size.mirrored or not peer.mirrored)
        and (size.onnx or peer != peers.ONNX_RUNTIME)
        and peer.precision in ("float32", chosen)
    ]
