"""What can be scored: a model, or a folder of label maps, whoever made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from torch import nn

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, read_label_map
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor, Traits
from AttnSegLib.models.card import Code, Label
from training.learning.recipe import from_dict, network_weights
from training.scoring.scores import Found

_SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha")


class Candidate(Protocol):
    """Something whose label maps are scored."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    def find(self, case_id: str, volume: Volume) -> Found:
        """Give its label map of a case."""


class Model:
    """A trained model.

    Args:
        name: in tables.
        predictor: runs the model.
        flips: also predict flipped slices, and take the mean.
        probabilities: keep them, which the AUC needs.
    """

    def __init__(self, name: str, predictor: SlicePredictor, *, flips: bool = False, probabilities: bool = False):
        self.name = name
        self._predictor = predictor
        self._options = PredictionOptions(flips=flips, probabilities=probabilities)

    def find(self, case_id: str, volume: Volume) -> Found:
        """Predict the label map of a case."""
        prediction = self._predictor.predict(volume, self._options)
        seconds, stack = prediction.seconds, prediction.stack
        return Found(self.name, case_id, prediction.label_map, prediction.probabilities, seconds, stack)


class Folder:
    """A folder of label maps, each named after its case: case_1.nii.gz, case_2.nrrd, ..."""

    def __init__(self, folder: Path):
        self.name = folder.name
        self._folder = folder

    def find(self, case_id: str, volume: Volume) -> Found:
        """Read the label map of a case. Raises `InputError` if there is none, or it lies on another grid."""
        for suffix in _SUFFIXES:
            path = self._folder / f"{case_id}{suffix}"
            if path.is_file():
                return Found(self.name, case_id, read_label_map(path, volume), {}, float("nan"))
        raise InputError(f"'{self._folder}' holds no label map '{case_id}{_SUFFIXES[0]}' (or .nrrd, .mha).")


def network_of(checkpoint: dict[str, Any], level: int | None = None) -> nn.Module:
    """The trained network in the content of a checkpoint. level: to which an ANU-Net is pruned; None for all of it."""
    recipe = from_dict(checkpoint["hyper_parameters"]["recipe"])
    network = networks.create(recipe.network, **recipe.options)
    network.load_state_dict(network_weights(checkpoint))
    return network if level is None else network.pruned(level)  # type: ignore[operator]


def predictor_of(
    checkpoint: dict[str, Any], compute: Compute, level: int | None = None, *, largest_component: bool = False
) -> SlicePredictor:
    """A predictor for the trained network in the content of a checkpoint.

    Args:
        checkpoint: its content.
        compute: device, batch size and precision.
        level: to which an ANU-Net is pruned; None for all of it.
        largest_component: keep only the largest component of each label.
    """
    preprocessing = from_dict(checkpoint["hyper_parameters"]["recipe"]).preprocessing
    return SlicePredictor(network_of(checkpoint, level), preprocessing, compute, Traits(largest_component))


def plain_label(value: int, name: str) -> Label:
    """A label with this value and name, and a colour and codes that say nothing more."""
    tissue = Code("SCT", "85756007", "Tissue")
    colors = ((152, 55, 13), (88, 141, 201), (111, 184, 210), (244, 214, 49), (120, 164, 84))
    return Label(value, name.capitalize(), colors[(value - 1) % len(colors)], tissue, tissue)
