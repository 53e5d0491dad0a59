"""What the predictor needs around the network: reading, resampling, restoring, writing. make bench

Slices are resampled on the way in and back, which the comparison with others leaves out. Of several lanes on a CPU the
network's time is the mean. On a GPU it is taken between two waits for it, which costs some of the overlap that a
prediction has otherwise.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import get_ident
from typing import Any

import torch

from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.networks.cost import network_facts
from AttnSegLib.results.segmentation_file import write_segmentation_file
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.machine import Run, wait
from Testing.benchmarks.others.peers.ours import ORGAN

_NETWORKS = ("anunet", "afnet")  # the others take minutes on a CPU, and their share is smaller still
_ROUNDS = 3
_SPACING = 1.0  # mm; the scan has 0.9


@dataclass
class Stopwatch:
    """Adds up the seconds between `start` and `stop` in each thread; they can be hooks of a network."""

    device: torch.device
    spans: list[float] = field(default_factory=list)
    begins: dict[int, float] = field(default_factory=dict)

    def start(self, *_arguments: Any) -> None:
        wait(self.device)
        self.begins[get_ident()] = time.perf_counter()

    def stop(self, *_arguments: Any) -> None:
        wait(self.device)
        self.spans.append(time.perf_counter() - self.begins[get_ident()])

    @property
    def seconds(self) -> float:
        """The mean of all threads."""
        return sum(self.spans) / len(self.begins)


def main(run: Run) -> None:
    """Print a table: milliseconds a slice of each step, and the share around the network."""
    case = inputs.mr(110 if run.full else 48)
    preprocessing = replace(case.preprocessing, pixel_spacing=_SPACING)
    rounds = f"the median of {_ROUNDS} rounds"
    print(f"Around the network, file to file, {case.title} at {_SPACING} mm, {run.device}, ms a slice, {rounds}")
    print(f"  {'':16}{'read':>9}{'predict':>9}{'of it network':>15}{'write':>9}{'around, % of all':>18}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.nii.gz"
        case.write(file)
        for name in [name for name in run.networks if run.full or name in _NETWORKS]:
            traits = Traits(bytes_per_pixel=network_facts(name).mb_per_megapixel)
            compute = Compute(str(run.device))
            predictor = SlicePredictor(inputs.a_network(name, run.device), preprocessing, compute, traits)
            predictor.predict(case.volume)  # warm
            seconds = sorted((steps(predictor, file) for _ in range(_ROUNDS)), key=_around)[_ROUNDS // 2]
            around = 100 * _around(seconds)
            reading, predicting, inside, writing = (1000 * value / len(case.organ) for value in seconds.values())
            print(f"  {name:16}{reading:9.1f}{predicting:9.1f}{inside:15.1f}{writing:9.1f}{around:18.1f}", flush=True)


def steps(predictor: SlicePredictor, file: Path) -> dict[str, float]:
    """Seconds of each."""
    watches = {step: Stopwatch(predictor.runner.device) for step in ("read", "predict", "network", "write")}
    hooks = [
        predictor.network.register_forward_pre_hook(watches["network"].start),
        predictor.network.register_forward_hook(watches["network"].stop),
    ]
    watches["read"].start()
    volume = read_volume(file)
    watches["read"].stop()
    watches["predict"].start()
    prediction = predictor.predict(volume)
    watches["predict"].stop()
    for hook in hooks:
        hook.remove()
    watches["write"].start()
    write_segmentation_file(file.with_suffix(".seg.nrrd"), prediction.label_map, volume.affine, [ORGAN])
    watches["write"].stop()
    return {step: watch.seconds for step, watch in watches.items()}


def _around(seconds: dict[str, float]) -> float:
    """The share of the whole that is not the network's."""
    return 1 - seconds["network"] / (seconds["read"] + seconds["predict"] + seconds["write"])
