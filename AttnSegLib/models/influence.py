"""What a card says about a model's attention: how much the result changes when a map is switched off.

It is measured on patients that the model was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from AttnSegLib.typed_json import Between

LEAST_INFLUENCE = 0.01  # a map with less changes almost nothing in the result

Share = Annotated[float, Between(0, 1)]
Difference = Annotated[float, Between(-1, 1)]


@dataclass(frozen=True)
class MapInfluence:
    """What changes when one map is switched off.

    Args:
        map: its title.
        influence: 1 - Dice between the results with and without the map: mean over labels, then over patients.
        influence_sd: its standard deviation over patients; None if there is only one.
        dice_change: Dice against the manual label map without the map, minus Dice with it. Below 0, the result is worse
            without the map.
        dice_change_sd: its standard deviation over patients; None if there is only one.
        stride: side of the square of pixels for which one coefficient stands, in the slice as the network sees it.
        gamma: the learnt weight of the attention's branch; None if it has none. With a negative one, the network
            subtracts what the attention has gathered.
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
        """Whether the map has an effect worth mentioning: at least `LEAST_INFLUENCE`."""
        return self.influence >= LEAST_INFLUENCE

    @property
    def words(self) -> str:
        """The influence in words, as lists of maps show it, and the weight of what the network adds or subtracts."""
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
        maps: each map switched off alone, the most influential first.
        together: all maps switched off at the same time.
        cases: ids of the cases. Their results were compared before post-processing.
        every: 3 means that every third slice of the cases was taken.
    """

    maps: tuple[MapInfluence, ...]
    together: MapInfluence
    cases: tuple[str, ...]
    every: Annotated[int, Between(1, 1000)] = 1


def default_maps(chosen: tuple[str, ...], maps: tuple[MapInfluence, ...]) -> tuple[str, ...]:
    """Titles of the maps to show by default: those in `chosen` that matter.

    If none of them matters, the most influential of all maps. If no map matters, all of `chosen`.

    Args:
        chosen: titles of maps.
        maps: the measured influences, the most influential first.
    """
    mattering = [one.map for one in maps if one.matters]
    kept = tuple(title for title in chosen if title in mattering)
    return kept or tuple(mattering[:1]) or chosen
