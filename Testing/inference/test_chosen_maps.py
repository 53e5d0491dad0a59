"""Which attention maps a word stands for."""

from dataclasses import replace

import pytest

from AttnSegLib.inference.prediction import chosen_maps
from AttnSegLib.models.card_file import CARD, load_card


@pytest.mark.parametrize(
    ("wanted", "of_card", "chosen"),
    [
        (("default",), ("b", "pruned away"), ("b",)),
        (("default",), ("pruned away",), ("a", "b", "c")),
        (("default",), (), ()),  # the card shows none
        (("all",), ("b",), ("a", "b", "c")),
        (("none",), ("b",), ()),
        (("c", "a"), ("b",), ("c", "a")),
    ],
)
def test_a_word_stands_for_maps_that_the_network_has(a_model_folder, wanted, of_card, chosen):
    spec = replace(load_card(a_model_folder / CARD), attention=of_card)
    assert chosen_maps(wanted, spec, ("a", "b", "c")) == chosen
