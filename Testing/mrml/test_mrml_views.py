"""What the slice views show: the preview, heat maps, slices, a point."""

import gc

import numpy as np
import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.images.orientation import Region
from AttnSegLib.models.card_file import CARD, load_card

SHAPE = (5, 6, 7)
OBLIQUE = np.array([[-0.8, 0.6, 0, 5.0], [0.6, 0.8, 0, -7.0], [0, 0, 2.5, 11.0], [0, 0, 0, 1]]) * [1.25, 1.5, 1, 1]


@pytest.fixture
def volume(scene):
    import slicer

    assert scene is not None
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return slicer.util.addVolumeFromArray(voxels, ijkToRAS=OBLIQUE, name="scan")


@pytest.fixture
def spec(a_model_folder):
    return load_card(a_model_folder / CARD)


def composites(scene):
    return [
        scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
        for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
    ]


def count(scene, kind):
    return scene.GetNumberOfNodesByClass(kind)


def test_the_preview_shows_finished_slices_and_leaves_no_trace(scene, volume, spec):
    import slicer

    from AttnSegLib.mrml.preview import Preview

    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "my label map")
    for composite in composites(scene):
        composite.SetLabelVolumeID(mine.GetID())
        composite.SetLabelOpacity(0.3)
    before = scene.GetNumberOfNodes()
    preview = Preview(volume, spec.labels)
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[:, 2:4] = 1
    preview.update(0, [1, 3], label_map)
    shown = scene.GetNodeByID(composites(scene)[0].GetLabelVolumeID())
    expected = np.zeros(SHAPE, np.uint8)
    expected[[1, 3]] = label_map[[1, 3]]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(shown), expected)
    preview.update(2, [6], label_map)
    assert slicer.util.arrayFromVolume(shown)[0, 2, 6] == 1
    preview.remove()
    assert scene.GetNumberOfNodes() == before
    assert {(c.GetLabelVolumeID(), c.GetLabelOpacity()) for c in composites(scene)} == {(mine.GetID(), 0.3)}
    preview.remove()


def test_the_preview_survives_a_scene_that_is_closed(scene, volume, spec):
    from AttnSegLib.mrml.preview import Preview

    preview = Preview(volume, spec.labels)
    scene.Clear(0)
    preview.update(0, [1], np.ones(SHAPE, np.uint8))
    preview.remove()


def test_a_heat_map_lies_on_the_volume(scene, volume, spec):
    import slicer

    from AttnSegLib.mrml import heat_maps, map_display, volumes

    coefficients = np.linspace(0, 0.5, np.prod(SHAPE)).reshape(SHAPE).astype(np.float16)
    node = heat_maps.write_heat_map_node(volume, coefficients, spec, "gate 0,1")
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), coefficients.astype(np.float32))
    np.testing.assert_allclose(volumes.node_affine(node), volumes.node_affine(volume), rtol=1e-14)
    map_display.show_heat_map(node, map_display.Look(0.5, 0.5, full_scale=True))
    display = node.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 1)
    assert not display.GetAutoWindowLevel()
    color = [0.0] * 4
    display.GetColorNode().GetColor(255, color)
    assert color[0] > 0.95  # Inferno ends in a pale yellow
    assert color[2] == pytest.approx(0.64, abs=0.02)
    assert count(scene, "vtkMRMLScalarVolumeNode") == 2
    heat_maps.write_heat_map_node(volume, coefficients, spec, "gate 0,1")
    assert count(scene, "vtkMRMLScalarVolumeNode") == 2


def test_one_slice_of_a_heat_map_lies_where_it_belongs(volume, spec):
    import slicer

    from AttnSegLib.mrml import heat_maps, volumes

    coefficients = np.random.default_rng(0).random(SHAPE)
    region = Region((2, 1, 3), (3, 6, 7))
    node = heat_maps.write_heat_map_node(volume, coefficients, spec, "gate 0,1", region)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(node), coefficients[region.slices], rtol=1e-6)
    corner = volumes.node_affine(node) @ [0, 0, 0, 1]
    np.testing.assert_allclose(corner, volumes.node_affine(volume) @ [3, 1, 2, 1], atol=1e-12)


