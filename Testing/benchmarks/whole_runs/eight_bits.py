"""Labels in 8 bits beside those in 32, whole scan, without maps: make bench

The shipped models of the left atrium on the sample scan. Times are the processor's, all threads together, of predictors
that ran before. bfloat16 only where AttnSeg would choose it.
"""

from __future__ import annotations

import statistics
import tempfile
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import torch

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, read_label_map, read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import IN_8_BITS
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder
from AttnSegLib.results import metrics
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.measuring.turns import in_turns

_SAMPLE = resource_folder("Samples") / "left_atrium_mr"
_TORCH, _EXACT, _HALF, _FAST = "torch", "OpenVINO", "bfloat16", "8 bits"
_ROUNDS = 3


def main(run: Run) -> None:
    """Print a table."""
    if run.device.type != "cpu" or not find_spec("openvino"):
        print("8 bits: OpenVINO is not installed, or this is no CPU.")
        return
    volume = read_volume(_SAMPLE / "image.nrrd")
    organ = read_label_map(_SAMPLE / "labels.nrrd", volume) == 1
    print(f"Labels of a whole scan, s of the CPU, {run.threads} thread(s), {_ROUNDS} rounds in turns")
    head = f"{_TORCH:>9}{_EXACT:>10}{_HALF:>10}{_FAST:>8}{'torch/8':>9}{'OpenVINO/8':>12}{'bfloat16/8':>12}"
    print(f"  {'':28}{head}{'equal %':>10}{'Dice':>9}{'change':>9}")
    with tempfile.TemporaryDirectory() as folder, patch.dict("os.environ", ATTNSEG_MODELS=folder):  # for conversions
        for name in run.networks:
            print(_row(f"{name}-left_atrium-mr", run, volume, organ), flush=True)


def _row(model: str, run: Run, volume: Volume, organ: np.ndarray) -> str:
    spec = find_model(model)
    computes = {_TORCH: Compute("cpu", None, "float32", "torch"), _EXACT: Compute("cpu", None, "float32", "openvino")}
    if Compute().resolve_dtype(run.device) == torch.bfloat16:
        computes[_HALF] = Compute("cpu", None, "bfloat16", "openvino")
    computes[_FAST] = Compute("cpu", None, IN_8_BITS)
    predictors = {name: SlicePredictor.from_model(spec, compute) for name, compute in computes.items()}
    found = {name: predictor.predict(volume) for name, predictor in predictors.items()}
    if IN_8_BITS not in found[_FAST].device:
        raise InputError(f"{model}: {found[_FAST].notices}")
    calls = {name: lambda one=one: one.predict(volume) for name, one in predictors.items()}
    cpu = {name: statistics.median(times.cpu) for name, times in in_turns(calls, _ROUNDS, run.device).items()}
    exact, fast = found[_TORCH].label_map, found[_FAST].label_map
    dice, other = (metrics.dice(organ, label_map == 1) for label_map in (exact, fast))
    seconds = f"{cpu[_TORCH]:9.2f}{cpu[_EXACT]:10.2f}{cpu.get(_HALF, np.nan):10.2f}{cpu[_FAST]:8.2f}"
    times = "".join(
        f"{cpu.get(name, np.nan) / cpu[_FAST]:{width}.2f}" for name, width in ((_TORCH, 9), (_EXACT, 12), (_HALF, 12))
    )
    return f"  {model:28}{seconds}{times}{100 * (exact == fast).mean():10.3f}{dice:9.4f}{other - dice:+9.4f}"
