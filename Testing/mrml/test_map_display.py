"""Heat maps, looked at: what the views draw, pixel by pixel."""

import numpy as np
import pytest

from AttnSegLib.models.card_file import CARD, load_card

SHAPE = (24, 24, 24)
AFFINE = np.array([[5, 0, 0, 100.0], [0, 5, 0, 200], [0, 0, 5, 300], [0, 0, 0, 1]])  # far from the origin
BALL = np.linalg.norm(np.indices(SHAPE) - 11.5, axis=0)
VIEWS = ("Red", "Green", "Yellow", "3D")


@pytest.fixture
def volume(scene):
    """A bright ball in the views."""
    import slicer

    assert scene is not None
    node = slicer.util.addVolumeFromArray(np.uint8(60 + 60 * (BALL < 7)), ijkToRAS=AFFINE, name="scan")
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevelMinMax(0, 255)
    slicer.util.setSliceViewerLayers(background=node)
    return node


@pytest.fixture
def look(volume, eyes):
    """A function: name of a view to its picture (H, W, 3)."""
    import slicer

    for name in slicer.app.layoutManager().sliceViewNames():
        slicer.app.layoutManager().sliceWidget(name).sliceLogic().FitSliceToAll()
    assert volume.GetScene()
    return eyes.look


@pytest.fixture
def spec(a_model_folder):
    return load_card(a_model_folder / CARD)


@pytest.fixture
def heat_map(volume, spec):
    """Attention that falls from the ball's middle outwards."""
    from AttnSegLib.mrml.heat_maps import write_heat_map_node

    return write_heat_map_node(volume, np.clip(1.2 - BALL / 10, 0, 1), spec, "gate 1,2")


@pytest.fixture
def surface(volume):
    """A green surface of a ball, smaller than where attention is high."""
    import slicer

    from AttnSegLib.mrml import segmentations

    labels = slicer.util.addVolumeFromArray(
        np.uint8(BALL < 5), ijkToRAS=AFFINE, name="labels", nodeClassName="vtkMRMLLabelMapVolumeNode"
    )
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "ball")
    node.CreateDefaultDisplayNodes()
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, node)
    node.GetSegmentation().GetNthSegment(0).SetColor(0, 1, 0)
    slicer.mrmlScene.RemoveNode(labels)
    segmentations.show_surface(node, True)
    assert volume.GetScene() is node.GetScene()
    return node


def changed(before, after):
    """Share of the pixels that differ."""
    return float((before != after).any(axis=2).mean())


def green(picture):
    """(H, W) bool: more green than anything else, as the surface is and nothing else."""
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    return (green > red + 20) & (green > blue + 20)


def test_the_legend_is_a_small_bar_in_the_corner_of_each_slice_view(heat_map, look, eyes):
    from AttnSegLib.mrml import map_display

    size = len(look("Red"))
    map_display.show_heat_map(heat_map, map_display.Look(0.5, 0.15))
    for name in ("Red", "Green", "Yellow"):
        top, bottom, left, right = eyes.legend(name)
        assert top > 0
        assert bottom < size - 1
        assert left > 0
        assert right < size - 1
        assert (bottom - top) * (right - left) < size * size / 10
        assert top > size / 2
        assert left > size / 2


def test_the_legend_has_the_maps_title_and_labels_where_they_are_true(heat_map):
    import slicer

    from AttnSegLib.mrml import map_display

    for full_scale in (True, False):
        map_display.show_heat_map(heat_map, map_display.Look(0.5, 0.15, full_scale))
        legend, display = slicer.modules.colors.logic().GetColorLegendDisplayNode(heat_map), heat_map.GetDisplayNode()
        assert legend.GetTitleText() == "gate 1,2"
        steps = np.linspace(display.GetWindowLevelMin(), display.GetWindowLevelMax(), legend.GetNumberOfLabels())
        np.testing.assert_allclose(steps, [float(legend.GetLabelFormat() % step) for step in steps], atol=1e-9)


def test_faint_coefficients_are_seen_in_their_own_range(volume, spec, look):
    from AttnSegLib.mrml import map_display
    from AttnSegLib.mrml.heat_maps import write_heat_map_node

    faint = write_heat_map_node(volume, 0.1 + 0.05 * np.clip(1.2 - BALL / 10, 0, 1), spec, "gate 1,2")
    contrast = {}
    for full_scale in (False, True):
        map_display.show_heat_map(faint, map_display.Look(1.0, 0.0, full_scale))
        contrast[full_scale] = np.ptp(look("Red")[50:150, 50:150].astype(int))  # without legend and edges
    assert contrast[False] > 2 * contrast[True]


def test_a_step_of_the_threshold_draws_the_map_and_not_the_legend(heat_map, look, eyes):
    import slicer
    import vtk

    from AttnSegLib.mrml import map_display

    map_display.show_heat_map(heat_map, map_display.Look(0.5, 0.15))
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(heat_map)
    before, events = look("Red"), []
    legend.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: events.append(1))
    map_display.adjust_heat_map(heat_map, map_display.Look(0.5, 0.6))
    assert events == []
    assert changed(before, look("Red")) > 0.01
    assert eyes.legend("Red") is not None
    map_display.adjust_heat_map(heat_map, map_display.Look(0.5, 0.6, full_scale=True))
    assert events  # its numbers are others


def test_a_map_is_seen_where_attention_is_above_the_threshold(heat_map, look):
    from AttnSegLib.mrml import map_display

    before = look("Red")
    map_display.show_heat_map(heat_map, map_display.Look(0.5, 0.15))
    wide = changed(before, look("Red"))
    map_display.adjust_heat_map(heat_map, map_display.Look(0.5, 0.9))
    narrow = changed(before, look("Red"))
    assert 0 < narrow < wide


