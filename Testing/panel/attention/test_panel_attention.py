"""The panel's section "Attention": a map, all maps, in 3D, where one place looks."""

import dataclasses

import pytest
from panel_at_work import (
    SHAPE,
    finish,
    legend_of,
    pick,
    rendering_of,
    said,
    segmented,
    show_all_maps,
    show_map,
    shown_map,
    words,
)


def test_a_map_of_the_slice_in_view_becomes_the_foreground(widget, ui, worker, a_node):
    import slicer

    pick(ui.mapBox, "gate 1,2")
    region = worker.requests[0].options.region
    assert region.stop[0] - region.start[0] == 1
    finish(widget)
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    shown = slicer.mrmlScene.GetNodeByID(red.GetForegroundVolumeID())
    assert shown.GetName() == "attention: gate 1,2"
    assert slicer.util.arrayFromVolume(shown).shape == (1, 64, 48)
    assert red.GetForegroundOpacity() == pytest.approx(0.5)
    ui.opacitySlider.value = 0.8
    assert red.GetForegroundOpacity() == pytest.approx(0.8)
    ui.fullScaleBox.click()
    ui.thresholdSlider.value = 0.4
    assert shown.GetDisplayNode().GetLowerThreshold() == pytest.approx(0.4)
    ui.hideMapsButton.click()
    assert red.GetForegroundVolumeID() is None
    assert slicer.mrmlScene.IsNodePresent(shown)
    assert a_node.GetDisplayNode() is not shown.GetDisplayNode()


def test_what_the_user_lays_over_the_image_stays_there(widget, ui, a_node):
    import slicer

    show_map(widget)
    red, green = (slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in ("Red", "Green"))
    red.SetForegroundVolumeID(a_node.GetID())
    red.SetForegroundOpacity(0.25)
    widget.panel.refresh()
    ui.opacitySlider.value = 0.8
    assert (red.GetForegroundVolumeID(), red.GetForegroundOpacity()) == (a_node.GetID(), 0.25)
    assert green.GetForegroundOpacity() == pytest.approx(0.8)
    green.SetForegroundOpacity(0.1)  # by hand, in the view itself
    widget.panel.refresh()
    assert green.GetForegroundOpacity() == pytest.approx(0.1)
    pick(ui.mapBox, "gate 1,2")  # asked for again
    finish(widget)
    assert red.GetForegroundVolumeID() == green.GetForegroundVolumeID() != a_node.GetID()


def test_a_map_of_the_whole_volume(widget, ui, worker):
    import slicer

    pick(ui.mapBox, "gate 1,2")
    finish(widget)
    ui.wholeVolumeButton.click()
    assert worker.requests[-1].options.region is None
    finish(widget)
    assert slicer.util.arrayFromVolume(slicer.util.getNode("attention: gate 1,2")).shape == SHAPE


def test_all_maps_become_a_sequence(widget, ui, worker):
    import slicer

    ui.sequenceButton.click()
    assert len(worker.requests[0].options.attention) == 10
    finish(widget)
    sequence = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSequenceNode")
    assert sequence.GetNumberOfDataNodes() == 10
    assert sequence.GetIndexName() == "gate"


def test_a_slider_steps_through_all_maps_and_the_panel_names_the_one_that_is_seen(widget, ui, parameters):
    assert not ui.mapSlider.enabled
    shown = show_all_maps(widget)
    titles = widget.panel.spec.facts.maps
    assert ui.mapSlider.enabled
    assert (ui.mapSlider.minimum, ui.mapSlider.maximum) == (0, 9)
    for number in (3, 9, 0):
        ui.mapSlider.value = number
        assert words(ui.attentionLabel).startswith(f"{titles[number]}: coefficients")
        assert ui.mapBox.currentData == titles[number] == parameters.attentionMap
        assert legend_of(shown).GetTitleText() == titles[number]
        assert shown.GetName() == f"all maps: {titles[number]}"
    show_map(widget)
    assert not ui.mapSlider.enabled


def test_slicers_own_tool_bar_steps_too(widget, ui):
    import slicer

    from AttnSegLib.mrml.heat_maps import map_browser

    browser = map_browser(show_all_maps(widget))
    assert slicer.modules.sequences.shown_browser is browser
    browser.SetSelectedItemNumber(4)
    assert ui.mapSlider.value == 4
    assert ui.mapBox.currentData == widget.panel.spec.facts.maps[4]


def test_all_maps_again_replace_the_first_ones_and_stay_at_the_map_that_is_seen(widget, ui):
    import slicer

    show_all_maps(widget)
    ui.mapSlider.value = 3
    show_all_maps(widget)
    for kind in ("vtkMRMLSequenceNode", "vtkMRMLSequenceBrowserNode"):
        assert slicer.mrmlScene.GetNumberOfNodesByClass(kind) == 1
    assert ui.mapSlider.value == 3
    assert words(ui.attentionLabel).startswith(widget.panel.spec.facts.maps[3])


def test_a_map_that_is_computed_is_the_choice_while_another_is_seen(widget, ui):
    show_map(widget, "gate 1,2")
    pick(ui.mapBox, "gate 0,1")
    assert ui.mapBox.currentData == "gate 0,1"
    assert words(ui.attentionLabel).startswith("gate 1,2")
    finish(widget)
    assert words(ui.attentionLabel).startswith("gate 0,1")


