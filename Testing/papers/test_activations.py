"""EC-CaM-UNet's Fig. 6: what attention puts out."""

import numpy as np
import pytest
import torch

from AttnSegLib import networks
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.preprocessing import Preprocessing
from training.papers.activations import WEIGHED, ShownSlice, activation, draw_activations
from training.papers.systems import published, system
from training.slices.case import Labelled


@pytest.fixture
def shown():
    """Of three slices the second has most of the organ."""
    voxels = np.random.default_rng(0).random((3, 32, 64), np.float32)
    labels = np.zeros((3, 32, 64), np.uint8)
    labels[0, :2], labels[1, 8:24, 20:40] = 1, 1
    volume = Volume(voxels, np.diag([1.0, 1.0, 5.0, 1.0]))
    return ShownSlice.of(Labelled(volume, labels), Preprocessing("axial", window=(0, 1), multiple=32))


def test_the_slice_with_most_of_the_organ_is_shown(shown):
    assert shown.image.shape == (1, 1, 32, 64)
    assert np.count_nonzero(shown.truth) == 16 * 20


@pytest.mark.parametrize("row", published("ec-cam-unet", "figure6")["TCIA"].rows, ids=lambda row: row.method)
def test_every_row_of_the_figure_has_a_map_from_0_to_1(row, shown):
    made = system("ec-cam-unet", row.method)
    assert made.network in WEIGHED
    torch.manual_seed(0)
    found = activation(networks.create(made.network, **made.options, width=4), made.network, shown.image)
    assert found.shape == (32, 64)
    assert (found.min(), found.max()) == (0, 1)


def test_it_is_what_the_attention_puts_out(shown):
    """Of squeeze and excitation with weights of 0.5 on features of 1: the same everywhere, which is drawn as 0."""
    network = networks.create("seunet", width=4)
    network.bottom.attention.register_forward_hook(lambda _module, _inputs, output: torch.ones_like(output))
    assert activation(network, "seunet", shown.image).max() == 0


def test_the_page_has_a_picture_for_input_truth_and_each_row(shown, tmp_path):
    draw_activations(tmp_path / "figure6.png", shown, {"a": shown.truth * 1.0, "b": shown.truth * 0.5})
    assert (tmp_path / "figure6.png").stat().st_size > 5000
