"""Both engines over a whole scan, from the volume to the label map and the default attention maps: make bench

The shipped models of the left atrium on the sample scan. Times are the processor's, all threads together, of predictors
that ran before; what starting an engine takes of it is in a column of its own.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from importlib.util import find_spec

import numpy as np

from AttnSegLib.images.volume import Volume, read_label_map, read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import Prediction, PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder
from AttnSegLib.results import metrics
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.measuring.turns import in_turns

_SAMPLE = resource_folder("Samples") / "left_atrium_mr"
_ENGINES = ("torch", "openvino")
_ROUNDS = 3


def main(run: Run) -> None:
    """Print a table for each number format that AttnSeg would choose here, and for float32."""
    if run.device.type != "cpu" or not find_spec("openvino"):
        print("Engines: OpenVINO is not installed, or this is no CPU; torch computes.")
        return
    volume = read_volume(_SAMPLE / "image.nrrd")
    organ = read_label_map(_SAMPLE / "labels.nrrd", volume) == 1
    chosen = str(Compute().resolve_dtype(run.device)).removeprefix("torch.")
    for precision in dict.fromkeys(("float32", chosen)):
        print(
            f"Both engines, whole scan, default maps, {precision}, {run.threads} thread(s), {_ROUNDS} rounds in turns"
        )
        head = f"{'torch, s of CPU':>16}{'OpenVINO':>10}{'start':>8}{'ratio':>8}{'Dice':>9}{'change':>9}{'maps':>9}"
        print(f"  {'':26}{head}")
        with tempfile.TemporaryDirectory() as folder:
            for name in run.networks:
                print(_row(f"{name}-left_atrium-mr", precision, volume, organ, folder), flush=True)


def _row(model: str, precision: str, volume: Volume, organ: np.ndarray, folder: str) -> str:
    """start: what the first prediction of a new predictor takes more than the next, with a conversion that is kept."""
    spec, options = find_model(model), PredictionOptions(find_model(model).attention)
    os.environ["ATTNSEG_MODELS"] = folder  # for the conversions

    def predictor(engine: str) -> SlicePredictor:
        return SlicePredictor.from_model(spec, Compute("cpu", None, precision, engine))

    predictor("openvino").predict(volume, options)  # converts
    predictors = {engine: predictor(engine) for engine in _ENGINES}
    firsts, found = {}, {}
    for engine, one in predictors.items():
        begin = time.process_time()
        found[engine] = one.predict(volume, options)
        firsts[engine] = time.process_time() - begin
    calls = {engine: lambda one=one: one.predict(volume, options) for engine, one in predictors.items()}
    times = in_turns(calls, _ROUNDS, predictors["torch"].runner.device)
    torch_cpu, openvino_cpu = (statistics.median(times[engine].cpu) for engine in _ENGINES)
    dice, other = (metrics.dice(organ, found[engine].label_map == 1) for engine in _ENGINES)
    start = firsts["openvino"] - openvino_cpu
    return (
        f"  {model:26}{torch_cpu:16.2f}{openvino_cpu:10.2f}{start:8.2f}{torch_cpu / openvino_cpu:8.2f}"
        f"{dice:9.4f}{abs(dice - other):9.5f}{_apart(found['torch'], found['openvino']):9.4f}"
    )


def _apart(one: Prediction, other: Prediction) -> float:
    """The largest difference of a map."""
    pairs = ((values.astype(np.float32), other.attention[title]) for title, values in one.attention.items())
    return max(float(np.abs(mine - theirs).max()) for mine, theirs in pairs)
