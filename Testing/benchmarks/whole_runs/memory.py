"""Peak memory of a CT of 512x512x800 voxels: make bench

Promised: the scan, the label map, and 1 GB at most; one float16 map more for each attention map. In processes of their
own, on a CPU with an ANU-Net of width 2 on pixels of 4 mm, so that it takes a minute: slices are predicted and
restored one batch at a time, and at this size restoring needs more than the network.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import SimpleITK as sitk
import torch

from AttnSegLib import networks
from AttnSegLib.images.volume import read_volume, to_image
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.results.segmentation_file import write_segmentation_file
from Testing.benchmarks.measuring import inputs, machine
from Testing.benchmarks.measuring.children import result_of
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.measuring.turns import seconds
from Testing.benchmarks.others.peers.ours import ORGAN

_SLICES, _SIZE, _WIDTH, _SPACING = 800, 512, 2, 4.0


def main(run: Run) -> None:
    """Print a table: peak, what scan and results need by themselves, and the rest, of which the libraries are part."""
    print(f"Peak memory, CT {_SIZE}x{_SIZE}x{_SLICES} int16, {run.device}, MB of the whole process")
    print(f"  {'':24}{'peak':>8}{'scan':>8}{'labels':>8}{'maps':>8}{'rest':>8}{'libraries':>11}{'seconds':>10}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scan.nrrd"
        volume = inputs.long_scan(_SLICES, _SIZE)
        sitk.WriteImage(to_image(volume.voxels, volume.affine), str(file))
        scan = volume.voxels.nbytes
        del volume
        for title, path, maps in (("in memory", "-", 0), ("in memory, one map", "-", 1), ("file to file", file, 0)):
            found = result_of("whole_runs.memory", run.threads, run.device, path, maps)
            labels, recorded = scan // 2, scan * maps
            rest = found["peak"] - scan - labels - recorded
            numbers = "".join(f"{value / 1e6:8.0f}" for value in (found["peak"], scan, labels, recorded, rest))
            print(f"  {title:24}{numbers}{found['libraries'] / 1e6:11.0f}{found['seconds']:10.1f}", flush=True)


def child(device_name: str, file: str, maps: int) -> dict[str, float]:
    """Peak bytes, of them those that libraries took before there was a scan, and seconds. file: "-" for none."""
    preprocessing = Preprocessing("axial", pixel_spacing=_SPACING, window=(-160.0, 240.0))
    predictor = SlicePredictor(networks.create("anunet", width=_WIDTH), preprocessing, Compute(device_name))
    options = PredictionOptions(tuple(predictor.attention_titles[:maps]))
    libraries = machine.peak_bytes()
    made = inputs.long_scan(_SLICES, _SIZE) if file == "-" else None

    def whole() -> None:
        volume = made or read_volume(file)
        prediction = predictor.predict(volume, options)
        if made is None:
            write_segmentation_file(Path(file).with_suffix(".seg.nrrd"), prediction.label_map, volume.affine, [ORGAN])

    took = seconds(whole, torch.device(device_name))
    return {"peak": machine.peak_bytes(), "libraries": libraries, "seconds": took}


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
