"""How heat maps are seen: over the slices with a colour legend, and in 3D. No Qt.

What is shown is read from the scene's nodes, so that a scene that was loaded is treated as one that was made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk

from AttnSegLib.errors import InputError
from AttnSegLib.mrml.heat_maps import heat_colors, heat_maps, map_browser, map_colours, map_title
from AttnSegLib.mrml.nodes import composites, nodes_of_class
from AttnSegLib.mrml.protocols import LegendNode, RenderingNode, Scene, SegmentationDisplayNode, VolumeNode
from AttnSegLib.mrml.switching.outlines import is_outline
from AttnSegLib.results.pictures.map_colours import MapColours

_FILL = "AttnSeg.fill"  # attribute of a segmentation's display: its fill in 2D gave way to a heat map
_LOOK = "AttnSeg.look"  # attribute of a heat map's display: how the panel last set it
_LEGEND_SIZE, _LEGEND_PLACE = (0.08, 0.25), (0.96, 0.04)  # shares of a view: width, height; where, from the lower left
_MIST = (
    (0.0, 0.0),
    (0.4, 0.0),
    (0.7, 0.15),
    (1.0, 1.0),
)  # from the threshold to the largest: share of the opacity in 3D
_NARROWEST = 0.01  # share of all coefficients between points of a transfer function; VTK's tables have few entries


@dataclass(frozen=True)
class Look:
    """How a heat map is seen.

    Args:
        opacity: over the image, 0 to 1.
        threshold: what lies below this share of the range of colours is transparent; 0 shows everything.
        full_scale: colours from 0 to 1, and not from the map's own 2nd to its 98th percentile.
    """

    opacity: float
    threshold: float
    full_scale: bool = False

    def colours(self, node: VolumeNode) -> MapColours:
        """Which coefficients get the first and the last colour."""
        own = map_colours(node)
        return replace(own, low=0.0, high=1.0) if self.full_scale else own

    def least(self, node: VolumeNode) -> float:
        """The least coefficient that is seen."""
        colours = self.colours(node)
        return colours.low + self.threshold * (colours.high - colours.low) if self.threshold else 0.0


def shown_heat_map(scene: Scene) -> VolumeNode | None:
    """The heat map that lies over the slices, or else the one that is seen in 3D; None if there is none."""
    shown = [node for node in heat_maps(scene) if _lies_over_slices(node)]
    return next(iter(shown or [node for node in heat_maps(scene) if is_rendered(node)]), None)


def show_heat_map(node: VolumeNode, look: Look) -> None:
    """Lay a heat map over the image in all slice views, with a legend, in place of any other. If another one was seen
    in 3D, this one is."""
    others = [other for other in heat_maps(node.GetScene()) if other is not node]
    rendered = is_rendered(node) or any(map(is_rendered, others))
    for composite in composites(node.GetScene()):
        composite.SetForegroundVolumeID(node.GetID())
    for other in others:
        _hide(other)
    _remember_look(node, "")
    _show_legend(node)
    adjust_heat_map(node, look)
    if rendered:
        show_volume_rendering(node, look)
    clear_segments(node.GetScene())


def adjust_heat_map(node: VolumeNode, look: Look) -> None:
    """Change how a heat map looks where it is shown; views that show something else by now stay as they are.

    Nothing happens if it was last adjusted to the same, so that what was changed by hand stays.
    """
    display, colours = node.GetDisplayNode(), look.colours(node)
    told = f"{look.opacity:g} {look.threshold:g} {colours}"
    if display.GetAttribute(_LOOK) == told and display.GetColorNode() is not None:
        return
    _remember_look(node, told)
    _color(node, colours)
    least = look.least(node)
    if not display.GetApplyThreshold() or display.GetLowerThreshold() != least:
        with _legend_left_alone(node):
            display.SetThreshold(least, 1e6)
            display.SetApplyThreshold(True)
    for composite in composites(node.GetScene()):
        if composite.GetForegroundVolumeID() == node.GetID():
            composite.SetForegroundOpacity(look.opacity)
    rendering = _rendering(node)
    if rendering is not None:
        _fog(rendering, look)


def name_seen_map(node: VolumeNode) -> None:
    """Let the names of a heat map, in the corner of the views and over the legend, be those of the map that it shows:
    another one after a step through a sequence. A legend without its map is hidden."""
    title, legend = map_title(node), _legend(node)
    if map_browser(node) is not None:
        node.SetName(f"all maps: {title}")
    if legend is not None:
        legend.SetTitleText(f"{title}\nsubtracted" if map_colours(node).subtracted else title)
        if not _lies_over_slices(node):
            legend.SetVisibility(False)


def hide_heat_maps(scene: Scene) -> None:
    """Take all heat maps out of all views, and their legends; they stay in the scene."""
    for node in heat_maps(scene):
        _hide(node)
    for display in _cleared(scene):
        display.SetVisibility2DFill(True)
        display.SetAttribute(_FILL, None)


def clear_segments(scene: Scene) -> None:
    """Leave the outlines of segmentations alone in the slice views, so that a heat map is seen inside of the organ,
    until `hide_heat_maps`."""
    for node in nodes_of_class(scene, "vtkMRMLSegmentationNode"):
        display = node.GetDisplayNode()
        if display is not None and display.GetVisibility2DFill() and not is_outline(node):
            display.SetAttribute(_FILL, "yes")
            display.SetVisibility2DFill(False)


def has_cleared_segments(scene: Scene) -> bool:
    """Whether `clear_segments` has changed what `hide_heat_maps` brings back."""
    return bool(_cleared(scene))


def is_rendered(node: VolumeNode) -> bool:
    """Whether a heat map is seen in 3D."""
    rendering = _rendering(node)
    return rendering is not None and bool(rendering.GetVisibility())


def show_volume_rendering(node: VolumeNode, look: Look) -> None:
    """Show a heat map in 3D as a mist, thicker where attention is high, in which surfaces stay visible.

    Raises `InputError` where the application can't render volumes.
    """
    logic = _rendering_logic()
    if logic is None:
        raise InputError("Volume rendering is not there in this application; look at the map in the slice views.")
    rendering = _rendering(node) or logic.CreateDefaultVolumeRenderingNodes(node)
    _fog(rendering, look)
    rendering.SetVisibility(True)


def hide_volume_rendering(node: VolumeNode) -> None:
    """Take a heat map out of the 3D views."""
    rendering = _rendering(node)
    if rendering is not None:
        rendering.SetVisibility(False)


def _cleared(scene: Scene) -> list[SegmentationDisplayNode]:
    displays = (node.GetDisplayNode() for node in nodes_of_class(scene, "vtkMRMLSegmentationNode"))
    return [display for display in displays if display is not None and display.GetAttribute(_FILL)]


def _remember_look(node: VolumeNode, look: str) -> None:
    """Without an event, at which every legend would be made anew."""
    display = node.GetDisplayNode()
    display.DisableModifiedEventOn()
    display.SetAttribute(_LOOK, look)
    display.DisableModifiedEventOff()


@contextmanager
def _legend_left_alone(node: VolumeNode) -> Iterator[None]:
    """It would be drawn anew at whatever happens to the heat map's display, also at what it does not show."""
    legend = _legend(node)
    if legend is None:
        yield
        return
    legend.DisableModifiedEventOn()
    yield
    legend.DisableModifiedEventOff()


