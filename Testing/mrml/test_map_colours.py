"""Which colours a map has in the panel: its own range, 0 to 1, and blue for what is subtracted."""

import numpy as np
import pytest
from panel_at_work import finish, legend_of, pick, show_map, shown_map, words


def test_the_range_of_colours_is_the_maps_own_until_0_to_1_is_asked_for(widget, ui, worker):
    pick(ui.mapBox, "gate 1,2")
    worker.job.attention["gate 1,2"][...] = np.linspace(0.03, 0.15, 64)[:, None]
    finish(widget)
    display = shown_map().GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    assert (low, high) == (pytest.approx(0.032, abs=1e-3), pytest.approx(0.148, abs=1e-3))
    assert words(ui.attentionLabel).startswith(f"gate 1,2: coefficients from {low:.3f} (dark) to {high:.3f} (bright)")
    ui.thresholdSlider.value = 0.5  # in the middle of the range
    assert display.GetLowerThreshold() == pytest.approx((low + high) / 2)
    ui.fullScaleBox.click()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 1)
    assert words(ui.attentionLabel).startswith("gate 1,2: coefficients from 0.00 (dark) to 1.00 (bright)")
    ui.fullScaleBox.click()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (low, high)


def test_each_of_all_maps_has_its_own_range(widget, ui, worker):
    ui.sequenceButton.click()
    for number, array in enumerate(worker.job.attention.values()):
        array[...] = np.linspace(0, 0.1 * (number + 1), 64)[:, None]
    finish(widget)
    display = shown_map().GetDisplayNode()
    for number in (2, 7):
        ui.mapSlider.value = number
        assert display.GetWindowLevelMax() == pytest.approx(0.098 * (number + 1), rel=0.02)


def test_a_map_that_is_subtracted_is_blue_and_says_so(widget, ui, parameters):
    parameters.modelId = "msdualguided-left_atrium-mr"
    spec = widget.panel.spec
    for title in (
        "scale 4 step 2 position attention",
        "scale 2 step 2 position attention",
    ):  # the first has a gamma below 0
        show_map(widget, title)
        colors = shown_map().GetDisplayNode().GetColorNode()
        middle = [0.0] * 4
        colors.GetColor(colors.GetNumberOfColors() // 2, middle)
        is_subtracted = spec.influence_of(title).gamma < 0
        assert (middle[2] > middle[0]) == is_subtracted
        assert ("subtracted" in legend_of(shown_map()).GetTitleText()) == is_subtracted
        assert ("subtracted" in words(ui.attentionLabel)) == is_subtracted
        assert f"{spec.influence_of(title).gamma:+.2f}" in words(ui.attentionLabel)
