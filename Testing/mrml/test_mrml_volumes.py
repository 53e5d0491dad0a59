"""Volume nodes: read as they lie in the world, refused in one sentence if they can't be segmented."""

import numpy as np
import pytest

from AttnSegLib.errors import InputError

OBLIQUE = np.array([[-0.8, 0.6, 0, 5.0], [0.6, 0.8, 0, -7.0], [0, 0, 2.5, 11.0], [0, 0, 0, 1]]) * [1.25, 1.5, 1, 1]


@pytest.fixture
def volumes(scene):
    from AttnSegLib.mrml import volumes

    assert scene is not None
    return volumes


@pytest.fixture
def a_node(scene):
    import slicer

    assert scene is not None
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    return slicer.util.addVolumeFromArray(voxels, ijkToRAS=OBLIQUE, name="scan")


def under(node, matrix):
    """Put a node under a linear transform; returns the transform node."""
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.asarray(matrix, float)))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_a_volume_is_read_bit_for_bit_and_not_copied(volumes, a_node):
    import slicer

    volume = volumes.read_volume_node(a_node)
    np.testing.assert_array_equal(volumes.node_affine(a_node), volume.affine)
    np.testing.assert_allclose(volume.affine, OBLIQUE, rtol=1e-15)
    slicer.util.arrayFromVolume(a_node)[1, 2, 3] = 999
    assert volume.voxels[1, 2, 3] == 999
    assert volume.modality is None


def test_parent_transforms_count_for_the_place_and_not_for_the_grid(volumes, a_node):
    quarter = np.array([[0, -1, 0, 10], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    under(a_node, quarter)
    np.testing.assert_allclose(volumes.read_volume_node(a_node).affine, quarter @ OBLIQUE, atol=1e-12)
    np.testing.assert_allclose(volumes.node_affine(a_node), OBLIQUE, rtol=1e-15)


def test_the_modality_comes_from_the_subject_hierarchy(volumes, a_node):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), a_node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "MR")
    assert volumes.read_volume_node(a_node).modality == "MR"


def made(kind, voxels, affine=None):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass(kind, "x")
    if voxels is not None:
        slicer.util.updateVolumeFromArray(node, voxels)
    if affine is not None:
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(affine))
    return node


GREY = np.arange(27, dtype=np.float32).reshape(3, 3, 3)


@pytest.mark.parametrize(
    ("kind", "voxels", "sentence"),
    [
        ("vtkMRMLLabelMapVolumeNode", GREY, "a label map"),
        ("vtkMRMLVectorVolumeNode", np.ones((3, 3, 3, 3)), "several values per voxel"),
        ("vtkMRMLScalarVolumeNode", None, "no voxels"),
        ("vtkMRMLScalarVolumeNode", GREY[:1], "single slice"),
        ("vtkMRMLScalarVolumeNode", np.where(GREY == 5, np.nan, GREY), "NaN"),
        ("vtkMRMLScalarVolumeNode", np.where(GREY == 5, np.inf, GREY), "infinite"),
        ("vtkMRMLScalarVolumeNode", np.full((3, 3, 3), 7.0), "constant"),
    ],
)
def test_what_can_not_be_segmented_is_refused(volumes, kind, voxels, sentence):
    with pytest.raises(InputError, match=sentence) as refusal:
        volumes.read_volume_node(made(kind, voxels))
    assert "\n" not in str(refusal.value)


def test_no_volume_and_sheared_volumes_are_refused(volumes, a_node):
    with pytest.raises(InputError, match="Choose a volume first"):
        volumes.read_volume_node(None)
    under(a_node, [[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(InputError, match="sheared"):
        volumes.read_volume_node(a_node)


def test_a_non_linear_transform_is_refused_with_what_to_do(volumes, a_node):
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    import vtk

    transform.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    a_node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(InputError, match="harden"):
        volumes.read_volume_node(a_node)


def test_the_mark_changes_with_voxels_grid_and_transform(volumes, a_node):
    import slicer

    marks = [volumes.contents_mark(a_node)]
    assert volumes.contents_mark(a_node) == marks[0]
    slicer.util.arrayFromVolumeModified(a_node)
    marks.append(volumes.contents_mark(a_node))
    a_node.SetOrigin(1, 2, 3)
    marks.append(volumes.contents_mark(a_node))
    transform = under(a_node, np.eye(4))
    marks.append(volumes.contents_mark(a_node))
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([1.0, -1, -1, 1])))
    marks.append(volumes.contents_mark(a_node))
    assert len(set(marks)) == 5


def an_roi(center, size):
    import slicer

    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter([float(x) for x in center])
    roi.SetSize([float(x) for x in size])
    return roi


def test_an_roi_is_the_box_of_voxels_whose_centres_lie_in_it(volumes, a_node):
    a_node.SetIJKToRASMatrix(_matrix(np.diag([2.0, 3.0, 4.0, 1.0])))
    region = volumes.region_of_roi(an_roi((4, 6, 8), (4.2, 6.2, 0.5)), a_node)
    assert (region.start, region.stop) == ((2, 1, 1), (3, 4, 4))
    under(a_node, [[1, 0, 0, 100], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    moved = volumes.region_of_roi(an_roi((104, 6, 8), (4.2, 6.2, 0.5)), a_node)
    assert moved == region
    with pytest.raises(InputError, match="outside the volume"):
        volumes.region_of_roi(an_roi((4, 6, 8), (4.2, 6.2, 0.5)), a_node)


def test_a_large_roi_is_cut_at_the_volume(volumes, a_node):
    region = volumes.region_of_roi(an_roi((0, 0, 0), (999, 999, 999)), a_node)
    assert (region.start, region.stop) == ((0, 0, 0), (4, 5, 6))


def test_outputs_lie_beside_the_volume(volumes, a_node):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.CreateItem(study, a_node)
    transform = under(a_node, np.eye(4))
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    volumes.place_beside(other, a_node)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(other)) == study
    assert other.GetTransformNodeID() == transform.GetID()


def _matrix(array):
    import slicer

    return slicer.util.vtkMatrixFromArray(array)
