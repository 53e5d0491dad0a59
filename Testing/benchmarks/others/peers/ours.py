"""AttnSeg: the predictor that the command line, the panel and training's validation use, by its public interface.

With its own choice of lanes and batches. Alone, its network as the predictor made it ready, in the same lanes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.cpu_lanes import lanes
from AttnSegLib.inference.cpu_memory import memory_kept
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.models.card import Code, Label
from AttnSegLib.results.segmentation_file import write_segmentation_file
from Testing.benchmarks.others.peers import Logits, Segment, Setting

ORGAN = Label(
    1, "Organ", (200, 60, 60), Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "113343008", "Organ")
)


def predictor(network: nn.Module, setting: Setting) -> SlicePredictor:
    """In the number format of the setting."""
    compute = Compute(str(setting.device), precision=setting.precision)
    return SlicePredictor(network, setting.preprocessing, compute, Traits(bytes_per_pixel=setting.bytes_per_pixel))


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    ready = predictor(network, setting)

    def logits(slices: Tensor) -> Tensor:
        count, size = ready.runner.lanes(len(slices), slices.shape[2] * slices.shape[3])
        with memory_kept(), lanes(count) as pool:  # as `predict` does
            return torch.cat([output.logits for output in pool.map(ready.runner.run, slices.split(size))])

    return logits


def end_to_end(network: nn.Module, setting: Setting) -> Segment:
    ready = predictor(network, setting)
    options = PredictionOptions(flips=setting.mirrored)

    def segment(image_file: Path, folder: Path) -> Path:
        volume = read_volume(image_file)
        prediction = ready.predict(volume, options)
        path = folder / "segmentation.seg.nrrd"
        write_segmentation_file(path, prediction.label_map, volume.affine, [ORGAN])
        return path

    return segment