def test_hiding_brings_back_the_picture_of_before(heat_map, surface, look):
    import slicer

    from AttnSegLib.mrml import map_display

    assert surface.GetScene()
    slicer.util.resetThreeDViews()
    before = {name: look(name) for name in VIEWS}
    map_display.show_heat_map(heat_map, map_display.Look(0.5, 0.15))
    map_display.show_volume_rendering(heat_map, map_display.Look(0.5, 0.15))
    assert all(changed(before[name], look(name)) > 0.01 for name in VIEWS)
    map_display.hide_heat_maps(slicer.mrmlScene)
    assert [name for name in VIEWS if changed(before[name], look(name))] == []


def test_a_surface_far_from_the_origin_is_brought_into_view(surface, look):
    from AttnSegLib.mrml import views

    assert surface.GetScene()
    assert not green(look("3D")).any()
    views.reset_3d_views()
    seen = green(look("3D"))
    assert seen[len(seen) // 2, len(seen) // 2]
    assert not seen[0].any()
    assert not seen[-1].any()
    assert not seen[:, 0].any()
    assert not seen[:, -1].any()


def test_volume_rendering_leaves_the_surface_visible_and_follows_the_sliders(heat_map, surface, look):
    from AttnSegLib.mrml import map_display, views

    assert surface.GetScene()
    map_display.show_heat_map(heat_map, map_display.Look(0.5, 0.15))
    views.reset_3d_views()
    bare = look("3D")
    map_display.show_volume_rendering(heat_map, map_display.Look(0.5, 0.15))
    mist = look("3D")
    assert changed(bare, mist) > 0.02  # something is seen around it
    assert green(mist).sum() > 0.8 * green(bare).sum()
    map_display.adjust_heat_map(heat_map, map_display.Look(0.5, 0.95))
    high = look("3D")
    assert changed(bare, high) < changed(bare, mist)
    map_display.adjust_heat_map(heat_map, map_display.Look(0.0, 0.15))
    assert changed(bare, look("3D")) < 0.001


@pytest.mark.parametrize("threshold", [0.0, 0.15, 0.5, 0.99, 1.0])
def test_opacity_in_3d_has_no_jump_for_which_tables_of_colours_are_too_short(heat_map, threshold):
    import slicer

    from AttnSegLib.mrml import map_display

    map_display.show_heat_map(heat_map, map_display.Look(0.6, threshold))
    map_display.show_volume_rendering(heat_map, map_display.Look(0.6, threshold))
    logic = slicer.modules.volumerendering.logic()
    look = logic.GetFirstVolumeRenderingDisplayNode(heat_map).GetVolumePropertyNode().GetVolumeProperty()
    points = [[0.0] * 4 for _ in range(look.GetScalarOpacity().GetSize())]
    for number, point in enumerate(points):
        look.GetScalarOpacity().GetNodeValue(number, point)
    values = [point[0] for point in points]
    assert np.diff(values).min() >= 0.005
    assert (values[0], values[-1]) == (0, 1)
    assert points[-1][1] == pytest.approx(0.6)


def test_another_map_takes_the_place_of_the_one_before(volume, spec, heat_map):
    import slicer

    from AttnSegLib.mrml import map_display
    from AttnSegLib.mrml.heat_maps import write_heat_map_node

    map_display.show_heat_map(heat_map, map_display.Look(0.5, 0.15))
    map_display.show_volume_rendering(heat_map, map_display.Look(0.5, 0.15))
    other = write_heat_map_node(volume, np.ones(SHAPE), spec, "gate 0,0")
    map_display.show_heat_map(other, map_display.Look(0.5, 0.15))
    assert map_display.shown_heat_map(slicer.mrmlScene) is other
    assert not map_display.is_rendered(heat_map)
    assert map_display.is_rendered(other)
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode
    assert (legend(heat_map).GetVisibility(), legend(other).GetVisibility()) == (0, 1)


def test_the_query_points_label_is_its_name(scene):
    from AttnSegLib.mrml import views

    point = views.place_point(scene, lambda _: None)
    point.AddControlPointWorld([1.0, 2.0, 3.0])
    assert point.GetNthControlPointLabel(0) == "where does this look?"


def test_a_result_without_a_map_is_seen_with_what_it_gains_and_loses(volume, spec, look):
    import slicer

    from AttnSegLib.images.orientation import Region
    from AttnSegLib.mrml.switching.outlines import OtherResult, hide_outlines, show_other_result

    bare = {name: look(name) for name in VIEWS}
    box = Region((4, 4, 4), (20, 20, 20))
    with_it, without = np.zeros((2, 16, 16, 16), np.uint8)
    with_it[:, 4:12, 2:10] = without[:, 4:12, 6:14] = spec.labels[0].value
    show_other_result(volume, spec, OtherResult("without it", box, with_it, without))
    picture = look("Red").astype(int)
    red, green, blue = (picture[..., channel] for channel in range(3))
    gained, lost = (green > red + 40) & (green > blue + 40), (red > green + 40) & (blue > green + 40)
    cyan = (np.minimum(green, blue) > red + 100).sum()
    assert gained.sum() == pytest.approx(lost.sum(), rel=0.1)
    assert gained.sum() > 500
    assert 50 < cyan < gained.sum()  # a line
    grey = picture[~gained & ~lost]
    assert (np.ptp(grey, axis=1) < 10).mean() > 0.9  # what stays, and the rest of the scan
    assert changed(bare["3D"], look("3D")) == 0
    hide_outlines(slicer.mrmlScene)
    assert [name for name in VIEWS if changed(bare[name], look(name))] == []
