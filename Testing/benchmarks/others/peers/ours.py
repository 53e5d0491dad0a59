"""AttnSeg: the predictor that the command line, the panel and training's validation use, by its public interface.

With its own choice of lanes and batches; by OpenVINO where that is installed, as long scans are, or by torch alone. The
network alone is run as the predictor made it ready, in the same lanes.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from AttnSegLib.images.volume import read_volume
from AttnSegLib.inference.cost import Load
from AttnSegLib.inference.cpu_lanes import lanes
from AttnSegLib.inference.cpu_memory import memory_kept
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.engines.choice import Work
from AttnSegLib.inference.engines.conversion import Origin
from AttnSegLib.inference.engines.engine import Question
from AttnSegLib.inference.folding import folded
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.models.card import Code, Label
from AttnSegLib.results.segmentation_file import write_segmentation_file
from Testing.benchmarks.others.peers import Logits, Refused, Segment, Setting

ORGAN = Label(
    1, "Organ", (200, 60, 60), Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "113343008", "Organ")
)


def predictor(network: nn.Module, setting: Setting) -> SlicePredictor:
    """In the number format and by the engine of the setting."""
    faster = "openvino" if setting.device.type == "cpu" and find_spec("openvino") else "torch"
    compute = Compute(str(setting.device), None, setting.precision, setting.engine or faster)
    traits = Traits(bytes_per_pixel=setting.bytes_per_pixel, origin=Origin(lambda: folded(network), 1))
    return SlicePredictor(network, setting.preprocessing, compute, traits)


def network_alone(network: nn.Module, setting: Setting) -> Logits:
    ready = predictor(network, setting)

    def logits(slices: Tensor) -> Tensor:
        channels, height, width = slices.shape[1:]
        count, size = ready.runner.lanes(len(slices), height * width)
        load = Load(len(slices), height * width)
        work = Work(load, (channels, height, width), count, size, lambda: slices[:1], _refuse)
        with memory_kept(), ready.engines.engine(Question(), work) as engine, lanes(count) as pool:  # as `predict` does
            return torch.cat([answer.logits for answer in pool.map(engine.run, slices.split(size))])

    return logits


def _refuse(sentence: str) -> None:
    """Raises `Refused`: nobody is to be timed in another way than the table says."""
    raise Refused(sentence)


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
