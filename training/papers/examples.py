"""Examples beside a made table: what its rows found in a slice of some test cases, as the papers' figures show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from AttnSegLib.inference.probabilities import labels_of
from AttnSegLib.models.card import Label
from training.papers.activations import ShownSlice
from training.scoring.qualitative import QualitativePage, QualitativeRow, qualitative

MOST_EXAMPLES = 3  # cases


def found_in(network: nn.Module, shown: Mapping[str, ShownSlice]) -> dict[str, np.ndarray]:
    """Labels (H, W) of each slice, as the network sees it."""
    with torch.inference_mode():
        return {case: labels_of(network.eval()(one.image).logits)[0].numpy() for case, one in shown.items()}


def draw_examples(
    path: Path,
    shown: Mapping[str, ShownSlice],
    found: Mapping[str, Mapping[str, np.ndarray]],
    labels: Sequence[Label],
) -> None:
    """Write a PNG with a line for each case: the slice, the truth, and what each row found. found: by method, then by
    case, (H, W)."""
    rows = [
        QualitativeRow(
            case, one.image[0].mean(dim=0).numpy(), one.truth, {method: own[case] for method, own in found.items()}
        )
        for case, one in shown.items()
    ]
    qualitative(path, QualitativePage("Where rows and reference differ", rows, labels))
