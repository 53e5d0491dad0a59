"""In the panel: absolute self-attention, coefficients over channels, and what is read under the mouse."""

import numpy as np
import pytest
from panel_at_work import SHAPE, pick, show_map, shown_map, words

from AttnSegLib.inference.prediction import AttentionNumbers, ChannelMeans, Peaks

TITLE = "scale 2 step 2 position attention"
CHANNELS = {"scale 1 step 1 channel attention": ChannelMeans((0.25, 0.75), 0.9), "weights": ChannelMeans((1e-31, 0.5))}


@pytest.fixture
def widget_with_looks(widget):
    """The panel with a model that has self-attention."""
    widget.panel.parameters.modelId = "msdualguided-left_atrium-mr"
    return widget


def finish(widget, largest=0.02):
    """A map, 0.75 everywhere relative to the largest coefficient of each slice."""
    worker = widget.panel.session._worker
    region = worker.requests[-1].options.region
    slices = range(SHAPE[0]) if region is None else range(region.start[0], region.stop[0])
    titles = [title for title in worker.requests[-1].options.attention if "position" in title]
    peaks = {title: Peaks(400, {index: largest * (index + 1) for index in slices}) for title in titles}
    worker.finish(numbers=AttentionNumbers(peaks, CHANNELS))
    widget.panel.poll()


def values():
    import slicer

    return slicer.util.arrayFromVolume(shown_map())


def test_self_attention_is_relative_and_says_so(widget_with_looks, ui):
    pick(ui.mapBox, TITLE)
    finish(widget_with_looks)
    index = widget_with_looks.panel.session._worker.requests[-1].options.region.start[0]
    assert (values() == 0.75).all()
    said = (
        f"Relative to the largest of the slice, which is {0.02 * (index + 1):.2g}; evenly each place would get 0.0025."
    )
    assert said in words(ui.attentionLabel)


def test_absolute_coefficients_are_shown_on_request(widget_with_looks, ui, worker):
    pick(ui.mapBox, TITLE)
    finish(widget_with_looks)
    ui.absoluteBox.click()
    index = worker.requests[-1].options.region.start[0]
    finish(widget_with_looks)
    np.testing.assert_allclose(values(), 0.75 * 0.02 * (index + 1), rtol=1e-3)
    assert "Absolute: all places of a slice share out 1, and evenly each would get 0.0025." in words(ui.attentionLabel)
    ui.absoluteBox.click()
    finish(widget_with_looks)
    assert (values() == 0.75).all()


def test_in_the_whole_volume_each_slice_has_its_own_peak(widget_with_looks, ui, worker):
    pick(ui.mapBox, TITLE)
    finish(widget_with_looks)
    ui.wholeVolumeButton.click()
    finish(widget_with_looks)
    ui.absoluteBox.click()
    assert worker.requests[-1].options.region is None  # as it was seen
    finish(widget_with_looks)
    np.testing.assert_allclose(values()[:, 0, 0], 0.015 * np.arange(1, SHAPE[0] + 1), rtol=1e-3)


def test_all_maps_are_absolute_too(widget_with_looks, ui, worker):
    ui.sequenceButton.click()
    finish(widget_with_looks)
    ui.absoluteBox.click()
    assert len(worker.requests[-1].options.attention) == 8
    finish(widget_with_looks)
    for number in (5, 1):
        ui.mapSlider.value = number
        assert values().max() < 0.75
        assert "Absolute" in words(ui.attentionLabel)


def test_a_gate_is_what_it_is(widget, ui, worker):
    show_map(widget)
    requests = len(worker.requests)
    ui.absoluteBox.click()
    assert len(worker.requests) == requests
    assert "elative" not in words(ui.attentionLabel)


def test_coefficients_over_channels_have_a_table(widget_with_looks, ui, worker):
    ui.attentionSection.collapsed = False
    pick(ui.mapBox, TITLE)
    assert worker.requests[-1].options.channels
    finish(widget_with_looks)
    table = ui.channelTable
    rows = [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]
    assert rows == [
        ["scale 1 step 1 channel attention", "2", "0.25", "0.5", "0.75"],
        ["weights", "2", "0", "0.25", "0.5"],
    ]
    assert table.isVisibleTo(ui.attentionSection)
    ui.hideMapsButton.click()
    assert not table.isVisibleTo(ui.attentionSection)


def test_what_a_map_says_is_kept_in_the_scene(widget_with_looks, ui, tmp_path):
    import slicer

    pick(ui.mapBox, TITLE)
    finish(widget_with_looks)
    before = words(ui.attentionLabel)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    widget_with_looks.initializeParameterNode()
    assert words(ui.attentionLabel) == before
    assert ui.channelTable.rowCount == 2


def under_the_mouse(view, volume_node, voxel):
    """The number of the foreground that Slicer's Data Probe prints while the mouse is over a voxel (k, j, i) of a
    volume: of the layer's volume, what its image has at the voxel under the pixel."""
    import slicer

    from AttnSegLib.mrml.volumes import world_affine

    logic = slicer.app.layoutManager().sliceWidget(view).sliceLogic()
    k, j, i = voxel
    place = (world_affine(volume_node) @ [i, j, k, 1])[:3]
    slice_node = logic.GetSliceNode()
    slice_node.JumpSlice(*place)
    to_view = np.linalg.inv(slicer.util.arrayFromVTKMatrix(slice_node.GetXYToRAS()))
    layer = logic.GetForegroundLayer()
    pixel = (to_view @ [*place, 1])[:3]
    found = [round(value) for value in layer.GetXYToIJKTransform().TransformDoublePoint(pixel)]
    return layer.GetVolumeNode().GetImageData().GetScalarComponentAsDouble(*found, 0)


@pytest.mark.parametrize("whole", [False, True])
def test_the_data_probe_shows_the_coefficient_whatever_the_colours(widget, ui, worker, a_node, whole):
    show_map(widget)
    if whole:
        ui.wholeVolumeButton.click()
    else:
        pick(ui.mapBox, "gate 1,2")
    coefficients = np.random.default_rng(0).random(SHAPE).astype(np.float16)
    worker.job.attention["gate 1,2"][...] = coefficients
    finish(widget)
    index = worker.requests[-1].options.region.start[0] if not whole else 4
    for change in (lambda: None, ui.fullScaleBox.click, lambda: setattr(ui.thresholdSlider, "value", 0.9)):
        change()  # what is transparent has its coefficient, too
        for view in ("Red", "Green", "Yellow"):
            for voxel in ((index, 3, 40), (index, 20, 24), (index, 63, 0)):
                assert under_the_mouse(view, a_node, voxel) == coefficients[voxel], (view, voxel)
