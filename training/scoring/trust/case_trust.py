"""Measures one case for the trust in a model: its slices, and how often each probability was right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from training.scoring.regions import near
from training.scoring.trust.calibration import Key, total, write_bins
from training.scoring.trust.slice_trust import SliceTrust, trust_of, write_slices
from training.scoring.trust.temperature import Tally
from training.scoring.truth import Truth
from training.slices.case import Case

NEAR = 5.0  # mm: voxels that are no farther from truth or prediction are near


@dataclass(frozen=True, eq=False)
class CaseTrust:
    """What was measured in one case. slices: all slices; tallies: counts of voxels by label and region."""

    slices: list[SliceTrust]
    tallies: dict[Key, Tally]


def case_trust(predictor: SlicePredictor, truth: Truth, case: Case) -> CaseTrust:
    """Predict a case and compare it with the truth. Raises `InputError` if it can't be read."""
    volume, label_map = truth.read(case)
    prediction = predictor.predict(volume, PredictionOptions(probabilities=True))
    tallies: dict[Key, Tally] = {}
    for label in truth.labels:
        reference, found = label_map == label.value, prediction.label_map == label.value
        probability = prediction.probabilities[label.value]
        around = near(reference | found, volume.spacing[::-1], NEAR)
        for region, where in (("all", np.ones_like(around)), ("near", around)):
            tallies[label.id, region] = Tally.of(reference[where], probability[where])
    return CaseTrust(trust_of(case.id, prediction.stack, label_map, prediction), tallies)


def write_cases(folder: Path, found: list[CaseTrust]) -> None:
    """Write slices.csv and bins.csv of all cases of a model."""
    write_slices(folder / "slices.csv", [one for case in found for one in case.slices])
    bins = {key: summed(found, key).reliability() for key in (found[0].tallies if found else {})}
    write_bins(folder / "bins.csv", bins)


def summed(found: Iterable[CaseTrust], key: Key) -> Tally:
    """The counts of one or more cases together, for a label and region."""
    return total(case.tallies[key] for case in found)