def test_showing_and_hiding_heat_maps(scene, volume, spec):
    import slicer

    from AttnSegLib.mrml import heat_maps, map_display

    node = heat_maps.write_heat_map_node(volume, np.ones(SHAPE), spec, "gate 0,1")
    map_display.show_heat_map(node, map_display.Look(0.7, 0.25, full_scale=True))
    assert {c.GetForegroundVolumeID() for c in composites(scene)} == {node.GetID()}
    assert {c.GetForegroundOpacity() for c in composites(scene)} == {0.7}
    assert node.GetDisplayNode().GetApplyThreshold()
    assert node.GetDisplayNode().GetLowerThreshold() == 0.25
    mine = slicer.util.addVolumeFromArray(np.ones(SHAPE), name="mine")
    composites(scene)[0].SetForegroundVolumeID(mine.GetID())
    map_display.hide_heat_maps(scene)
    assert composites(scene)[0].GetForegroundVolumeID() == mine.GetID()
    assert composites(scene)[1].GetForegroundVolumeID() is None
    assert scene.IsNodePresent(node)


def test_all_maps_are_a_sequence_in_order(scene, volume, spec):
    import slicer

    from AttnSegLib.mrml import heat_maps, map_display

    single = heat_maps.write_heat_map_node(volume, np.ones(SHAPE), spec, "gate 0,1")
    maps = {f"gate 0,{n}": np.full(SHAPE, n / 4) for n in range(3)}
    shown = heat_maps.heat_map_sequence(volume, maps, spec)
    sequence = scene.GetFirstNodeByClass("vtkMRMLSequenceNode")
    assert [sequence.GetNthIndexValue(n) for n in range(3)] == list(maps)
    assert sequence.GetIndexUnit() == ""  # else a tool bar counts gates in seconds
    assert slicer.util.arrayFromVolume(sequence.GetNthDataNode(2)).max() == 0.5
    assert count(scene, "vtkMRMLScalarVolumeNode") == 3  # the scan, the single map, and what follows the sequence
    assert slicer.util.arrayFromVolume(single).max() == 1
    map_display.show_heat_map(shown, map_display.Look(0.5, 0.1, full_scale=True))
    assert shown.GetDisplayNode().GetWindowLevelMax() == 1
    map_display.hide_heat_maps(scene)
    assert composites(scene)[0].GetForegroundVolumeID() is None


def test_a_step_shows_another_map_under_its_own_name(volume, spec):
    import slicer

    from AttnSegLib.mrml import heat_maps, map_display

    shown = heat_maps.heat_map_sequence(volume, {f"gate 0,{n}": np.full(SHAPE, n / 4) for n in range(3)}, spec)
    map_display.show_heat_map(shown, map_display.Look(0.5, 0.1))
    heat_maps.map_browser(shown).SetSelectedItemNumber(2)
    map_display.name_seen_map(shown)
    assert slicer.util.arrayFromVolume(shown).max() == 0.5
    assert (heat_maps.map_title(shown), shown.GetName()) == ("gate 0,2", "all maps: gate 0,2")
    assert slicer.modules.colors.logic().GetColorLegendDisplayNode(shown).GetTitleText() == "gate 0,2"


def test_all_maps_again_take_the_place_of_the_first_ones(scene, volume, spec):
    import slicer

    from AttnSegLib.mrml import heat_maps

    shown = heat_maps.heat_map_sequence(volume, {f"gate 0,{n}": np.full(SHAPE, n / 4) for n in range(3)}, spec)
    heat_maps.map_browser(shown).SetSelectedItemNumber(1)
    before = scene.GetNumberOfNodes()
    again = heat_maps.heat_map_sequence(volume, {f"gate 0,{n}": np.full(SHAPE, n / 2) for n in range(3)}, spec)
    assert again is shown
    assert scene.GetNumberOfNodes() == before
    assert heat_maps.map_title(shown) == "gate 0,1"
    assert slicer.util.arrayFromVolume(shown).max() == 0.5
    assert count(scene, "vtkMRMLSequenceNode") == count(scene, "vtkMRMLSequenceBrowserNode") == 1


