"""What is known of a result, kept in its segmentation node: a panel reads it there, and it is saved with the scene."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from AttnSegLib.images.volume import Volume
from AttnSegLib.mrml.news import Target
from AttnSegLib.mrml.protocols import SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import (
    LABEL_TAG,
    MODEL_TAG,
    SlicePlace,
    labels_of_segment,
    own_segment_id,
    tag_of,
)
from AttnSegLib.results.measures import Measure, measure_mask
from AttnSegLib.results.slices_to_check import SliceToCheck
from AttnSegLib.worker.messages import Result

_MEASURE = "AttnSeg.measure"  # tag of a segment: JSON without the character |, which ends a tag in files
_CHECK = "AttnSeg.check"  # attribute of the node: JSON
_VOLUME = "AttnSeg.volume"  # reference of the node: what was segmented


@dataclass(frozen=True)
class SegmentRow:
    """One of our segments as its last run left it. model: its id; volume_ml: mL; mean, sd: of the intensities, None if
    the segment is empty; slices: in how many it is."""

    name: str
    model: str
    volume_ml: float
    mean: float | None
    sd: float | None
    slices: int


@dataclass(frozen=True)
class CheckList:
    """The slices to check of a result, the most doubtful first. model: whose result; axis: array axis of the slices."""

    model: str
    axis: int
    slices: tuple[SliceToCheck, ...]


def record_result(node: SegmentationNode, target: Target, result: Result) -> None:
    """Keep measures and slices to check of a whole run in the node that it was written into."""
    spec = target.spec
    for measure, label in zip(result.measures, spec.labels, strict=False):
        segment_id = own_segment_id(node, label, spec.id)
        if segment_id is not None:
            _keep(node, segment_id, measure)
    slices = [asdict(one) for one in result.to_check]
    node.SetAttribute(_CHECK, json.dumps({"model": spec.id, "axis": result.axis, "slices": slices}))
    node.SetNodeReferenceID(_VOLUME, target.volume_node.GetID())


def record_slice(node: SegmentationNode, target: Target, volume: Volume, place: SlicePlace) -> None:
    """Measure again the segments of which one slice was replaced. volume: what is in the target's node."""
    for label in target.spec.labels:
        segment_id = own_segment_id(node, label, place.model)
        if segment_id is not None:
            mask = labels_of_segment(node, segment_id, target.volume_node) > 0
            _keep(node, segment_id, measure_mask(volume, mask, label, place.axis))


@dataclass(frozen=True)
class _Edited:
    """As in `measures.Measurable`."""

    id: str
    name: str


def measure_again(node: SegmentationNode, volume_node: VolumeNode, volume: Volume) -> None:
    """Measure our segments as they are now, since someone has corrected them. volume: what is in its node."""
    listed, segmentation = check_list(node), node.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        segment_id, segment = segmentation.GetNthSegmentID(number), segmentation.GetNthSegment(number)
        if tag_of(segment, _MEASURE):
            mask = labels_of_segment(node, segment_id, volume_node) > 0
            edited = _Edited(segment_id, segment.GetName())
            _keep(node, segment_id, measure_mask(volume, mask, edited, listed.axis if listed else 0))


def segment_rows(node: SegmentationNode | None) -> list[SegmentRow]:
    """Our segments that are there now."""
    return [] if node is None else list(_rows(node))


def check_list(node: SegmentationNode | None) -> CheckList | None:
    """Slices to check of the last whole run; None if there was none, or its segments are gone."""
    text = node.GetAttribute(_CHECK) if node is not None else None
    if node is None or not text:
        return None
    found = json.loads(text)
    if found["model"] not in {row.model for row in _rows(node)}:
        return None
    return CheckList(found["model"], found["axis"], tuple(SliceToCheck(**one) for one in found["slices"]))


def checked_volume(node: SegmentationNode) -> VolumeNode | None:
    """The volume that the last whole run segmented; None if it is not in the scene."""
    volume: VolumeNode | None = node.GetNodeReference(_VOLUME)
    return volume


def _rows(node: SegmentationNode) -> Iterator[SegmentRow]:
    segmentation = node.GetSegmentation()
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        text = tag_of(segment, _MEASURE)
        if text and tag_of(segment, LABEL_TAG):
            yield SegmentRow(segment.GetName(), tag_of(segment, MODEL_TAG), *json.loads(text))


def _keep(node: SegmentationNode, segment_id: str, measure: Measure) -> None:
    values = [measure.volume_ml, measure.mean_intensity, measure.sd_intensity, measure.slices]
    node.GetSegmentation().GetSegment(segment_id).SetTag(_MEASURE, json.dumps(values))
