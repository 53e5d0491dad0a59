"""A run that begins with the weights of another: which of them, and that the card will tell."""

import pytest
import torch
from made_up.balls import RECIPE

from AttnSegLib.errors import InputError
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.weights import load_weights
from training.learning.module import SegmentationModule
from training.learning.recipe import read_recipe
from training.learning.start import begin_with, learnt, of_checkpoint
from training.slices.split import Parts


@pytest.fixture
def a_module(a_recipe):
    def made(seed, *changes):
        text = RECIPE
        for before, after in changes:
            text = text.replace(before, after)
        a_recipe.write_text(text)
        torch.manual_seed(seed)
        return SegmentationModule(read_recipe([str(a_recipe)]).as_dict(), Parts([], [], []), steps=1)

    return made


def first_of(module):
    return of_checkpoint({"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)})


def test_the_same_network_takes_all_weights(a_module):
    other, module = a_module(1), a_module(2)
    said = begin_with(module, first_of(other))
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in other.state_dict().items())
    assert module.hparams["start"] == {"data": "made up", "training_cases": []}
    assert "learnt on: made up" in said


def test_heads_for_other_labels_stay_as_they_are(a_module):
    first = RECIPE[RECIPE.index("[[card.labels]]") :]
    second = first.replace("value = 1\n", "value = 2\n").replace("Ball", "Cube")
    other = a_module(1, ("num_classes = 1", "num_classes = 3"), (first, first + second))
    module = a_module(2)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    begin_with(module, first_of(other))
    after = module.state_dict()
    heads = [name for name in before if name.startswith("network.heads")]
    assert heads
    assert all(torch.equal(after[name], before[name]) for name in heads)
    assert torch.equal(after["network.blocks.0_0.0.weight"], other.state_dict()["network.blocks.0_0.0.weight"])


def test_another_network_is_refused(a_module):
    other = a_module(1, ("width = 2", "width = 3"))
    with pytest.raises(InputError, match="of the same network, of the same"):
        begin_with(a_module(2), first_of(other))


@pytest.mark.parametrize("by", ["id", "folder", "checkpoint"])
def test_first_weights_come_from_a_checkpoint_or_a_model(by, a_checkpoint, a_model_folder, a_module, monkeypatch):
    monkeypatch.setenv("ATTNSEG_MODELS", str(a_model_folder.parent))
    first = learnt({"id": a_model_folder.name, "folder": str(a_model_folder), "checkpoint": str(a_checkpoint)}[by])
    module = a_module(3)
    begin_with(module, first)
    if by == "checkpoint":
        assert (first.data, first.training_cases) == ("made up", ["case_0", "case_1"])
        return
    spec = load_card(a_model_folder / CARD)
    weights = load_weights(spec.weights_path, spec.sha256)
    own = module.network.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in weights.items() if own[name].shape == tensor.shape)


def test_what_is_no_model_is_said():
    with pytest.raises(InputError, match="There is no model 'nothing.ckpt'"):
        learnt("nothing.ckpt")
