"""Examples beside a made table: slices of cases, and what each row found there."""

import numpy as np
from made_up.balls import RECIPE
from test_activations import shown  # noqa: F401  # a fixture
from torch import nn

from AttnSegLib.networks.output import SegmentationOutput
from training.learning.recipe import read_recipe
from training.papers.examples import draw_examples, found_in


class Bright(nn.Module):
    """Foreground where the slice is brighter than a half."""

    def forward(self, x):
        return SegmentationOutput(x - 0.5)


def test_labels_are_those_of_the_network(shown):  # noqa: F811
    found = found_in(Bright(), {"a": shown})["a"]
    assert np.array_equal(found, (shown.image[0, 0] > 0.5).numpy())
    assert 0 < found.mean() < 1


def test_the_page_has_a_line_for_each_case_and_a_column_for_each_row(shown, tmp_path):  # noqa: F811
    (tmp_path / "recipe.toml").write_text(RECIPE)
    labels = read_recipe([str(tmp_path / "recipe.toml")]).labels
    truth = shown.truth.astype(np.uint8)
    found = {"U-Net": {"a": truth, "b": 0 * truth}, "ANU-Net": {"a": 0 * truth, "b": truth}}
    draw_examples(tmp_path / "a.png", {"a": shown, "b": shown}, found, labels)
    assert (tmp_path / "a.png").stat().st_size > 5000
