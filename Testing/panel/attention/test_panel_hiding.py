"""What hides attention maps hides all that belongs to them: legend, rendering, texts, the choice."""

import pytest
from panel_at_work import (
    finish,
    legend_of,
    outline_node,
    pick,
    rendering_of,
    segmented,
    show_all_maps,
    show_map,
    shown_map,
    words,
)


def press_hide(widget):
    widget.ui.hideMapsButton.click()


def choose_none(widget):
    pick(widget.ui.mapBox, "none")


def choose_another_model(widget):
    other = next(spec for spec in widget.panel.models if spec.id != widget.panel.spec.id)
    widget.panel.parameters.modelId = other.id


HIDERS = [press_hide, choose_none, choose_another_model]


@pytest.mark.parametrize("hide", HIDERS)
@pytest.mark.parametrize("show_it", [show_map, show_all_maps])
def test_hiding_hides_everything(widget, ui, parameters, hide, show_it):
    import slicer

    shown = show_it(widget)
    ui.renderingBox.checked = True
    hide(widget)
    assert shown_map() is None
    assert slicer.mrmlScene.IsNodePresent(shown)
    assert not legend_of(shown).GetVisibility()
    assert not rendering_of(shown).GetVisibility()
    assert ui.attentionLabel.text == ""
    assert parameters.attentionMap == ""
    assert ui.mapBox.currentText == "none"
    assert not ui.renderingBox.checked
    assert not ui.hideMapsButton.enabled
    assert not ui.renderingBox.enabled
    assert not ui.wholeVolumeButton.enabled
    assert not ui.mapSlider.enabled


def test_a_closed_scene_leaves_nothing_of_a_map(widget, ui):
    import slicer

    show_all_maps(widget)
    ui.renderingBox.checked = True
    slicer.mrmlScene.Clear(0)
    assert ui.attentionLabel.text == ""
    assert ui.mapBox.currentText == "none"
    assert not ui.hideMapsButton.enabled
    assert not ui.renderingBox.checked
    assert not ui.mapSlider.enabled


def test_a_map_that_is_taken_out_of_the_views_by_hand_takes_its_legend_along(widget, ui):
    import slicer

    shown = show_map(widget)
    for name in ("Red", "Green", "Yellow"):
        slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}").SetForegroundVolumeID(None)
    assert not legend_of(shown).GetVisibility()
    assert ui.attentionLabel.text == ""
    assert not ui.hideMapsButton.enabled


def test_a_map_of_a_loaded_scene_obeys_sliders_and_hide(widget, ui, tmp_path):
    import slicer

    show_map(widget)
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(path)
    widget.initializeParameterNode()
    shown = shown_map()
    assert words(ui.attentionLabel).startswith("gate 1,2")
    ui.fullScaleBox.click()
    ui.thresholdSlider.value = 0.7
    assert shown.GetDisplayNode().GetLowerThreshold() == pytest.approx(0.7)
    ui.hideMapsButton.click()
    assert shown_map() is None


def test_a_map_of_a_model_that_is_not_here_stays(widget, ui):
    shown = show_map(widget)
    shown.SetAttribute("AttnSeg.model", "somebody else's")
    widget.panel.refresh()
    assert shown_map() is shown
    assert ui.hideMapsButton.enabled


def has_fill(segmentation):
    return bool(segmentation.GetDisplayNode().GetVisibility2DFill())


def test_a_map_is_seen_inside_of_the_organ_and_hide_brings_the_fill_back(widget, ui):
    import slicer

    segmentation = segmented(widget)
    plain = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "outlines by hand")
    plain.CreateDefaultDisplayNodes()
    plain.GetDisplayNode().SetVisibility2DFill(False)
    show_map(widget)
    assert not has_fill(segmentation)
    assert segmentation.GetDisplayNode().GetVisibility2DOutline()
    show_map(widget, "gate 0,1")
    ui.hideMapsButton.click()
    assert has_fill(segmentation)
    assert not has_fill(plain)


def test_a_new_segmentation_leaves_the_map_visible(widget, ui):
    import slicer

    show_map(widget)
    segmentation = segmented(widget)
    assert not has_fill(segmentation)
    for name in ("Red", "Green", "Yellow"):
        slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}").SetForegroundVolumeID(None)  # by hand
    widget.panel.refresh()
    ui.hideMapsButton.click()
    assert has_fill(segmentation)


def test_what_is_gained_and_lost_stays_filled(widget, ui):
    show_map(widget)
    ui.switchButton.click()
    finish(widget)
    show_map(widget)
    ui.switchButton.click()
    finish(widget)
    assert has_fill(outline_node())