def _color(node: VolumeNode, colours: MapColours) -> None:
    """The range of colours, and numbers beside the bar that are true: its ends, or of 0 to 1 steps of 0.2."""
    display, legend, is_full = node.GetDisplayNode(), _legend(node), (colours.low, colours.high) == (0.0, 1.0)
    display.SetAndObserveColorNodeID(heat_colors(node.GetScene(), subtracted=colours.subtracted).GetID())
    display.SetWindowLevelMinMax(colours.low, colours.high)
    if legend is not None:
        legend.SetNumberOfLabels(6 if is_full else 2)
        legend.SetLabelFormat("%.1f" if is_full else f"%.{colours.digits}f")


def _hide(node: VolumeNode) -> None:
    for composite in composites(node.GetScene()):
        if composite.GetForegroundVolumeID() == node.GetID():
            composite.SetForegroundVolumeID(None)
    legend = _legend(node)
    if legend is not None:
        legend.SetVisibility(False)
    hide_volume_rendering(node)


def _lies_over_slices(node: VolumeNode) -> bool:
    return any(composite.GetForegroundVolumeID() == node.GetID() for composite in composites(node.GetScene()))


def _legend(node: VolumeNode) -> LegendNode | None:
    legend: LegendNode | None = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
    return legend


def _show_legend(node: VolumeNode) -> None:
    """A small bar in the lower right corner; Slicer's own would be half as high as the view, with larger letters."""
    legend: LegendNode = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    legend.SetSize(*_LEGEND_SIZE)
    legend.SetPosition(*_LEGEND_PLACE)
    legend.SetVisibility(True)
    name_seen_map(node)


def _rendering_logic() -> Any:
    module = getattr(slicer.modules, "volumerendering", None)
    return None if module is None else module.logic()


def _rendering(node: VolumeNode) -> RenderingNode | None:
    logic = _rendering_logic()
    return None if logic is None else logic.GetFirstVolumeRenderingDisplayNode(node)


def _fog(rendering: RenderingNode, look: Look) -> None:
    """Own functions of colour and opacity: a copy of the slice display would be opaque and end in a jump, for which
    VTK's tables are too short."""
    node = rendering.GetVolumeNode()
    largest = max(node.GetImageData().GetScalarRange()[1], 1e-9)
    low = min(max(look.least(node) / largest, _NARROWEST), 1 - 2 * _NARROWEST)
    mist = vtk.vtkPiecewiseFunction()
    mist.AddPoint(0.0, 0.0)
    for share, strength in _MIST:
        mist.AddPoint((low + (1 - low) * share) * largest, look.opacity * strength)
    properties = rendering.GetVolumePropertyNode().GetVolumeProperty()
    properties.SetScalarOpacity(mist)
    properties.SetColor(_ramp(node, look.colours(node)))
    properties.SetInterpolationTypeToLinear()
    properties.ShadeOff()


def _ramp(node: VolumeNode, colours: MapColours) -> Any:
    """The colours of a heat map for what draws by functions."""
    ramp = vtk.vtkColorTransferFunction()
    table, color = node.GetDisplayNode().GetColorNode(), [0.0] * 4
    for share in np.linspace(0.0, 1.0, 17):
        table.GetColor(round(share * (table.GetNumberOfColors() - 1)), color)
        ramp.AddRGBPoint(colours.low + share * (colours.high - colours.low), *color[:3])
    return ramp
