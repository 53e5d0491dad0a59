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
    """Something was computed with an attention map, and again without it.

    Args:
        node: the outline without the map.
        title: of the map.
        index: of the slice, as stored; None for the whole volume.
        influence: 1 - Dice of the results with and without, mean over the labels that are in either; None if none is.
        change_ml: for each of these labels, by name, mL without the map less mL with it.
        is_erased: whether the map was erased in a place, and not switched off.
    """

    node: SegmentationNode
    title: str
    index: int | None
    influence: float | None
    change_ml: dict[str, float]
    is_erased: bool = False

    @property
    def where(self) -> str:
        """What was computed."""
        return "the whole volume" if self.index is None else f"slice {self.index}"

    @property
    def sentence(self) -> str:
        """For the user."""
        without = f"With '{self.title}' erased there," if self.is_erased else f"Without '{self.title}'"
        if self.influence is None:
            return f"The model finds nothing in {self.where}, with '{self.title}' or without."
        if self.influence == 0:
            return f"{without} nothing changes in {self.where}."
        return f"{without} {self.where} changes by {self.influence:.3f} (1 - Dice): {self.changes}."

    @property
    def measured(self) -> str:
        """The same beside a map's name."""
        if self.influence is None:
            return f"nothing found in {self.where}"
        changes = f" ({self.changes})" if self.influence else ""
        return f"{self.influence:.3f} in {self.where}{changes}"

    @property
    def changes(self) -> str:
        """Label by label, mL."""
        return ", ".join(f"{name} {change:+z.2f} mL" for name, change in self.change_ml.items())


News = Ready | SlicesDone | Notice | Compared | Checked | JobCancelled | JobFailed | Segmented | Mapped | MapSwitchedOff
