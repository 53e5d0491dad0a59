"""Attention maps as volumes, which lie over the image: one heat map, or all maps of a run as a sequence. No Qt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import slicer

from AttnSegLib.images.orientation import Region
from AttnSegLib.inference.prediction import AttentionNumbers, Peaks
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.nodes import MAP, color_table, fill_volume_node, nodes_of_class
from AttnSegLib.mrml.protocols import ColorNode, Node, Scene, SequenceBrowserNode, SequenceNode, VolumeNode
from AttnSegLib.mrml.volumes import node_affine, place_beside
from AttnSegLib.results.attention_report import channel_table
from AttnSegLib.results.pictures.map_colours import MapColours

_COLOURS = "AttnSeg.colours"  # attribute of a heat map: lowest and highest coefficient, and "subtracted" if it is
_SCALE = "AttnSeg.scale"  # attribute of a heat map of self-attention: JSON, see `number_attributes`
_CHANNELS = "AttnSeg.channels"  # attribute of a heat map: JSON of `channel_rows`
_MODEL = "AttnSeg.model"  # attribute of a heat map and of a sequence: the id of the model
_HEAT, _COLD = "AttnSeg heat", "AttnSeg heat that is subtracted"  # names of colour tables
_INFERNO = "vtkMRMLColorTableNodeFileInferno.txt"
_INFERNO_POINTS = (  # eight equal steps of the colour map, for a scene without it
    (0, 0, 4),
    (31, 12, 72),
    (85, 15, 109),
    (136, 34, 106),
    (186, 54, 85),
    (227, 89, 51),
    (249, 140, 10),
    (249, 201, 50),
    (252, 255, 164),
)


Attributes = Mapping[str, str | None]
ChannelRow = tuple[str, int, float, float, float, float | None]
NO_NUMBERS: Mapping[str, Attributes] = MappingProxyType({})


def write_heat_map_node(
    volume_node: VolumeNode, coefficients: np.ndarray, spec: ModelSpec, title: str, region: Region | None = None
) -> VolumeNode:
    """Coefficients (D, H, W) as a scalar volume, ready to be laid over the image, see `map_display`.

    region: keep only this box, so that one slice of a large volume is light. A heat map of the same model and title
    that is there already is replaced.
    """
    scene = volume_node.GetScene()
    node = _known_heat_map(scene, spec, title)
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"attention: {title}")
    _mark(node, spec, title)
    _fill(node, coefficients, volume_node, region)
    place_beside(node, volume_node)
    _prepare_display(node)
    return node


def heat_map_sequence(
    volume_node: VolumeNode,
    maps: dict[str, np.ndarray],
    spec: ModelSpec,
    region: Region | None = None,
    numbers: Mapping[str, Attributes] = NO_NUMBERS,
) -> VolumeNode:
    """All maps of a run, title to (D, H, W), as a sequence to step through; returns the heat map that follows it.
    numbers: by title, see `number_attributes`.

    A sequence of the same model that is there already is replaced, and stays at the map that it showed.
    """
    scene = volume_node.GetScene()
    known = _known_sequence(scene, spec)
    sequence, browser = known or _new_sequence(scene, spec)
    item = browser.GetSelectedItemNumber()
    sequence.RemoveAllDataNodes()
    for title, coefficients in maps.items():
        node = slicer.vtkMRMLScalarVolumeNode()
        _mark(node, spec, title)
        _fill(node, coefficients, volume_node, region)
        set_attributes(node, numbers.get(title, {}))
        sequence.SetDataNodeAtValue(node, title)
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.SetSelectedItemNumber(min(max(item, 0), len(maps) - 1))
    shown = browser.GetProxyNode(sequence)
    place_beside(shown, volume_node)
    _prepare_display(shown)
    return shown


def heat_maps(scene: Scene) -> Iterator[VolumeNode]:
    """All heat maps in a scene, shown or not."""
    return (node for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode") if map_title(node))


def map_title(node: Node) -> str:
    """Title of the attention map in a heat map; empty for any other node."""
    return node.GetAttribute(MAP) or ""


def map_model(node: Node) -> str:
    """Id of the model whose attention a heat map shows."""
    return node.GetAttribute(_MODEL) or ""


def map_colours(node: Node) -> MapColours:
    """Which coefficients of a heat map get the first and the last colour: its own 2nd and 98th percentile, as printed;
    of one that was saved by an older version 0 and 1."""
    low, high, *subtracted = (node.GetAttribute(_COLOURS) or "0 1").split()
    return MapColours(float(low), float(high), bool(subtracted))


def number_attributes(numbers: AttentionNumbers, title: str, *, absolute: bool) -> Attributes:
    """Attributes of a heat map that keep what was recorded beside it. absolute: whether it shows absolute coefficients
    of self-attention, see `absolute_coefficients`."""
    peaks, rows = numbers.peaks.get(title), channel_table(numbers.channels)
    scale = None
    if peaks is not None and peaks.largest:
        scale = json.dumps([absolute, max(peaks.largest.values()), peaks.even])
    columns = ("channels", "least", "mean", "largest", "evenness")
    table = [[name, *(row[column] for column in columns)] for name, row in rows.items()]
    return {_SCALE: scale, _CHANNELS: json.dumps(table) if table else None}


def set_attributes(node: Node, attributes: Attributes) -> None:
    """Set them all; None takes one away."""
    for name, value in attributes.items():
        node.SetAttribute(name, value)


def absolute_coefficients(coefficients: np.ndarray, peaks: Peaks, axis: int) -> np.ndarray:
    """Self-attention (D, H, W) as float32 that was recorded relative to the largest coefficient of each slice. axis:
    array axis of the slices."""
    absolute = np.zeros(coefficients.shape, np.float32)
    slices, relative = np.moveaxis(absolute, axis, 0), np.moveaxis(coefficients, axis, 0)
    for index, largest in peaks.largest.items():
        slices[index] = relative[index].astype(np.float32) * largest
    return absolute


def scale_words(node: Node) -> str:
    """What the numbers of a self-attention map are; empty for coefficients that are what they are."""
    told = node.GetAttribute(_SCALE)
    if not told:
        return ""
    absolute, largest, even = json.loads(told)
    if absolute:
        return f"Absolute: all places of a slice share out 1, and evenly each would get {even:.2g}."
    return f"Relative to the largest of the slice, which is {largest:.2g}; evenly each place would get {even:.2g}."


def channel_rows(node: Node) -> list[ChannelRow]:
    """Coefficients over channels that were recorded with a heat map: title, number of channels, least, mean, largest,
    and evenness of attention between channels."""
    return [(*row,) for row in json.loads(node.GetAttribute(_CHANNELS) or "[]")]


def map_browser(node: VolumeNode) -> SequenceBrowserNode | None:
    """What steps through the sequence that a heat map follows; None if it follows none."""
    browser: SequenceBrowserNode | None = slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(node)
    return browser


def heat_colors(scene: Scene, *, subtracted: bool) -> ColorNode:
    """The colours of heat maps: Slicer's Inferno, or where it is not there a table that looks the same; of a map that
    is subtracted the same in blue."""
    warm: Any = scene.GetNodeByID(_INFERNO) or scene.GetFirstNodeByName(_HEAT) or _new_inferno(scene)
    cold: Any = scene.GetFirstNodeByName(_COLD) if subtracted else warm
    colors: ColorNode = cold or _new_cold(scene, warm)
    return colors


def _known_heat_map(scene: Scene, spec: ModelSpec, title: str) -> VolumeNode | None:
    for node in heat_maps(scene):
        if map_title(node) == title and map_model(node) == spec.id and map_browser(node) is None:
            return node
    return None


def _known_sequence(scene: Scene, spec: ModelSpec) -> tuple[SequenceNode, SequenceBrowserNode] | None:
    """The sequence of a model with what steps through it; of one that lacks a part the rest is removed."""
    logic = slicer.modules.sequences.logic()
    for sequence in list(nodes_of_class(scene, "vtkMRMLSequenceNode")):
        if map_model(sequence) != spec.id:
            continue
        browser = logic.GetFirstBrowserNodeForSequenceNode(sequence)
        if browser is not None and browser.GetProxyNode(sequence) is not None:
            return sequence, browser
        for node in (browser, sequence):
            if node is not None:
                scene.RemoveNode(node)
    return None


def _new_sequence(scene: Scene, spec: ModelSpec) -> tuple[SequenceNode, SequenceBrowserNode]:
    name = f"attention of {spec.id}"
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetAttribute(_MODEL, spec.id)
    sequence.SetIndexName("gate")
    sequence.SetIndexUnit("")  # else Slicer counts gates in seconds
    sequence.SetIndexType(sequence.TextIndex)
    return sequence, scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", name)


def _mark(node: VolumeNode, spec: ModelSpec, title: str) -> None:
    """A sequence hands attributes on to the node that follows it."""
    node.SetAttribute(MAP, title)
    node.SetAttribute(_MODEL, spec.id)
    set_attributes(node, {_SCALE: None, _CHANNELS: None})
    known = spec.influence_of(title)
    is_subtracted = known is not None and known.gamma is not None and known.gamma < 0
    node.SetAttribute(_COLOURS, "0 1 subtracted" if is_subtracted else "0 1")


def _fill(node: VolumeNode, coefficients: np.ndarray, volume_node: VolumeNode, region: Region | None) -> None:
    """Voxels, and the range of their colours, as printed beside the bar."""
    affine = node_affine(volume_node)
    if region is not None:
        coefficients = coefficients[region.slices]
        affine[:3, 3] += affine[:3, :3] @ np.array(region.start[::-1])
    fill_volume_node(node, coefficients.astype(np.float32), affine)
    own = MapColours.of(coefficients)
    low, high = (round(end, own.digits) for end in (own.low, own.high))
    marks = f"{low!r} {high!r}"
    node.SetAttribute(_COLOURS, f"{marks} subtracted" if map_colours(node).subtracted else marks)


def _prepare_display(node: VolumeNode) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetInterpolate(True)


def _new_cold(scene: Scene, warm: ColorNode) -> Any:
    """As bright as the warm one, see `results.pictures.slice_drawing`."""
    colors, color = [], [0.0] * 4
    for number in range(warm.GetNumberOfColors()):
        warm.GetColor(number, color)
        red, green, _, _ = color
        colors.append((green, (red + green) / 2, red, 1.0))
    return color_table(scene, _COLD, colors)


def _new_inferno(scene: Scene) -> Any:
    steps = np.linspace(0, len(_INFERNO_POINTS) - 1, 256)
    points = np.array(_INFERNO_POINTS) / 255
    channels = [np.interp(steps, range(len(points)), points[:, channel]) for channel in range(3)]
    return color_table(scene, _HEAT, [(float(r), float(g), float(b), 1.0) for r, g, b in zip(*channels, strict=True)])
