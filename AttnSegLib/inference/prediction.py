"""What can be asked of a predictor, and what it answers. No torch: the panel and the worker's client use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from AttnSegLib.images.orientation import Region
from AttnSegLib.networks.replacement import Replacement
from AttnSegLib.typed_json import OUTSIDE

if TYPE_CHECKING:
    from AttnSegLib.inference.preprocess import SliceStack
    from AttnSegLib.models.card import ModelSpec


IN_8_BITS = "int8"  # a `ComputeOptions.precision`


@dataclass(frozen=True)
class PredictionOptions:
    """What to predict.

    attention: titles of the maps to record. region: outside of it nothing is predicted, and the results stay 0.
    start: stored index along the slice axis at which to begin; the nearest slices come first. flips: segment each slice
    also upside down and mirrored, and take the mean of the probabilities. query: voxel (k, j, i); only its slice is
    predicted, and self-attention maps show where it looks. probabilities: keep those of the labels. channels: record
    the coefficients over channels, too. replaced: maps in whose place something else comes, see `Replacement`; painted:
    by title the arrays (D, H, W) from 0 to 1 of those that are "painted" or "erased".
    """

    attention: tuple[str, ...] = ()
    region: Region | None = None
    start: int | None = None
    flips: bool = False
    query: tuple[int, int, int] | None = None
    probabilities: bool = False
    channels: bool = False
    replaced: tuple[Replacement, ...] = ()
    painted: dict[str, np.ndarray] = field(default_factory=dict, compare=False, metadata=OUTSIDE)


@dataclass(frozen=True)
class ComputeOptions:
    """How to run a network; what it means on a machine, `device.Compute` finds out.

    device: "auto" takes an NVIDIA or AMD GPU if there is one, else Apple's GPU, else the CPU.
    batch_size: slices at once, on a CPU those of all lanes together; None takes what suits the device.
    precision: "float32", "bfloat16", "float16", or "auto": bfloat16 on devices that are fast at it, float16 on GPUs
    that are fast at that only, else float32. "int8" (`IN_8_BITS`): labels in 8 bits, on a CPU by OpenVINO, of models
    whose card says how; maps in float32.
    engine: "torch", "openvino", or "auto": OpenVINO where it is installed and pays, see `engines.choice`.
    many_scans: many are to come, so that it pays sooner. One scan's result never depends on those before it.
    """

    device: str = "auto"
    batch_size: int | None = None
    precision: str = "auto"
    engine: str = "auto"
    many_scans: bool = False


def chosen_maps(wanted: Sequence[str], spec: ModelSpec, available: Sequence[str]) -> tuple[str, ...]:
    """Titles of the maps to record. wanted: titles, or "default" (those of the model's card), "all" or "none" alone;
    available: those of the network, which has fewer than its card says if it is pruned."""
    if tuple(wanted) == ("all",):
        return tuple(available)
    if tuple(wanted) == ("none",):
        return ()
    if tuple(wanted) != ("default",):
        return tuple(wanted)
    kept = [title for title in spec.attention if title in available]
    return tuple(kept if kept or not spec.attention else available)


class Watch(Protocol):
    """Someone who follows a prediction."""

    def finished(self, stored_indices: list[int], done: int, total: int) -> None:
        """These slices were written; `done` of `total` are."""

    def noticed(self, sentence: str) -> None:
        """Something to tell the user now, such as a fall-back to the CPU; the result's notices have it, too."""

    def cancelled(self) -> bool:
        """Whether to stop; asked before every batch, and now and then while one is waited for."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """Where results are written: label_map (D, H, W) uint8; attention: title to (D, H, W) float16; probabilities:
    label to (D, H, W) float16, made when the first are written. All zero before."""

    label_map: np.ndarray
    attention: dict[str, np.ndarray]
    probabilities: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def blank(cls, shape: tuple[int, ...], titles: Iterable[str]) -> Canvas:
        """New arrays."""
        return cls(np.zeros(shape, np.uint8), {title: np.zeros(shape, np.float16) for title in titles})


@dataclass(frozen=True)
class Peaks:
    """What makes a self-attention map absolute, which is recorded relative to its largest coefficient in a slice.

    places: to how many a place looks, among which 1 is shared out; largest: the coefficient by stored index of slices.
    """

    places: int
    largest: dict[int, float]

    @property
    def even(self) -> float:
        """The coefficient of a place if all places were looked at alike."""
        return 1 / self.places


@dataclass(frozen=True)
class ChannelMeans:
    """Coefficients over the channels of a layer.

    means: of each channel, over the slices; of attention of channels to channels it is how much a channel is looked at,
    and all sum to 1. evenness: of such attention, its entropy as a share of that of even attention; else None.
    """

    means: tuple[float, ...]
    evenness: float | None = None


@dataclass(frozen=True)
class AttentionNumbers:
    """What attention maps do not show, by title: for self-attention maps their peaks, and coefficients over channels,
    if they were asked for."""

    peaks: dict[str, Peaks] = field(default_factory=dict)
    channels: dict[str, ChannelMeans] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about a volume, on the volume's own grid.

    stack: the slices of the volume, as the model saw them. label_map: (D, H, W) uint8. attention: title to coefficients
    (D, H, W), float16. probabilities: label to (D, H, W), float16, if asked for; post-processing does not change them.
    seconds: time spent. device: in words. expected_error: stored index of a slice to 1 - the Dice that the network's
    own probabilities let expect, before post-processing. numbers: of the attention. notices: sentences for the user,
    such as a fall-back to the CPU.
    """

    stack: SliceStack
    label_map: np.ndarray
    attention: dict[str, np.ndarray]
    seconds: float
    device: str
    expected_error: dict[int, float]
    notices: tuple[str, ...] = ()
    probabilities: dict[int, np.ndarray] = field(default_factory=dict)
    numbers: AttentionNumbers = field(default_factory=AttentionNumbers)
