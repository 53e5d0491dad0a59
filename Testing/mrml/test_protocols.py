"""What we say of Slicer's nodes is true of Slicer's classes: each method that a protocol names is there."""

import pytest

from AttnSegLib.mrml import protocols

CLASSES = {
    protocols.Matrix: ["vtkMatrix4x4"],
    protocols.ImageData: ["vtkImageData"],
    protocols.Node: ["vtkMRMLNode"],
    protocols.TransformNode: ["vtkMRMLTransformNode"],
    protocols.DisplayNode: ["vtkMRMLDisplayNode"],
    protocols.ColorNode: ["vtkMRMLColorNode"],
    protocols.LegendNode: ["vtkMRMLColorLegendDisplayNode"],
    protocols.RenderingNode: ["vtkMRMLVolumeRenderingDisplayNode"],
    protocols.VolumeDisplayNode: ["vtkMRMLScalarVolumeDisplayNode"],
    protocols.PlacedNode: ["vtkMRMLDisplayableNode"],
    protocols.VolumeNode: ["vtkMRMLScalarVolumeNode", "vtkMRMLLabelMapVolumeNode"],
    protocols.RoiNode: ["vtkMRMLMarkupsROINode"],
    protocols.PointNode: ["vtkMRMLMarkupsFiducialNode"],
    protocols.Segment: ["vtkSegment"],
    protocols.Segmentation: ["vtkSegmentation"],
    protocols.SegmentationDisplayNode: ["vtkMRMLSegmentationDisplayNode"],
    protocols.SegmentationNode: ["vtkMRMLSegmentationNode"],
    protocols.CompositeNode: ["vtkMRMLSliceCompositeNode"],
    protocols.SliceNode: ["vtkMRMLSliceNode"],
    protocols.SequenceNode: ["vtkMRMLSequenceNode"],
    protocols.SequenceBrowserNode: ["vtkMRMLSequenceBrowserNode"],
    protocols.TableNode: ["vtkMRMLTableNode"],
    protocols.PlotSeriesNode: ["vtkMRMLPlotSeriesNode"],
    protocols.PlotChartNode: ["vtkMRMLPlotChartNode"],
    protocols.Hierarchy: ["vtkMRMLSubjectHierarchyNode"],
    protocols.Scene: ["vtkMRMLScene"],
}


def names_of(protocol):
    """What a protocol and those that it is made of name; VTK's names begin with a capital letter."""
    return {
        name
        for part in protocol.__mro__
        for name in {*vars(part), *vars(part).get("__annotations__", {})}
        if name[0].isupper()
    }


@pytest.mark.parametrize(("protocol", "name"), [(p, name) for p, names in CLASSES.items() for name in names])
def test_slicers_classes_have_what_a_protocol_names(protocol, name):
    import slicer
    import vtk

    cls = getattr(slicer, name, None) or getattr(vtk, name)
    assert names_of(protocol)
    assert {one for one in names_of(protocol) if not hasattr(cls, one)} == set()


def test_every_protocol_is_compared():
    made_here = {one for one in vars(protocols).values() if getattr(one, "__module__", "") == protocols.__name__}
    assert made_here == set(CLASSES)
