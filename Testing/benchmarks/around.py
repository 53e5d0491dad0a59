"""What the predictor needs around the network: reading, resampling, restoring, writing. make bench

Slices are resampled on the way in and back, which the comparison with others leaves out. On a card the network's time
is taken between two waits for it, which costs some of the overlap that a prediction has otherwise.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from AttnSegLib.device import Compute
from AttnSegLib.predictor import SlicePredictor
from AttnSegLib.slicer_files import write_segmentation
from AttnSegLib.volume import read_volume
from Testing.benchmarks import inputs
from Testing.benchmarks.machine import Run, wait
from Testing.benchmarks.peers.ours import ORGAN

_NETWORKS = ("anunet", "afnet")  # the others take minutes on a CPU, and their share is smaller still
_SPACING = 1.0  # mm; the scan has 0.9


@dataclass
class Stopwatch:
    """Adds up the seconds between `start` and `stop`, which can be hooks of a network."""

    device: torch.device
    seconds: float = 0.0
    begin: float = 0.0

    def start(self, *_arguments: Any) -> None:
        wait(self.device)
        self.begin = time.perf_counter()

    def stop(self, *_arguments: Any) -> None:
        wait(self.device)
        self.seconds += time.perf_counter() - self.begin


def main(run: Run) -> None:
    """Print a table: milliseconds a slice of each step, and the share around the network."""
    case = inputs.mr(110 if run.full else 8)
    preprocessing = replace(case.preprocessing, pixel_spacing=_SPACING)
    print(f"Around the network, file to file, {case.title} at {_SPACING} mm, {run.device}, ms a slice")
    print(f"  {'':16}{'read':>9}{'predict':>9}{'of it network':>15}{'write':>9}{'around, % of all':>18}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.nii.gz"
        case.write(file)
        for name in [name for name in run.networks if run.full or name in _NETWORKS]:
            predictor = SlicePredictor(inputs.a_network(name, run.device), preprocessing, Compute(str(run.device)))
            predictor.predict(case.volume)  # warm
            seconds = steps(predictor, file)
            around = 100 * (1 - seconds["network"] / (seconds["read"] + seconds["predict"] + seconds["write"]))
            reading, predicting, inside, writing = (1000 * value / len(case.organ) for value in seconds.values())
            print(f"  {name:16}{reading:9.1f}{predicting:9.1f}{inside:15.1f}{writing:9.1f}{around:18.1f}", flush=True)


def steps(predictor: SlicePredictor, file: Path) -> dict[str, float]:
    """Seconds of each."""
    watches = {step: Stopwatch(predictor.runner.device) for step in ("read", "predict", "network", "write")}
    predictor.network.register_forward_pre_hook(watches["network"].start)
    predictor.network.register_forward_hook(watches["network"].stop)
    watches["read"].start()
    volume = read_volume(file)
    watches["read"].stop()
    watches["predict"].start()
    prediction = predictor.predict(volume)
    watches["predict"].stop()
    watches["write"].start()
    write_segmentation(file.with_suffix(".seg.nrrd"), prediction.label_map, volume.affine, [ORGAN])
    watches["write"].stop()
    return {step: watch.seconds for step, watch in watches.items()}
