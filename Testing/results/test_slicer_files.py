"""Our files, opened by Slicer's own code (the slicer-core wheel: MRML without the application)."""

import numpy as np
import pytest

from AttnSegLib.models.card import Code, Label
from AttnSegLib.results.segmentation_file import (
    codes_of_entry,
    terminology_entry,
    to_steps,
    write_heat_map_file,
    write_segmentation_file,
)

ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
LABELS = (
    Label(1, "Left atrium", (152, 55, 13), ANATOMY, Code("SCT", "82471001", "Left atrium")),
    Label(2, "Liver", (221, 130, 101), ANATOMY, Code("SCT", "10200004", "Liver")),
)
OBLIQUE = np.array([[0.8, -0.9, 0, -12.5], [0.6, 1.2, 0, 40.25], [0, 0, -2.5, 7], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def slicer():
    import slicer

    return slicer


@pytest.fixture
def a_scene(slicer):
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()  # registers the converters between representations
    logic.SetMRMLScene(scene)
    yield scene
    scene.Clear(True)


@pytest.fixture
def label_map():
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 2, 1:5] = 1
    labels[3, 0:2, 0] = 2
    return labels


def load(scene, node_class, storage_class, path):
    node = scene.AddNewNodeByClass(node_class)
    storage = scene.AddNewNodeByClass(storage_class)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


def ijk_to_ras(matrix):
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def terminology_of(slicer, segment):
    import vtk

    value = vtk.reference("")
    assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), value)
    return str(value)


@pytest.fixture
def a_segmentation(a_scene, tmp_path, label_map):
    path = tmp_path / "case.seg.nrrd"
    write_segmentation_file(path, label_map, OBLIQUE, LABELS)
    node = load(a_scene, "vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode", path)
    return node.GetSegmentation()


def test_opens_as_segmentation_with_names_colours_and_codes(slicer, a_segmentation):
    assert [a_segmentation.GetNthSegmentID(n) for n in range(a_segmentation.GetNumberOfSegments())] == [
        "left_atrium",
        "liver",
    ]
    for label in LABELS:
        segment = a_segmentation.GetSegment(label.id)
        assert segment.GetName() == label.name
        np.testing.assert_allclose(segment.GetColor(), np.array(label.color) / 255, atol=1e-5)
        assert segment.GetLabelValue() == label.value
        entry = terminology_of(slicer, segment)
        assert entry == terminology_entry(label)
        assert f"SCT^{label.type.value}^{label.type.meaning}" in entry


def test_codes_are_in_slicers_order():
    codes = [Code("SCT", str(number), meaning) for number, meaning in enumerate(["Category", "Type", "Modifier"])]
    entry = terminology_entry(Label(1, "Liver", (1, 2, 3), *codes))
    assert entry.split("~")[1:4] == ["SCT^0^Category", "SCT^1^Type", "SCT^2^Modifier"]


def test_opens_with_the_right_voxels_in_the_right_place(a_segmentation, label_map):
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    for label in LABELS:
        image = a_segmentation.GetSegment(label.id).GetRepresentation("Binary labelmap")
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        width, height, depth = image.GetDimensions()
        voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(depth, height, width) == label.value
        first = image.GetExtent()[::2]
        places = {tuple(ijk_to_ras(matrix) @ [*(ijk[::-1] + first), 1]) for ijk in np.argwhere(voxels)}
        expected = {tuple(OBLIQUE @ [*kji[::-1], 1]) for kji in np.argwhere(label_map == label.value)}
        np.testing.assert_allclose(sorted(places), sorted(expected), atol=1e-9)


def test_an_empty_segment_is_still_there(a_scene, tmp_path):
    path = tmp_path / "empty.seg.nrrd"
    write_segmentation_file(path, np.zeros((2, 3, 4), np.uint8), np.eye(4), LABELS)
    node = load(a_scene, "vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode", path)
    assert node.GetSegmentation().GetNumberOfSegments() == 2


def test_heat_map_opens_as_volume_in_the_right_place(a_scene, tmp_path):
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    coefficients = np.random.default_rng(0).random((4, 5, 6)).astype(np.float16)
    path = tmp_path / "heat.nrrd"
    write_heat_map_file(path, coefficients, OBLIQUE)
    node = load(a_scene, "vtkMRMLScalarVolumeNode", "vtkMRMLNRRDStorageNode", path)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(ijk_to_ras(matrix), OBLIQUE, atol=1e-9)
    values = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars()).reshape(4, 5, 6)
    np.testing.assert_allclose(values, coefficients, atol=0.5 / 255 + 1e-6)
    assert len(np.unique(to_steps(np.linspace(0, 1, 10_000)))) == 256  # so a file of them packs well


def test_steps_of_half_precision_are_those_of_full_and_leave_the_coefficients_as_they_are():
    halves = np.linspace(0, 1, 5_000, dtype=np.float16)[::2]
    floats = halves.astype(np.float32)
    np.testing.assert_array_equal(to_steps(halves), to_steps(floats))
    np.testing.assert_array_equal(floats, halves)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan, np.inf])
def test_a_heat_map_has_no_coefficients_but_those_from_0_to_1(tmp_path, wrong):
    coefficients = np.zeros((2, 3, 4), np.float16)
    coefficients[1, 2, 3] = wrong
    with pytest.raises(ValueError, match="from 0 to 1"):
        write_heat_map_file(tmp_path / "heat.nrrd", coefficients, np.eye(4))
    assert not list(tmp_path.iterdir())


def test_a_file_holds_the_steps_of_a_heat_map(tmp_path):
    import SimpleITK as sitk

    coefficients = np.linspace(0, 1, 7 * 30 * 40, dtype=np.float16).reshape(7, 30, 40)
    write_heat_map_file(tmp_path / "heat.nii.gz", coefficients, np.eye(4))
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "heat.nii.gz")))
    np.testing.assert_array_equal(written, to_steps(coefficients))


def test_writing_to_a_full_disk_is_an_error(tmp_path):
    with pytest.raises(OSError, match="could not be written"):
        write_heat_map_file(tmp_path / "missing" / "heat.nrrd", np.zeros((2, 3, 4)), np.eye(4))


@pytest.mark.parametrize("modifier", [None, Code("SCT", "255549009", "Anterior")])
def test_codes_come_back_from_slicers_tag(modifier):
    label = Label(1, "Head", (1, 2, 3), Code("SCT", "1", "Structure"), Code("SCT", "2", "Head"), modifier)
    assert codes_of_entry(terminology_entry(label)) == (label.category, label.type, modifier)


@pytest.mark.parametrize("tag", ["", "~", "context~^^~^^~^^~~^^~^^", "context~SCT^1~SCT^2^Head~^^"])
def test_a_tag_without_codes_has_none(tag):
    assert codes_of_entry(tag) is None
