"""What `report.json` says of attention: what the numbers of a map are, and the coefficients over channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from AttnSegLib.inference.prediction import ChannelMeans, Prediction
from AttnSegLib.models.card import ModelSpec

ABSOLUTE, RELATIVE = "coefficients", "relative to the largest coefficient of each slice"
_DIGITS = 4


def attention_numbers(spec: ModelSpec, prediction: Prediction) -> dict[str, Any]:
    """For each map that was recorded what its file shows, its gamma and its influence on the card if they are known,
    and of self-attention by what a slice has to be multiplied to be absolute; for channels a table."""
    maps = {title: _of_map(spec, title, prediction) for title in prediction.attention}
    return {"maps": maps, "channels": channel_table(prediction.numbers.channels)}


def channel_table(channels: Mapping[str, ChannelMeans]) -> dict[str, dict[str, Any]]:
    """By title: the number of channels, the least, the mean and the largest of their coefficients, the evenness of
    attention between channels (None for weights), and the coefficient of each channel."""
    return {title: _of_channels(found) for title, found in channels.items()}


def _of_map(spec: ModelSpec, title: str, prediction: Prediction) -> dict[str, Any]:
    known, peaks = spec.influence_of(title), prediction.numbers.peaks.get(title)
    told: dict[str, Any] = {"shows": ABSOLUTE if peaks is None else RELATIVE}
    if known is not None:
        told |= {"gamma": known.gamma, "influence_on_card": known.influence}
    if peaks is not None:
        told["coefficient_if_even"] = _short(peaks.even)
        told["largest_coefficient_by_slice"] = {str(index): _short(one) for index, one in sorted(peaks.largest.items())}
    return told


def _of_channels(found: ChannelMeans) -> dict[str, Any]:
    means = found.means
    return {
        "channels": len(means),
        "least": _short(min(means)),
        "mean": _short(sum(means) / len(means)),
        "largest": _short(max(means)),
        "evenness": None if found.evenness is None else round(found.evenness, _DIGITS),
        "by_channel": [_short(one) for one in means],
    }


def _short(value: float) -> float:
    """Four digits that count."""
    return float(f"{value:.{_DIGITS}g}")
