"""The table of attention in `report.json`."""

import json
from types import SimpleNamespace

from AttnSegLib.inference.prediction import AttentionNumbers, ChannelMeans, Peaks
from AttnSegLib.models.influence import MapInfluence
from AttnSegLib.results.attention_report import attention_numbers

NUMBERS = AttentionNumbers(
    {"looks": Peaks(100, {12: 0.0345678, 3: 0.02})},
    {"between": ChannelMeans((0.25, 0.75), 0.81), "weights": ChannelMeans((0.1, 0.5, 0.9))},
)


def test_it_says_what_each_file_shows_and_how_it_becomes_absolute():
    known = {"looks": MapInfluence("looks", 0.004, None, 0.0, None, gamma=-0.05)}
    spec = SimpleNamespace(influence_of=known.get)
    prediction = SimpleNamespace(attention={"looks": None, "gate": None}, numbers=NUMBERS)
    told = json.loads(json.dumps(attention_numbers(spec, prediction)))
    assert told["maps"] == {
        "looks": {
            "shows": "relative to the largest coefficient of each slice",
            "gamma": -0.05,
            "influence_on_card": 0.004,
            "coefficient_if_even": 0.01,
            "largest_coefficient_by_slice": {"3": 0.02, "12": 0.03457},
        },
        "gate": {"shows": "coefficients"},
    }
    assert told["channels"]["between"] == {
        "channels": 2,
        "least": 0.25,
        "mean": 0.5,
        "largest": 0.75,
        "evenness": 0.81,
        "by_channel": [0.25, 0.75],
    }
    assert told["channels"]["weights"]["evenness"] is None
