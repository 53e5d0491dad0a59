"""Results in segmentation nodes: nothing else is touched, and everything can be undone."""

import dataclasses

import numpy as np
import pytest

from AttnSegLib.models.card_file import CARD, load_card

SHAPE = (5, 6, 7)
OBLIQUE = np.array([[-0.8, 0.6, 0, 5.0], [0.6, 0.8, 0, -7.0], [0, 0, 2.5, 11.0], [0, 0, 0, 1]]) * [1.25, 1.5, 1, 1]


@pytest.fixture
def segmentations(scene):
    from AttnSegLib.mrml import segmentations

    assert scene is not None
    return segmentations


@pytest.fixture
def volume(scene):
    import slicer

    assert scene is not None
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return slicer.util.addVolumeFromArray(voxels, ijkToRAS=OBLIQUE, name="scan")


@pytest.fixture
def spec(a_model_folder):
    """A model with two labels."""
    spec = load_card(a_model_folder / CARD)
    (atrium,) = spec.labels
    return dataclasses.replace(spec, labels=(atrium, dataclasses.replace(atrium, value=2, name="Right atrium")))


@pytest.fixture
def label_map():
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 2:4, 1:5] = 1
    labels[3:5, 0:2, 5:7] = 2
    return labels


def voxels_of(node, segment_id, volume):
    from AttnSegLib.mrml import segmentations

    return segmentations.labels_of_segment(node, segment_id, volume)


def ids(node):
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]


def test_segments_are_named_coloured_coded_and_exact(segmentations, volume, spec, label_map):
    import slicer

    change = segmentations.write_segmentation_node(None, volume, label_map, spec)
    node = change.node
    assert change.created
    assert node.GetName() == "scan segmentation"
    assert ids(node) == ["left_atrium", "right_atrium"]
    for label in spec.labels:
        np.testing.assert_array_equal(voxels_of(node, label.id, volume), label_map == label.value)
        segment = node.GetSegmentation().GetSegment(label.id)
        assert segment.GetName() == label.name
        np.testing.assert_allclose(segment.GetColor(), np.array(label.color) / 255)
        tag = segmentations.tag_of(segment, slicer.vtkSegment.GetTerminologyEntryTagName())
        assert "SCT^82471001^Left atrium" in tag
    reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    assert reference is volume


def test_the_grid_is_the_volumes_bit_for_bit(segmentations, volume, spec, label_map):
    import slicer
    import vtk

    node = segmentations.write_segmentation_node(None, volume, label_map, spec).node
    image = node.GetBinaryLabelmapInternalRepresentation("left_atrium")
    matrix, expected = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    volume.GetIJKToRASMatrix(expected)
    np.testing.assert_allclose(
        slicer.util.arrayFromVTKMatrix(matrix), slicer.util.arrayFromVTKMatrix(expected), rtol=1e-14, atol=1e-14
    )


