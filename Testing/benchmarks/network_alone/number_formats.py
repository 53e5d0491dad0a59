"""What bfloat16 changes in the shipped models, on the sample scan: make bench

Only where AttnSeg would choose it. Labels and maps are compared over the whole scan; the times are those of its middle.
"""

from __future__ import annotations

import numpy as np
import torch

from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import read_label_map, read_volume
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import Prediction, PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import load_models
from AttnSegLib.models.places import resource_folder
from AttnSegLib.results import metrics
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.measuring.turns import in_turns

_SAMPLE = resource_folder("Samples") / "left_atrium_mr"
_FORMATS = ("float32", "bfloat16")


def main(run: Run) -> None:
    """Print a table."""
    if Compute().resolve_dtype(run.device) != torch.bfloat16:
        print(f"Number formats: this {run.device.type} does not compute in bfloat16; AttnSeg takes float32.")
        return
    print(f"Number formats, the shipped left atrium models on the sample scan, {run.device}, 3 rounds in turns")
    print(f"  {'':28}{'equal %':>10}{'Dice':>9}{'change':>9}{'largest change of a map':>25}{'bfloat16 is':>17}")
    for spec in load_models():
        if spec.organ == "left atrium":
            print(_row(spec, run), flush=True)


def _row(spec: ModelSpec, run: Run) -> str:
    volume = read_volume(_SAMPLE / "image.nrrd")
    organ = read_label_map(_SAMPLE / "labels.nrrd", volume) == 1
    predictors = {p: SlicePredictor.from_model(spec, Compute(str(run.device), precision=p)) for p in _FORMATS}
    whole = PredictionOptions(attention=spec.attention)
    exact, rounded = (predictor.predict(volume, whole) for predictor in predictors.values())
    region = _slab(volume.voxels.shape, SliceStack.of(volume, predictors["float32"].preprocessing).axes[0])
    few = PredictionOptions(region=region)
    calls = {p: lambda p=p: predictors[p].predict(volume, few) for p in _FORMATS}
    times = in_turns(calls, 3, run.device)
    faster = times["float32"].median / times["bfloat16"].median
    equal = 100 * float((exact.label_map == rounded.label_map).mean())
    dice, other = (metrics.dice(organ, found.label_map == 1) for found in (exact, rounded))
    change = f"{dice:9.4f}{abs(dice - other):9.5f}{_largest_change(exact, rounded):25.3f}"
    return f"  {spec.id:28}{equal:10.4f}{change}{faster:10.2f} x fast"


def _largest_change(exact: Prediction, rounded: Prediction) -> float:
    maps = ((values, rounded.attention[title]) for title, values in exact.attention.items())
    return max(float(np.abs(one.astype(np.float32) - other).max()) for one, other in maps)


def _slab(shape: tuple[int, ...], axis: int) -> Region:
    """The middle eighth of the slices."""
    start, stop = [0, 0, 0], list(shape)
    middle, half = shape[axis] // 2, max(1, shape[axis] // 16)
    start[axis], stop[axis] = middle - half, middle + half
    return Region((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