def listed(ui):
    return [ui.mapBox.itemText(index) for index in range(1, ui.mapBox.count)]


def test_the_list_is_in_the_order_of_influence_and_says_it_beside_each_map(widget, ui, worker):
    spec = widget.panel.spec
    weak, strong = (next(one for one in spec.influence.maps if one.matters is matters) for matters in (False, True))
    assert listed(ui)[0].startswith(spec.maps_by_influence[0])
    assert f"{strong.map} (influence {strong.influence:.2f})" in listed(ui)
    assert f"{weak.map} (influence {weak.influence:.3f}: changes next to nothing)" in listed(ui)
    facts = dataclasses.replace(spec.influence, maps=(weak, strong))  # and those that were not measured come last
    widget.panel.models = [dataclasses.replace(spec, influence=facts)]
    widget.panel.refresh()
    assert [ui.mapBox.itemData(index) for index in (1, 2)] == [strong.map, weak.map]
    assert listed(ui)[2].endswith("(influence not measured)")
    ui.sequenceButton.click()
    assert worker.requests[-1].options.attention[:2] == (strong.map, weak.map)


def test_the_text_says_the_influence_of_the_map_that_is_seen(widget, ui):
    spec = widget.panel.spec
    title = next(one.map for one in spec.influence.maps if not one.matters)
    show_map(widget, title)
    assert words(ui.attentionLabel).endswith(f"On the card: {spec.words_on(title)}.")
    shown_map().SetAttribute("AttnSeg.model", "somebody else's")
    widget.panel.refresh()
    assert "On the card" not in words(ui.attentionLabel)


def test_the_text_follows_the_threshold(widget, ui):
    show_map(widget)
    ui.fullScaleBox.click()
    ui.thresholdSlider.value = 0.6
    assert "from 0.60 up" in words(ui.attentionLabel)


# in 3D


def highest(node):
    """Opacity of the highest attention in 3D."""
    return rendering_of(node).GetVolumePropertyNode().GetVolumeProperty().GetScalarOpacity().GetValue(1)


def test_volume_rendering_follows_the_sliders(widget, ui):
    shown = show_map(widget)
    ui.renderingBox.checked = True
    assert rendering_of(shown).GetVisibility()
    assert highest(shown) == pytest.approx(0.5)
    ui.opacitySlider.value = 0.8
    assert highest(shown) == pytest.approx(0.8)
    ui.renderingBox.checked = False
    assert not rendering_of(shown).GetVisibility()


def test_volume_rendering_where_there_is_none_says_so(widget, ui, monkeypatch):
    import slicer

    show_map(widget)
    monkeypatch.delattr(slicer.modules, "volumerendering")
    ui.renderingBox.checked = True
    assert "Volume rendering" in said(widget)
    assert not ui.renderingBox.checked


def test_the_surface_and_the_map_are_brought_into_view(widget, ui, monkeypatch):
    import slicer

    resets = []
    monkeypatch.setattr(slicer.app.layoutManager(), "resetThreeDViews", lambda: resets.append(1))
    segmented(widget)
    ui.surfaceBox.checked = True
    assert len(resets) == 1
    show_map(widget)
    ui.renderingBox.checked = True
    assert len(resets) == 2


# where one place looks


def give_self_attention(widget):
    """A model that can be asked where a place looks."""
    spec = widget.panel.spec
    facts = dataclasses.replace(spec.facts, maps=("self",), queries=("self",))
    widget.panel.models = [dataclasses.replace(spec, facts=facts)]
    widget.panel.refresh()


def test_a_query_point_shows_where_it_looks_as_it_moves(widget, ui, worker):
    import slicer

    give_self_attention(widget)
    ui.queryButton.click()
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    point = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode")
    point.AddControlPointWorld([15.0, 20.0, 40.0])  # voxels are 2 x 2 x 5 mm
    assert worker.requests[-1].options.query == (3, 20, 10)
    point.SetNthControlPointPositionWorld(0, [15.0, 22.0, 40.0])
    point.SetNthControlPointPositionWorld(0, [15.0, 30.0, 40.0])
    assert len(worker.requests) == 1  # the last one waits
    finish(widget)
    assert [request.options.query for request in worker.requests[1:]] == [(3, 20, 15)]
    assert slicer.util.getNode("attention: self")
    ui.queryButton.click()
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode") is None


def test_without_self_attention_there_is_nothing_to_query(ui):
    assert not ui.queryButton.enabled


def test_the_query_button_is_up_when_the_point_is_gone(widget, ui):
    import slicer

    from AttnSegLib.mrml import views

    give_self_attention(widget)
    ui.queryButton.click()
    views.remove_point(slicer.mrmlScene)
    widget.panel.refresh()
    assert not ui.queryButton.checked
    ui.queryButton.click()
    slicer.mrmlScene.Clear(0)
    assert not ui.queryButton.checked


def test_a_model_without_self_attention_takes_the_point_away(widget, ui):
    import slicer

    give_self_attention(widget)
    ui.queryButton.click()
    widget.panel.reload_models()
    assert not ui.queryButton.checked
    assert not ui.queryButton.enabled
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode") is None


def test_a_point_outside_of_the_volume_asks_nothing(widget, ui, worker):
    import slicer

    give_self_attention(widget)
    ui.queryButton.click()
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode").AddControlPointWorld([999.0, 0.0, 0.0])
    assert worker.requests == []
