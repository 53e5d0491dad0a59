"""Volume nodes: what is in them, where it lies, and what an ROI leaves of it. No Qt; the scene is the node's own."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from AttnSegLib.errors import InputError
from AttnSegLib.images import volume as volumes
from AttnSegLib.images.orientation import Region
from AttnSegLib.images.volume import Volume
from AttnSegLib.mrml.assumptions import notices_of_node
from AttnSegLib.mrml.nodes import is_ours
from AttnSegLib.mrml.protocols import Hierarchy, Node, PlacedNode, RoiNode, VolumeNode

ContentsMark = tuple[int, bytes, str | None, bytes]  # compared, never looked into


def read_volume_node(node: VolumeNode | None) -> Volume:
    """The volume in a scalar volume node; voxels are not copied. affine: to the world, through parent transforms.

    Raises `InputError` for what can't be segmented.
    """
    if node is None:
        raise InputError("Choose a volume first.")
    _check_kind(node)
    voxels, notices = slicer.util.arrayFromVolume(node), notices_of_node(node)
    volume = Volume(voxels, world_affine(node), _modality(node), notices)
    if min(volume.voxels.shape) < 2:
        raise InputError("The volume is a single slice; choose a whole volume.")
    volumes.check_volume(volume, "the volume")
    return volume


def node_affine(node: VolumeNode) -> np.ndarray:
    """4x4, index (i, j, k, 1) to mm, RAS, as the node itself has it, without parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix))


def world_affine(node: VolumeNode) -> np.ndarray:
    """4x4, index (i, j, k) to mm, RAS, where the user sees the volume: through linear parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    parent = node.GetParentTransformNode()
    if parent is None:
        return node_affine(node)
    parent.GetMatrixTransformToWorld(matrix)
    return np.asarray(slicer.util.arrayFromVTKMatrix(matrix) @ node_affine(node))


def contents_mark(node: VolumeNode) -> ContentsMark:
    """Something that changes when voxels, grid or place of a volume node do."""
    image = node.GetImageData()
    place = world_affine(node).tobytes()  # a transform node's own time does not change with its matrix
    return (image.GetMTime() if image else 0, node_affine(node).tobytes(), node.GetTransformNodeID(), place)


def region_of_roi(roi: RoiNode, volume_node: VolumeNode) -> Region:
    """The box of voxels around an ROI node. Raises `InputError` if none lies in it."""
    to_world = np.array(slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix()))
    half = np.array(roi.GetSize()) / 2
    corners = np.array([[x, y, z, 1.0] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * [*half, 1]
    indices = (np.linalg.inv(world_affine(volume_node)) @ to_world @ corners.T)[:3]
    shape = volume_node.GetImageData().GetDimensions()  # i, j, k
    first = np.maximum(np.ceil(indices.min(axis=1) - 1e-6), 0).astype(int)
    last = np.minimum(np.floor(indices.max(axis=1) + 1e-6), np.array(shape) - 1).astype(int)
    if (first > last).any():
        raise InputError("The ROI lies outside the volume; move it there, or choose none.")
    start, stop = first[::-1].tolist(), (last[::-1] + 1).tolist()
    return Region((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def place_beside(node: PlacedNode, volume_node: VolumeNode) -> None:
    """Put a node into the volume's study in the subject hierarchy, and under its parent transform."""
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    hierarchy = _hierarchy(volume_node)
    item = hierarchy.GetItemByDataNode(volume_node)
    parent = hierarchy.GetItemParent(item) if item else hierarchy.GetSceneItemID()
    hierarchy.CreateItem(parent, node)  # moves it if it is there already


def _check_kind(node: VolumeNode) -> None:
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError("This is a label map, not a scan; choose the scan that it was made from.")
    if is_ours(node):
        raise InputError("This is an attention map, not a scan; choose the scan that it was made from.")
    image = node.GetImageData() if node.IsA("vtkMRMLScalarVolumeNode") else None
    if image is None or image.GetPointData().GetScalars() is None:
        raise InputError("The volume has no voxels; load it again or choose another one.")
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError("The volume has several values per voxel (colour or vectors); choose a volume with one.")
    parent = node.GetParentTransformNode()
    if parent is not None and not parent.IsTransformToWorldLinear():
        raise InputError(
            "The volume is under a non-linear transform, as Slicer sets one if slices are not evenly spaced; harden "
            "it, or take the volume out."
        )


def _modality(node: Node) -> str | None:
    hierarchy = _hierarchy(node)
    item = hierarchy.GetItemByDataNode(node)
    return (hierarchy.GetItemAttribute(item, "DICOM.Modality") or None) if item else None


def _hierarchy(node: Node) -> Hierarchy:
    hierarchy: Hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    return hierarchy
