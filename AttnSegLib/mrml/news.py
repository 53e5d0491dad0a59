"""What is asked of a session, and its news: the worker's messages, and what these can't say. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.protocols import SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import Change
from AttnSegLib.worker.messages import (
    Checked,
    Compared,
    JobCancelled,
    JobFailed,
    Notice,
    Ready,
    Request,
    Result,
    SlicesDone,
)


@dataclass(frozen=True, eq=False)
class Target:
    """What to compute on, and how. volume_node: a scalar volume; request: for all of it."""

    volume_node: VolumeNode
    request: Request

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        return self.request.spec

    def asking(self, **options: Any) -> Request:
        """The request with other `PredictionOptions`."""
        return replace(self.request, options=replace(self.request.options, **options))


@dataclass(frozen=True, eq=False)
class Segmented:
    """A segmentation was written. change: undoes it. whole: all that was asked for, not one slice done again."""

    target: Target
    node: SegmentationNode
    change: Change
    result: Result
    whole: bool = True


@dataclass(frozen=True, eq=False)
class Mapped:
    """Attention maps were written. node: the heat map that is shown; title: its map."""

    node: VolumeNode
    title: str


@dataclass(frozen=True, eq=False)
class MapSwitchedOff:
    """A slice was computed with an attention map, and again without it.

    Args:
        node: the outline without the map.
        title: of the map.
        index: of the slice, as stored.
        influence: 1 - Dice of the slice with and without, mean over the labels that are in either; None if none is.
        change_ml: for each of these labels, by name, mL without the map less mL with it.
    """

    node: SegmentationNode
    title: str
    index: int
    influence: float | None
    change_ml: dict[str, float]

    @property
    def sentence(self) -> str:
        """For the user."""
        if self.influence is None:
            return f"The model finds nothing in slice {self.index}, with '{self.title}' or without."
        if self.influence == 0:
            return f"Without '{self.title}' nothing changes in slice {self.index}."
        changes = ", ".join(f"{name} {change:+z.2f} mL" for name, change in self.change_ml.items())
        return f"Without '{self.title}' slice {self.index} changes by {self.influence:.3f} (1 - Dice): {changes}."


News = Ready | SlicesDone | Notice | Compared | Checked | JobCancelled | JobFailed | Segmented | Mapped | MapSwitchedOff
