"""What is asked of a session, and the news it gives: one small type for each, or the worker's own. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from AttnSegLib.models.catalog import ModelSpec
from AttnSegLib.mrml.segmentations import Change
from AttnSegLib.worker.events import Checked, Compared, Result


@dataclass(frozen=True, eq=False)
class Target:
    """What to compute on, and how. volume_node: a scalar volume; level: of a pruned network, None for the whole."""

    volume_node: Any
    spec: ModelSpec
    device: str = "auto"
    level: int | None = None
    flips: bool = False


@dataclass(frozen=True, eq=False)
class Started:
    """The worker is up. devices: (name for `Target.device`, in words, free memory in MB or None)."""

    devices: tuple[tuple[str, str, int | None], ...]


@dataclass(frozen=True)
class Working:
    """Slices done and in all; seconds_left: None until it can be told."""

    done: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True)
class Remarked:
    """A sentence for the user, such as a fall-back to the CPU."""

    sentence: str


@dataclass(frozen=True, eq=False)
class Segmented:
    """A segmentation was written. change: undoes it. whole: all that was asked for, not one slice done again."""

    target: Target
    node: Any
    change: Change
    result: Result
    whole: bool = True


@dataclass(frozen=True, eq=False)
class Mapped:
    """Attention maps were written. node: the heat map that is shown; title: its map."""

    node: Any
    title: str


@dataclass(frozen=True)
class Stopped:
    """Nothing was written. sentence: for the user; detail: for the log; by_user: cancelled."""

    sentence: str
    detail: str = ""
    by_user: bool = False


News = Started | Working | Remarked | Segmented | Mapped | Compared | Checked | Stopped
