"""The step of training, without a trainer around it, and checkpoints that survive."""

import math

import pytest
import torch
from made_up.balls import RECIPE

import training.learning.module
from AttnSegLib.errors import InputError
from AttnSegLib.networks.override import AttentionOverride, gammas, switched_off
from training.learning.checkpoints import SafeCheckpointIO, _Kept
from training.learning.module import SegmentationModule
from training.learning.recipe import read_recipe
from training.slices.augment import LabelledSlice
from training.slices.split import Parts
from training.train import RunOptions, train


@pytest.fixture
def module(a_recipe):
    torch.manual_seed(0)
    return SegmentationModule(read_recipe([str(a_recipe)]).as_dict(), Parts([], [], []), steps=10)


def a_batch():
    torch.manual_seed(1)
    return LabelledSlice(torch.rand(2, 1, 32, 32), torch.zeros(2, 1, 32, 32).long(), ["slice 1 of a", "slice 7 of b"])


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_a_training_that_comes_apart_names_the_slices(module):
    torch.nn.init.constant_(module.network.heads["4"].weight, math.nan)
    with pytest.raises(InputError, match=r"nan at step 0, on slice 1 of a, slice 7 of b: .*last checkpoint was kept"):
        module.training_step(a_batch(), 0)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_a_gradient_that_is_not_finite_changes_nothing_and_is_counted(module):
    optimizer = module.settings.make_optimizer(module.parameters())
    before = {name: tensor.clone() for name, tensor in module.network.named_parameters()}
    module.training_step(a_batch(), 0).backward()
    next(module.network.parameters()).grad[0] = math.inf
    module.configure_gradient_clipping(optimizer, 1.0, "norm")
    optimizer.step()
    assert module.skipped_steps == 1
    assert all(torch.equal(before[name], tensor) for name, tensor in module.network.named_parameters())


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
@pytest.mark.parametrize(
    ("network", "options", "can"),
    [
        ("afnet", "width = 8", False),
        ("eccamunet", "width = 4", False),
        ("deeplabv3plus", "width = 8", False),
        ("pan", "width = 8", False),
        ("anunet", "width = 2", True),
    ],
)
def test_a_batch_of_one_slice_is_a_step_or_a_sentence(a_recipe, network, options, can):
    """What a network has averaged over a slice is one value, which can't be normalised over a batch of one."""
    text = RECIPE.replace('network = "anunet"', f'network = "{network}"').replace("width = 2", options)
    a_recipe.write_text(text)
    module = SegmentationModule(read_recipe([str(a_recipe)]).as_dict(), Parts([], [], []), steps=10)
    one = LabelledSlice(torch.rand(1, 1, 32, 32), torch.zeros(1, 1, 32, 32).long(), ["slice 1 of a"])
    if can:
        assert torch.isfinite(module.training_step(one, 0))
        return
    with pytest.raises(InputError, match=f"'{network}' can't be trained on one slice at a time.*batch_size"):
        module.training_step(one, 0)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_gradients_of_dilated_convolutions_are_right_in_half_precision(a_recipe):
    """Of 24 channels they were not, channels last."""
    a_recipe.write_text(RECIPE.replace('network = "anunet"', 'network = "omeganet"').replace("width = 2", "width = 12"))
    gradients = []
    for precise in (True, False):
        torch.manual_seed(0)
        recipe = read_recipe([str(a_recipe)]).as_dict()
        module = SegmentationModule(recipe, Parts([], [], []), steps=10)
        with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            loss = module.training_step(a_batch(), 0)
        loss.backward()
        gradients.append(module.network.attention[0][0].features.convolution[0].weight.grad.flatten())
    assert torch.isfinite(gradients[1]).all()
    assert torch.cosine_similarity(*gradients, dim=0) > 0.9


def test_the_plateau_survives_a_checkpoint(a_recipe):
    a_recipe.write_text(RECIPE.replace("epochs = 2", 'epochs = 2\nschedule = "plateau"'))
    recipe = read_recipe([str(a_recipe)]).as_dict()
    first, second = (SegmentationModule(recipe, Parts([], [], []), steps=10) for _ in range(2))
    first.configure_optimizers()
    first.plateau.step(0.75)
    first.skipped_steps = 3
    checkpoint = {}
    first.on_save_checkpoint(checkpoint)
    second.on_load_checkpoint(checkpoint)
    second.configure_optimizers()
    second.on_train_start()
    assert (second.plateau.best, second.skipped_steps) == (0.75, 3)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    writer = SafeCheckpointIO()
    writer.save_checkpoint({"weights": torch.ones(3)}, path)
    whole = path.read_bytes()

    def full(_content, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"can't be written \(No space left on device\); the one before it was kept"):
        writer.save_checkpoint({"weights": torch.zeros(3)}, path)
    assert path.read_bytes() == whole
    assert [one.name for one in tmp_path.iterdir()] == ["last.ckpt"]
    with pytest.raises(InputError, match="there is none yet"):
        writer.save_checkpoint({}, tmp_path / "first.ckpt")


