"""The stand-in for Slicer: its scene, its views, its files."""

import numpy as np
import pytest
from slicer_stand_in.example import add_volume


def test_the_scene_starts_with_slicers_three_slice_views(scene):
    import slicer

    assert scene is slicer.mrmlScene is slicer.app.mrmlScene()
    names = slicer.app.layoutManager().sliceViewNames()
    nodes = [slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode() for name in names]
    assert [node.GetOrientation() for node in nodes] == ["Axial", "Coronal", "Sagittal"]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode") == 3
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


@pytest.mark.parametrize("attempt", [1, 2])
def test_nothing_of_one_test_is_left_in_the_next(scene, attempt):
    import slicer

    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() is None
    assert red.mrmlSliceNode().GetOrientation() == "Axial"
    assert red.sliceLogic().GetSliceOffset() == 0
    assert scene.GetSingletonNode("X", "vtkMRMLScriptedModuleNode") is None
    volume = add_volume(f"volume {attempt}")
    slicer.util.setSliceViewerLayers(background=volume)
    red.mrmlSliceNode().SetOrientation("Sagittal")
    red.mrmlSliceNode().JumpSlice(1, 2, 3)
    node = slicer.vtkMRMLScriptedModuleNode()
    node.SetSingletonTag("X")
    scene.AddNode(node)


def test_layers_are_shown_and_slices_are_jumped_to(scene):
    import slicer

    volume = add_volume(shape=(30, 40, 50))
    slicer.util.setSliceViewerLayers(background=volume, label=volume, labelOpacity=0.5, fit=True)
    slicer.util.resetSliceViews()
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.sliceLogic().GetBackgroundLayer().GetVolumeNode() is volume
    assert red.mrmlSliceCompositeNode().GetLabelOpacity() == 0.5
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, 7, 8, 9)
    assert red.sliceLogic().GetSliceOffset() == 9
    slicer.util.setSliceViewerLayers(background=volume, rotateToVolumePlane=True)
    slicer.util.setSliceViewerLayers(background=None)
    assert red.sliceLogic().GetBackgroundLayer().GetVolumeNode() is None


def test_volumes_segmentations_and_scenes_survive_the_disk(scene, tmp_path):
    import slicer

    voxels = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    volume = slicer.util.addVolumeFromArray(voxels, name="a")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "b")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("s", "S")
    slicer.util.updateSegmentBinaryLabelmapFromArray((voxels > 30).astype(np.uint8), segmentation, "s", volume)
    for node, name in ((volume, "a.nrrd"), (segmentation, "b.seg.nrrd")):
        assert slicer.util.saveNode(node, str(tmp_path / name), {})
    assert slicer.util.saveScene(str(tmp_path / "c.mrb"), {})
    slicer.util.loadScene(str(tmp_path / "c.mrb"), {})
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    assert np.array_equal(slicer.util.arrayFromVolume(slicer.util.getNode("a")), voxels)
    scene.Clear(False)
    volume = slicer.util.loadVolume(str(tmp_path / "a.nrrd"), {})
    segmentation = slicer.util.loadSegmentation(str(tmp_path / "b.seg.nrrd"), {})
    labels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "s", volume)
    assert np.array_equal(labels, voxels > 30)
    with pytest.raises(RuntimeError):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"), {})


@pytest.mark.usefixtures("scene")
def test_what_fails_in_slicer_fails_here():
    import slicer

    assert not hasattr(slicer, "arrayFromVolume")  # slicer.util has it
    with pytest.raises(NotImplementedError, match="no test stand-in for the signal"):
        slicer.app.connect("startupComplete()", print)
