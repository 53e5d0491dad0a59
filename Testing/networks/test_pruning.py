"""The pruning study: one line for each level, the whole network last."""

from dataclasses import replace

import pytest

from AttnSegLib import networks
from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.models.card import Source
from AttnSegLib.models.card_file import load_card
from training import datasets
from training.pruning import pruning_table
from training.scoring.truth import Truth


@pytest.fixture
def spec(a_model_folder):
    return load_card(a_model_folder / "card.json")


@pytest.mark.slow
def test_parameters_fall_level_by_level(spec, a_decathlon_task):
    truth = Truth(datasets.cases_of("msd", a_decathlon_task)[:1], Source("msd"), spec.labels)
    lines = pruning_table(spec, truth, Compute("cpu")).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:6]] == ["| L1", "| L2", "| L3", "| L4"]
    whole = networks.create("anunet", width=2)
    for line, network in zip(lines[2:6], [*(whole.pruned(level) for level in (1, 2, 3)), whole], strict=True):
        millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        assert f"| {millions:.3f} |" in line
    assert "1 test cases" in lines[-1]


def test_other_networks_can_not_be_pruned(spec):
    facts = replace(spec.facts, levels=())
    with pytest.raises(InputError, match="can't be pruned; give an ANU-Net"):
        pruning_table(replace(spec, facts=facts), Truth([], Source("msd"), spec.labels), Compute("cpu"))