def test_a_run_that_was_moved_still_knows_its_best(tmp_path):
    def best(folder):
        kept = _Kept(dirpath=tmp_path / folder, filename="best", monitor="dice", mode="max")
        kept.dirpath = str(tmp_path / folder)
        return kept

    before, after = best("here"), best("there")
    path = str(tmp_path / "here" / "best.ckpt")
    before.best_k_models, before.best_model_path = {path: torch.tensor(0.9)}, path
    before.best_model_score, before.kth_best_model_path = torch.tensor(0.9), path
    after.load_state_dict(before.state_dict())
    assert after.best_model_score == 0.9
    assert list(after.best_k_models) == [str(tmp_path / "there" / "best.ckpt")]


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_a_run_in_which_no_step_counts_stops(module, monkeypatch):
    monkeypatch.setattr(training.learning.module, "_MOST_SKIPPED", 3)
    optimizer = module.settings.make_optimizer(module.parameters())
    for step in range(3):
        module.training_step(a_batch(), step).backward()
        next(module.network.parameters()).grad[0] = math.nan
        if step < 2:
            module.configure_gradient_clipping(optimizer, 1.0, "norm")
    with pytest.raises(InputError, match="3 steps in a row had no finite gradient"):
        module.configure_gradient_clipping(optimizer, 1.0, "norm")


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_attention_can_be_off_in_a_share_of_the_steps(a_recipe):
    recipe = read_recipe([str(a_recipe)])
    always, never, sometimes = (
        SegmentationModule(recipe.with_changes(attention_off=share).as_dict(), Parts([], [], []), steps=10)
        for share in (0.999, 0.0, 0.5)
    )
    for module in (always, never, sometimes):
        module.load_state_dict(never.state_dict())
    losses = [[module.training_step(a_batch(), index).item() for index in range(6)] for module in (always, never)]
    with AttentionOverride(never.network, switched_off(never.network)):
        assert [never.training_step(a_batch(), index).item() for index in range(6)] == losses[0]
    mixed = [sometimes.training_step(a_batch(), index).item() for index in range(6)]
    assert all(one in losses[0] + losses[1] for one in mixed)
    assert 0 < sum(one in losses[0] for one in mixed) < 6


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_attention_dropout_is_the_same_for_the_same_step_and_none_where_attention_is_off(a_recipe):
    recipe = read_recipe([str(a_recipe)])
    plain, dropped, off, both = (
        SegmentationModule(recipe.with_changes(**changes).as_dict(), Parts([], [], []), steps=10)
        for changes in (
            {},
            {"attention_dropout": 0.5},
            {"attention_off": 0.999},
            {"attention_off": 0.999, "attention_dropout": 0.5},
        )
    )
    for module in (plain, dropped, off, both):
        module.load_state_dict(plain.state_dict())
    losses = [
        [module.training_step(a_batch(), index).item() for index in (0, 1)] for module in (plain, dropped, off, both)
    ]
    assert losses[0][0] == losses[0][1]
    assert len({*losses[0], *losses[1]}) == 3
    assert losses[1] == [dropped.training_step(a_batch(), index).item() for index in (0, 1)]
    assert losses[2] == losses[3]


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_gammas_go_ten_times_as_far_in_a_step(a_recipe):
    """Of a network of width 8: in narrower ones, torch 2.13 writes over memory in the backward pass on AVX2."""
    options = 'width = 8\nbackbone = "resnet34"\nattention = "pam"\nstages = 1\nguided = false'
    text = RECIPE.replace('network = "anunet"', 'network = "msdualguided"').replace("width = 2", options)
    a_recipe.write_text(text.replace("[preprocessing]", "[preprocessing]\nmultiple = 32"))
    gone = []
    for rate in (1.0, 10.0):
        torch.manual_seed(0)
        recipe = read_recipe([str(a_recipe)]).with_changes(gamma_rate=rate).as_dict()
        module = SegmentationModule(recipe, Parts([], [], []), steps=10)
        optimizer = module.configure_optimizers()["optimizer"]
        module.training_step(a_batch(), 0).backward()
        optimizer.step()
        gone.append(torch.cat([gamma.abs() for gamma in gammas(module.network).values()]))
    assert (gone[0] > 0).all()
    torch.testing.assert_close(gone[1], 10 * gone[0])


@pytest.mark.parametrize(
    ("network", "changes", "sentence"),
    [
        ("unet", {"attention_off": 0.2}, "attention_off needs a network with attention"),
        ("unet", {"attention_dropout": 0.2}, "attention_dropout needs a network with attention"),
        ("anunet", {"gamma_rate": 10.0}, "gamma_rate needs a network whose attention has learnt weights"),
    ],
)
def test_what_the_network_has_no_attention_for_is_refused(a_recipe, network, changes, sentence):
    a_recipe.write_text(RECIPE.replace('network = "anunet"', f'network = "{network}"'))
    recipe = read_recipe([str(a_recipe)]).with_changes(**changes).as_dict()
    with pytest.raises(InputError, match=sentence):
        SegmentationModule(recipe, Parts([], [], []), steps=10)


@pytest.mark.parametrize("changes", [{"minutes": 1.0}, {"attention_off": 0.5}])
def test_what_several_devices_can_not_do_together_is_refused(a_recipe, tmp_path, changes):
    recipe = read_recipe([str(a_recipe)]).with_changes(schedule="one_cycle", select="last", **changes)
    with pytest.raises(InputError, match="give --devices 1"):
        train(recipe, tmp_path, tmp_path / "run", RunOptions(devices=2))
