"""What a prediction costs more with one attention map, with all, and with a query: make bench

Each way in turns, slice by slice. A query segments only its own slice, so it is compared with that slice without one.
"""

from __future__ import annotations

from AttnSegLib.images.orientation import Region
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.networks.attention import SelfAttention, attention_maps
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.machine import Run
from Testing.benchmarks.measuring.turns import in_turns

_NETWORKS = (
    "anunet",
    "eccamunet",
    "msdualguided",
    "omeganet",
)  # gates; self-attention at two sizes; both at four levels
_WIDTH = 16  # on a CPU: what surrounds the network then weighs more than at the papers' widths, never less


def main(run: Run) -> None:
    """Print a table: milliseconds a slice, and how much longer."""
    slices, rounds = (64, 5) if run.full else (4, 3)
    case = inputs.mr(slices)
    width = {} if run.full else {"width": _WIDTH}
    widths = "the papers' widths" if run.full else f"width {_WIDTH}"
    print(f"Attention maps, {case.title}, {widths}, {run.device}, {rounds} rounds in turns")
    print(
        f"  {'':16}{'maps':>6}{'none, ms a slice':>18}{'one, %':>9}{'all, %':>9}{'its slice, ms':>16}{'query, %':>10}"
    )
    for name in _NETWORKS:
        network = inputs.a_network(name, run.device, **width)
        _row(name, SlicePredictor(network, case.preprocessing, Compute(str(run.device))), case, rounds)


def _row(name: str, predictor: SlicePredictor, case: inputs.Case, rounds: int) -> None:
    slices, height, columns = case.volume.voxels.shape
    middle = slices // 2
    titles = tuple(predictor.attention_titles)
    looking = [title for title, mark in attention_maps(predictor.network).items() if isinstance(mark, SelfAttention)]
    ways = {
        "none": PredictionOptions(),
        "one": PredictionOptions(titles[:1]),
        "all": PredictionOptions(titles),
        "slice": PredictionOptions(region=Region((middle, 0, 0), (middle + 1, height, columns))),
        "query": PredictionOptions((*looking, *titles)[:1], query=(middle, height // 2, columns // 2)),
    }
    calls = {way: lambda options=options: predictor.predict(case.volume, options) for way, options in ways.items()}
    for call in calls.values():
        call()
    times = {way: seconds.median for way, seconds in in_turns(calls, rounds, predictor.runner.device).items()}
    one, every = (100 * (times[way] / times["none"] - 1) for way in ("one", "all"))
    query = 100 * (times["query"] / times["slice"] - 1)
    plain = f"{len(titles):6}{1000 * times['none'] / slices:18.1f}"
    print(f"  {name:16}{plain}{one:9.1f}{every:9.1f}{1000 * times['slice']:16.1f}{query:10.1f}", flush=True)
