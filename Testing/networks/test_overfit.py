"""Each network can learn: two real slices by heart."""

import pytest
import torch

from AttnSegLib import networks
from AttnSegLib.images.volume import read_label_map, read_volume
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.places import resource_folder
from AttnSegLib.models.preprocessing import Preprocessing
from AttnSegLib.results import metrics
from training.learning.losses import LOSSES
from training.slices.dataset import one_hot

RECIPES = {  # loss, steps, largest learning rate
    "afnet": ("af", 150, 1e-2),
    "anunet": ("anu", 90, 3e-2),
    "eccamunet": ("ec_cam", 80, 1e-2),
    "msdualguided": ("ms_dual_guided", 150, 2e-2),
    "omeganet": ("omega", 75, 1e-2),
}


@pytest.fixture(scope="module")
def two_slices():
    """Slices of the sample case with the left atrium in them, 64 x 64 pixels around its middle."""
    sample = resource_folder("Samples") / "left_atrium_mr"
    volume = read_volume(sample / "image.nrrd")
    labels = read_label_map(sample / "labels.nrrd", volume)
    stack = SliceStack.of(volume, Preprocessing("acquired", pixel_spacing=2.0, percentiles=(0.5, 99.5)))
    indices = [60, 70]
    targets = stack.targets(labels, indices, 1)
    row, column = (int(place.float().mean()) for place in targets.nonzero(as_tuple=True)[1:])
    window = (..., slice(row - 32, row + 32), slice(column - 32, column + 32))
    return stack.slices(indices)[window], targets[:, None][window]


def overfit(network, recipe, images, target):
    loss, steps, rate = LOSSES[recipe[0]], *recipe[1:]
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    for _ in range(steps):
        output = network(images)
        total = loss(output, target) + (0 if output.penalty is None else output.penalty)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_learns_two_real_slices_by_heart(name, two_slices):
    images, labels = two_slices
    torch.manual_seed(0)
    network = networks.create(name, width=8).train()
    overfit(network, RECIPES[name], images, one_hot(labels, 1))
    with torch.inference_mode():
        predicted = network.eval()(images).logits > 0
    dice = metrics.dice(labels.numpy() > 0, predicted.numpy())
    assert dice > 0.95
