"""Influence: how much a segmentation changes when attention is switched off, and whether it gets better or worse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.inference.probabilities import labels_of
from AttnSegLib.models.influence import AttentionFacts, MapInfluence
from AttnSegLib.networks.attention import AttentionRecorder
from AttnSegLib.networks.override import AttentionOverride, gammas, switchable_maps, switched_off
from AttnSegLib.networks.replacement import Replacement
from AttnSegLib.results.metrics import dice
from training.scoring.attention.remembered import RememberedBlocks
from training.scoring.rows import read_rows, write_rows
from training.slices.case import Labelled

TOGETHER = "all maps"
CHANNELS_TOO = "all maps and channels"
_AT_ONCE = 4  # slices


@dataclass(frozen=True)
class CaseInfluence:
    """The influence of one map in one case, or of several together. Dice are means over labels.

    Args:
        case, patient: ids.
        map: title of the map, or `TOGETHER` or `CHANNELS_TOO`.
        influence: 1 - Dice between the label maps with and without the map.
        dice, dice_without: Dice against the manual label map, with and without the map.
        stride: as in `MapInfluence`; 0 for several together.
        gamma: as in `MapInfluence`; NaN if there is none.
        every: 3 means that every third slice was taken.
    """

    case: str
    patient: str
    map: str
    influence: float
    dice: float
    dice_without: float
    stride: int
    gamma: float
    every: int


class SwitchedOff:
    """Segments slices of a case with each map of a network switched off in turn, and with all of them switched off.

    Args:
        predictor: of the model. Its post-processing is left out, so that slices are independent.
        every: 3 takes every third slice, beginning with the second.
        only_together: leave out each map by itself, and measure `CHANNELS_TOO`: coefficients over channels as well.
    """

    def __init__(self, predictor: SlicePredictor, every: int = 1, *, only_together: bool = False):
        self._predictor, self._every = predictor, every
        self._titles = switchable_maps(predictor.network)
        self._off = {**({} if only_together else {title: [title] for title in self._titles}), TOGETHER: self._titles}
        if only_together:
            self._off[CHANNELS_TOO] = [one.map for one in switched_off(predictor.network)]
        self._gammas = {title: float(gamma) for title, gamma in gammas(predictor.network).items()}

    def measure(self, case: str, patient: str, labelled: Labelled) -> Iterator[CaseInfluence]:
        """Measure a case: one result for each map, then one for `TOGETHER`; or for that and `CHANNELS_TOO`."""
        stack = SliceStack.of(labelled.volume, self._predictor.preprocessing)
        numbers = list(range(self._every // 2, len(stack), self._every)) or [len(stack) // 2]
        truth = stack.view(labelled.label_map)[numbers]
        strides = self._strides(stack, numbers[0])
        whole, changed = self._label_maps(stack, numbers)
        labels = range(1, int(max(whole.max(), truth.max())) + 1)
        for title, without in changed.items():
            yield CaseInfluence(
                case,
                patient,
                title,
                influence=1 - _mean_dice(whole, without, labels),
                dice=_mean_dice(truth, whole, labels),
                dice_without=_mean_dice(truth, without, labels),
                stride=strides.get(title, 0),
                gamma=self._gammas.get(title, float("nan")),
                every=self._every,
            )

    def _label_maps(self, stack: SliceStack, numbers: list[int]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Label maps (n, H, W) on the volume's grid: with all maps, and by title with that map switched off."""
        off = {"": [], **self._off}
        found: dict[str, list[np.ndarray]] = {name: [] for name in off}
        with RememberedBlocks(self._predictor.network) as remembered:
            for first in range(0, len(numbers), _AT_ONCE):
                seen = stack.slices(numbers[first : first + _AT_ONCE])
                for name, titles in off.items():
                    found[name].append(self._labels(stack, seen, titles))
                    remembered.learns = False  # the first run has computed all that the others share
                remembered.forget()
        whole, *changed = (np.concatenate(parts) for parts in found.values())
        return whole, dict(zip(self._off, changed, strict=True))

    @torch.inference_mode()
    def _labels(self, stack: SliceStack, seen: torch.Tensor, off: Sequence[str]) -> np.ndarray:
        """Labels (n, H, W) of some slices on the volume's grid, with the maps `off` switched off."""
        runner = self._predictor.runner
        with AttentionOverride(runner.network, map(Replacement, off)):
            logits = runner.run(seen.to(runner.device)).logits.float()
        return np.from_dlpack(labels_of(stack.restore(logits)).cpu())

    @torch.inference_mode()
    def _strides(self, stack: SliceStack, number: int) -> dict[str, int]:
        runner = self._predictor.runner
        with AttentionRecorder(runner.network, self._titles) as recorder:
            runner.run(stack.slices([number]).to(runner.device))
        return {title: round(stack.model_size[0] / values.shape[2]) for title, values in recorder.maps.items()}


def attention_facts(measured: Sequence[CaseInfluence]) -> AttentionFacts:
    """The facts for the card: means and standard deviations over patients, the most influential map first."""
    titles = dict.fromkeys(one.map for one in measured)
    maps = {title: _over_patients(title, [one for one in measured if one.map == title]) for title in titles}
    together = maps.pop(TOGETHER)
    ordered = sorted(maps.values(), key=lambda one: -one.influence)
    return AttentionFacts(
        tuple(ordered), together, tuple(dict.fromkeys(one.case for one in measured)), measured[0].every
    )


def write_influences(path: Path, measured: Iterable[CaseInfluence]) -> None:
    """Write a CSV table with a header."""
    write_rows(path, CaseInfluence, measured, digits=4)


def read_influences(path: Path) -> list[CaseInfluence]:
    """Read a table of `write_influences`. Raises `InputError` for another table."""
    return read_rows(path, CaseInfluence, "training.model_folder.influence")


def _over_patients(title: str, measured: Sequence[CaseInfluence]) -> MapInfluence:
    by_patient: dict[str, list[tuple[float, float]]] = {}
    for one in measured:
        by_patient.setdefault(one.patient, []).append((one.influence, one.dice_without - one.dice))
    influences, changes = np.array([np.mean(values, axis=0) for values in by_patient.values()]).T
    gamma = measured[0].gamma
    return MapInfluence(
        title,
        influence=round(float(influences.mean()), 4),
        influence_sd=_sd(influences),
        dice_change=round(float(changes.mean()), 4),
        dice_change_sd=_sd(changes),
        stride=measured[0].stride or None,
        gamma=None if np.isnan(gamma) else round(gamma, 4),
    )


def _sd(values: np.ndarray) -> float | None:
    return round(float(values.std(ddof=1)), 4) if len(values) > 1 else None


def _mean_dice(reference: np.ndarray, found: np.ndarray, labels: Iterable[int]) -> float:
    """The mean Dice over labels; 1 if there are no labels."""
    return float(np.mean([dice(reference == label, found == label) for label in labels] or [1.0]))
