"""What a card says of a model's attention: what switching it off changes, on patients that were not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from AttnSegLib.typed_json import Between

LEAST_INFLUENCE = 0.01  # a map with less changes next to nothing in the result

Share = Annotated[float, Between(0, 1)]
Difference = Annotated[float, Between(-1, 1)]


@dataclass(frozen=True)
class MapInfluence:
    """What changes when one map is switched off.

    Args:
        map: its title.
        influence: 1 - Dice of the label maps with the map and without it, mean over labels, then over patients.
        influence_sd: standard deviation of that over patients; None if there is only one.
        dice_change: Dice against the manual label map without the map, less that with it; below 0 is worse without.
        dice_change_sd: standard deviation of that over patients; None if there is only one.
        stride: one coefficient stands for a square of pixels, as the network sees the slice; this is its side.
        gamma: the learnt weight of the attention's branch, None if it has none; a negative one subtracts what the
            attention has gathered.
    """

    map: str
    influence: Share
    influence_sd: Share | None
    dice_change: Difference
    dice_change_sd: Share | None
    stride: Annotated[int, Between(1, 4096)] | None = None
    gamma: Annotated[float, Between(-1e9, 1e9)] | None = None

    @property
    def matters(self) -> bool:
        """Whether the result changes by more than next to nothing."""
        return self.influence >= LEAST_INFLUENCE

    @property
    def words(self) -> str:
        """The influence as a list of maps says it, and the weight of what the network adds or subtracts."""
        said = f"influence {self.influence:.2f}"
        if not self.matters:
            said = f"influence {self.influence:.3f}: changes next to nothing"
        if self.gamma is None:
            return said
        return f"{said}; gamma {self.gamma:+.2f}{': subtracted' if self.gamma < 0 else ''}"


@dataclass(frozen=True)
class AttentionFacts:
    """What was measured of a model's attention.

    Args:
        maps: each by itself, the most influential first.
        together: all maps switched off at the same time.
        cases: ids of the cases that it was measured on, before post-processing.
        every: 3 means that each third of their slices was taken.
    """

    maps: tuple[MapInfluence, ...]
    together: MapInfluence
    cases: tuple[str, ...]
    every: Annotated[int, Between(1, 1000)] = 1


def default_maps(chosen: tuple[str, ...], maps: tuple[MapInfluence, ...]) -> tuple[str, ...]:
    """Titles of the maps to show by default: those of `chosen` that matter. If none of them does, the most influential
    of all maps; if no map matters at all, `chosen` as it is."""
    mattering = [one.map for one in maps if one.matters]
    kept = tuple(title for title in chosen if title in mattering)
    return kept or tuple(mattering[:1]) or chosen