def test_parent_transforms_are_honoured(segmentations, volume, spec, label_map):
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    turned = np.array([[0, -1, 0, 10.0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    node = segmentations.write_segmentation_node(None, volume, label_map, spec).node
    assert node.GetTransformNodeID() == transform.GetID()
    np.testing.assert_array_equal(voxels_of(node, "left_atrium", volume), label_map == 1)
    elsewhere = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")  # not under the transform
    elsewhere.CreateDefaultDisplayNodes()
    segmentations.write_segmentation_node(elsewhere, volume, label_map, spec)
    np.testing.assert_array_equal(voxels_of(elsewhere, "left_atrium", volume), label_map == 1)


def with_two_of_the_users_own(volume):
    """A segmentation with two segments in one shared layer, one of them with the id that a model would take."""
    import slicer
    import vtk

    labels = np.zeros(SHAPE, np.uint8)
    labels[0, :2], labels[4, 3:] = 1, 2
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mine")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    wanted = vtk.vtkStringArray()
    for name in ("left_atrium", "tumour"):
        node.GetSegmentation().AddEmptySegment(name, name, (1.0, 0.0, 0.0))
        wanted.InsertNextValue(name)
    temporary = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    temporary.CopyOrientation(volume)
    slicer.util.updateVolumeFromArray(temporary, labels)
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(temporary, node, wanted)
    slicer.mrmlScene.RemoveNode(temporary)
    return node, labels


def test_segments_of_others_stay_as_they_are(segmentations, volume, spec, label_map):
    node, labels = with_two_of_the_users_own(volume)
    change = segmentations.write_segmentation_node(node, volume, label_map, spec)
    assert ids(node)[:2] == ["left_atrium", "tumour"]
    assert len(ids(node)) == 4
    np.testing.assert_array_equal(voxels_of(node, "left_atrium", volume), labels == 1)
    np.testing.assert_array_equal(voxels_of(node, "tumour", volume), labels == 2)
    ours = segmentations.own_segment_id(node, spec.labels[0], spec.id)
    assert ours not in ("left_atrium", "tumour", None)
    np.testing.assert_array_equal(voxels_of(node, ours, volume), label_map == 1)
    change.undo()
    assert ids(node) == ["left_atrium", "tumour"]
    np.testing.assert_array_equal(voxels_of(node, "left_atrium", volume), labels == 1)


def test_a_second_run_replaces_ours_and_undo_brings_them_back(segmentations, volume, spec, label_map):
    node, labels = with_two_of_the_users_own(volume)
    segmentations.write_segmentation_node(node, volume, label_map, spec)
    before = ids(node)
    second = np.roll(label_map, 1, axis=2)
    change = segmentations.write_segmentation_node(node, volume, second, spec)
    assert ids(node) == before
    ours = segmentations.own_segment_id(node, spec.labels[0], spec.id)
    np.testing.assert_array_equal(voxels_of(node, ours, volume), second == 1)
    np.testing.assert_array_equal(voxels_of(node, "tumour", volume), labels == 2)
    change.undo()
    np.testing.assert_array_equal(voxels_of(node, ours, volume), label_map == 1)
    np.testing.assert_array_equal(voxels_of(node, "tumour", volume), labels == 2)


def test_another_model_has_segments_of_its_own(segmentations, volume, spec, label_map):
    node = segmentations.write_segmentation_node(None, volume, label_map, spec).node
    segmentations.write_segmentation_node(node, volume, np.zeros_like(label_map), dataclasses.replace(spec, id="other"))
    assert len(ids(node)) == 4
    np.testing.assert_array_equal(voxels_of(node, "left_atrium", volume), label_map == 1)


def test_undo_of_a_new_node_removes_it_and_of_a_lost_one_does_nothing(segmentations, volume, spec, label_map):
    import slicer

    change = segmentations.write_segmentation_node(None, volume, label_map, spec)
    change.undo()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    change.undo()


def test_an_empty_result_is_an_empty_segment(segmentations, volume, spec, label_map):
    node = segmentations.write_segmentation_node(None, volume, np.zeros_like(label_map), spec).node
    assert ids(node) == ["left_atrium", "right_atrium"]
    assert voxels_of(node, "left_atrium", volume).shape == SHAPE
    assert not voxels_of(node, "left_atrium", volume).any()
    segmentations.write_segmentation_node(node, volume, label_map, spec)
    np.testing.assert_array_equal(voxels_of(node, "left_atrium", volume), label_map == 1)


@pytest.mark.parametrize(("axis", "index"), [(0, 2), (1, 3), (2, 4)])
def test_merging_replaces_just_these_slices(segmentations, volume, spec, label_map, axis, index):
    node = segmentations.write_segmentation_node(None, volume, label_map, spec).node
    other = np.full(SHAPE, 2, np.uint8)
    expected = label_map.copy()
    where = tuple(index if a == axis else slice(None) for a in range(3))
    expected[where] = 2
    change = segmentations.merge_slice(node, volume, other, spec, segmentations.SlicePlace(spec.id, axis, index))
    for label in spec.labels:
        np.testing.assert_array_equal(voxels_of(node, label.id, volume), expected == label.value)
    change.undo()
    np.testing.assert_array_equal(voxels_of(node, "right_atrium", volume), label_map == 2)


def test_another_models_slice_goes_into_the_segments_that_are_there(segmentations, volume, spec, label_map):
    from AttnSegLib.errors import InputError

    node = segmentations.write_segmentation_node(None, volume, label_map, spec).node
    other = dataclasses.replace(spec, id="other", labels=(dataclasses.replace(spec.labels[0], value=7),))
    place = segmentations.SlicePlace(spec.id, 0, 2)
    expected = label_map == 1
    expected[2] = True
    change = segmentations.merge_slice(node, volume, np.full(SHAPE, 7, np.uint8), other, place)
    assert ids(node) == ["left_atrium", "right_atrium"]
    np.testing.assert_array_equal(voxels_of(node, "left_atrium", volume), expected)
    np.testing.assert_array_equal(voxels_of(node, "right_atrium", volume), label_map == 2)
    change.undo()
    np.testing.assert_array_equal(voxels_of(node, "left_atrium", volume), label_map == 1)
    stranger = dataclasses.replace(other, labels=(dataclasses.replace(spec.labels[0], name="Liver"),))
    with pytest.raises(InputError, match="finds none of the segments"):
        segmentations.merge_slice(node, volume, label_map, stranger, place)


def test_a_surface_that_was_shown_follows(segmentations, volume, spec, label_map):
    node = segmentations.write_segmentation_node(None, volume, label_map, spec).node
    segmentations.show_surface(node, True)
    before = node.GetClosedSurfaceInternalRepresentation("left_atrium").GetNumberOfPoints()
    grown = label_map.copy()
    grown[0:4, 1:5, 0:5] = 1
    segmentations.write_segmentation_node(node, volume, grown, spec)
    assert node.GetClosedSurfaceInternalRepresentation("left_atrium").GetNumberOfPoints() > before


def test_it_survives_saving_and_reading_back(segmentations, volume, spec, label_map, tmp_path):
    import slicer

    node = segmentations.write_segmentation_node(None, volume, label_map, spec).node
    assert slicer.util.saveNode(node, str(tmp_path / "x.seg.nrrd"), {})
    again = slicer.util.loadSegmentation(str(tmp_path / "x.seg.nrrd"), {})
    np.testing.assert_array_equal(voxels_of(again, "left_atrium", volume), label_map == 1)
    assert segmentations.own_segment_id(again, spec.labels[1], spec.id) == "right_atrium"
