"""What can take the place of an attention map while a network runs. Needs no torch: panel and messages speak of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# How a map can be replaced, and what a notice says of it.
HOWS = {
    "neutral": "switched off",
    "uniform": "made the same everywhere",
    "identity": "replaced by each place looking at itself",
    "constant": "replaced by the constant {value:g}",
    "painted": "replaced by a map of your own",
    "erased": "erased in a region",
}
PAINTED = ("painted", "erased")  # those that need an array


@dataclass(frozen=True)
class Replacement:
    """What takes the place of one map, or of coefficients over channels.

    Args:
        map: its title.
        how: "neutral" is 0 where a gamma weighs the attention's branch (the same as gamma = 0), else "uniform".
            "uniform" is the mean of the slice, and for self-attention the mean of the values. "identity" is for
            self-attention alone: each place looks at itself. "constant" is `value`, not for self-attention. "painted"
            is a map of the user's; for self-attention the weight with which every place looks at this one. "erased"
            makes the coefficients 0 in a region; in self-attention nobody looks there.
        value: of "constant".
    """

    map: str
    how: str = "neutral"
    value: float = 0.0


def replaced_sentence(replaced: Sequence[Replacement]) -> str:
    """The notice that a result is not the model's own."""
    titles: dict[str, list[str]] = {}
    for one in replaced:
        titles.setdefault(HOWS[one.how].format(value=one.value), []).append(f"'{one.map}'")
    parts = "; ".join(f"{how}: {', '.join(maps)}" for how, maps in titles.items())
    return f"Attention was changed for this run ({parts}). The result is not the model's own."