@pytest.mark.parametrize("kind", ["vtkMRMLSequenceBrowserNode", "vtkMRMLScalarVolumeNode"])
def test_all_maps_again_after_a_part_of_them_was_removed(scene, volume, spec, kind):
    from AttnSegLib.mrml import heat_maps

    shown = heat_maps.heat_map_sequence(volume, {"gate 0,0": np.ones(SHAPE)}, spec)
    scene.RemoveNode(shown if shown.IsA(kind) else heat_maps.map_browser(shown))
    again = heat_maps.heat_map_sequence(volume, {"gate 0,0": np.ones(SHAPE)}, spec)
    assert heat_maps.map_title(again) == "gate 0,0"
    assert count(scene, "vtkMRMLSequenceNode") == count(scene, "vtkMRMLSequenceBrowserNode") == 1


def test_volume_rendering_needs_its_module(volume, spec, monkeypatch):
    import slicer

    from AttnSegLib.mrml import heat_maps, map_display

    monkeypatch.delattr(slicer.modules, "volumerendering")
    node = heat_maps.write_heat_map_node(volume, np.ones(SHAPE), spec, "gate 0,1")
    map_display.show_heat_map(node, map_display.Look(0.5, 0.1))
    with pytest.raises(InputError, match="not there in this application"):
        map_display.show_volume_rendering(node, map_display.Look(0.5, 0.1))
    map_display.hide_heat_maps(node.GetScene())


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("turned", [False, True])
def test_the_slice_in_view_is_the_one_that_was_jumped_to(volume, axis, turned):
    import slicer

    from AttnSegLib.mrml import views

    if turned:
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = np.array([[0, -1, 0, 10.0], [1, 0, 0, 0], [0, 0, 1, 40], [0, 0, 0, 1]])
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        volume.SetAndObserveTransformNodeID(transform.GetID())
    for index in (0, 3, SHAPE[axis] - 1):
        views.jump_to_slice(volume, axis, index)
        assert views.slice_in_view(volume, axis) == index


def test_a_view_outside_the_volume_means_its_nearest_slice(scene, volume):
    from AttnSegLib.mrml import views

    scene.GetNodeByID("vtkMRMLSliceNodeRed").JumpSliceByOffsetting(0, 0, 9999)
    assert views.slice_in_view(volume, 0) == SHAPE[0] - 1


def test_a_query_point_tells_its_place_and_goes_without_trace(scene, volume):
    from AttnSegLib.mrml import views, volumes

    told = []
    before = scene.GetNumberOfNodes()
    point = views.place_point(scene, told.append)
    assert views.placed_point(scene) is point
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    place = (volumes.world_affine(volume) @ [4, 2, 1, 1])[:3]
    point.AddControlPointWorld(place.tolist())
    assert views.voxel_at(volume, told[-1]) == (1, 2, 4)
    point.SetNthControlPointPositionWorld(0, [9999.0, 0.0, 0.0])
    assert views.voxel_at(volume, told[-1]) is None
    views.remove_point(scene)
    assert scene.GetNumberOfNodes() == before
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform  # the next click places nothing
    views.remove_point(scene)


def test_a_point_that_nobody_holds_is_heard_after_garbage_was_collected(scene):
    """An observer that holds its node would be taken for garbage with it, and the next event would crash."""
    from AttnSegLib.mrml import views

    told = []
    views.place_point(scene, told.append)
    gc.collect()
    views.placed_point(scene).AddControlPointWorld([1.0, 2.0, 3.0])
    assert told[-1] == pytest.approx((1, 2, 3))
    views.remove_point(scene)


def test_between_two_slices_it_is_the_one_that_the_view_draws(volume):
    import slicer

    from AttnSegLib.mrml import views, volumes

    for between in (1.5, 2.5):
        middle = volumes.world_affine(volume) @ [0, 0, between, 1]
        slicer.vtkMRMLSliceNode.JumpAllSlices(volume.GetScene(), *middle[:3].tolist(), 0)
        assert views.slice_in_view(volume, 0) == between + 0.5
