"""What pruning an ANU-Net costs and saves (its Table 6): python -m training.pruning MODEL --root DATA"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model
from training.papers.columns import paper_columns
from training.scoring.candidates import Model
from training.scoring.evaluation import evaluate, seconds_per_slice
from training.scoring.summary import markdown_table
from training.scoring.truth import Truth, truth_of

_SLICES = 2000  # the paper's time is that of 2,000 slices


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.pruning", description="Score an ANU-Net at all its levels."
    )
    parser.add_argument("model", help="id of a model, or a model folder")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set that it was trained on")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: the best there is)")
    options = parser.parse_args(arguments)
    try:
        spec = find_model(options.model)
        print(pruning_table(spec, truth_of(spec, options.root), Compute(options.device)))
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def pruning_table(spec: ModelSpec, truth: Truth, compute: Compute) -> str:
    """Markdown: parameters, time of 2,000 slices, Dice and IoU pooled over the cases, for each level.

    Raises `InputError` for a network that can't be pruned.
    """
    if not spec.facts.levels:
        raise InputError(f"The network of model '{spec.id}' can't be pruned; give an ANU-Net.")
    lines = [_line(spec, level, truth, compute) for level in (*spec.facts.levels, max(spec.facts.levels) + 1)]
    head = ["level", "parameters (million)", f"time of {_SLICES:,} slices (s)", "Dice", "IoU"]
    return (
        markdown_table(head, lines, 1)
        + f"\nPooled over {len(truth.cases)} test cases, all around the network included.\n"
    )


def _line(spec: ModelSpec, level: int, truth: Truth, compute: Compute) -> list[str]:
    predictor = SlicePredictor.from_model(spec, compute, level=level)
    scores = evaluate([Model(f"L{level}", predictor)], truth)
    seconds = seconds_per_slice(scores, truth, predictor.preprocessing) * _SLICES
    with torch.device("meta"):  # only their number is wanted
        network = networks.create(spec.network, **spec.options | {"level": level})
    parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    columns = paper_columns("anu-net", scores)
    return [f"L{level}", f"{parameters:.3f}", f"{seconds:.1f}", f"{columns['Dice']:.4f}", f"{columns['IoU']:.4f}"]


if __name__ == "__main__":
    raise SystemExit(main())
