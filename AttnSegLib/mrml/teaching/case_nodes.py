"""A case, or any scan, as nodes of the scene, in the views. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import Label
from AttnSegLib.mrml.nodes import fill_volume_node
from AttnSegLib.mrml.protocols import Scene, SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import PlainSegment, add_plain_segment, new_segmentation_node
from AttnSegLib.results.segmentation_file import terminology_entry


def show_volume(scene: Scene, name: str, volume: Volume) -> VolumeNode:
    """A new node with a scan, in the slice views."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(name))
    fill_volume_node(node, volume.voxels, volume.affine)
    node.CreateDefaultDisplayNodes()
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node


def show_labels(volume_node: VolumeNode, label_map: np.ndarray, segments: Sequence[Label]) -> SegmentationNode:
    """A new segmentation of a label map (D, H, W) on the volume's grid; empty segments are there, too."""
    node = new_segmentation_node(volume_node)
    for label in segments:
        red, green, blue = (part / 255 for part in label.color)
        plain = PlainSegment(label.name, (red, green, blue), label_map == label.value)
        segment_id = add_plain_segment(node, volume_node, plain)
        segment = node.GetSegmentation().GetSegment(segment_id)
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology_entry(label))
    return node
