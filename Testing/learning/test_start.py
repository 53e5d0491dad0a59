"""A run that begins with the weights of another: which of them, and that the card will tell."""

import pytest
import torch
from made_up.balls import RECIPE

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import FirstWeights
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.weights import load_weights
from training.learning.module import SegmentationModule
from training.learning.recipe import read_recipe
from training.learning.start import Learnt, begin_with, learnt, licence_of_both, of_checkpoint
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
    assert module.hparams["start"] == {"data": "made up", "training_cases": [], "licence": "CC0-1.0"}
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


def test_no_weights_forget_whom_they_have_seen(a_module):
    first, second, third = a_module(1), a_module(2, ("made up", "made up later")), a_module(3)
    first.hparams["cases"]["training"] = ["ct_1"]
    begin_with(second, first_of(first))
    second.hparams["cases"]["training"] = ["mr_1"]
    begin_with(third, first_of(second))
    assert third.hparams["start"] == {
        "data": "made up later; and before that: made up",
        "training_cases": ["mr_1", "ct_1"],
        "licence": "CC0-1.0",
    }


@pytest.mark.parametrize(
    ("own", "first", "both"),
    [
        ("CC-BY-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0"),
        ("CC-BY-SA-4.0", "CC-BY-4.0", "CC-BY-SA-4.0"),
        ("CC0-1.0", "CC-BY-4.0", "CC-BY-4.0"),
        ("CC-BY-4.0", "", "CC-BY-4.0"),
        ("LicenseRef-own", "CC-BY-4.0", "LicenseRef-own"),
    ],
)
def test_the_licence_of_the_first_weights_binds_too(own, first, both):
    assert licence_of_both(own, first) == both


def test_two_licences_that_no_licence_keeps_are_refused(a_module):
    with pytest.raises(InputError, match="no licence is known that keeps both"):
        begin_with(a_module(1), Learnt({}, FirstWeights("others", (), "CC-BY-ND-4.0")))


@pytest.mark.parametrize("by", ["id", "folder"])
def test_first_weights_come_from_a_model(by, a_model_folder, a_module, monkeypatch):
    monkeypatch.setenv("ATTNSEG_MODELS", str(a_model_folder.parent))
    module = a_module(3)
    begin_with(module, learnt({"id": a_model_folder.name, "folder": str(a_model_folder)}[by]))
    spec = load_card(a_model_folder / CARD)
    weights = load_weights(spec.weights_path, spec.sha256)
    own = module.network.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in weights.items() if own[name].shape == tensor.shape)


@pytest.mark.slow
def test_first_weights_come_from_a_checkpoint(a_checkpoint, a_module):
    first = learnt(str(a_checkpoint))
    begin_with(a_module(3), first)
    assert first.on == FirstWeights("made up", ("case_0", "case_1"), "CC0-1.0")


def test_what_is_no_model_is_said():
    with pytest.raises(InputError, match="There is no model 'nothing.ckpt'"):
        learnt("nothing.ckpt")
