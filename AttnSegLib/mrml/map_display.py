"""How heat maps are seen: over the slices with a colour legend, and in 3D. No Qt.

What is shown is read from the scene's nodes, so that a scene that was loaded is treated as one that was made here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from AttnSegLib.errors import InputError
from AttnSegLib.mrml.heat_maps import heat_maps, map_browser, map_title
from AttnSegLib.mrml.nodes import composites
from AttnSegLib.mrml.protocols import LegendNode, RenderingNode, Scene, VolumeNode

_LOOK = "AttnSeg.look"  # attribute of a heat map's display: opacity and threshold, as the panel last set them
_LEGEND_SIZE, _LEGEND_PLACE = (0.08, 0.25), (0.96, 0.04)  # shares of a view: width, height; where, from the lower left
_MIST = ((0.0, 0.0), (0.4, 0.0), (0.7, 0.15), (1.0, 1.0))  # from the threshold to 1: share of the opacity in 3D
_NARROWEST = 0.01  # between points of a transfer function; VTK's tables of colours have few entries


def shown_heat_map(scene: Scene) -> VolumeNode | None:
    """The heat map that lies over the slices, or else the one that is seen in 3D; None if there is none."""
    shown = [node for node in heat_maps(scene) if _lies_over_slices(node)]
    return next(iter(shown or [node for node in heat_maps(scene) if is_rendered(node)]), None)


def show_heat_map(node: VolumeNode, opacity: float, threshold: float) -> None:
    """Lay a heat map over the image in all slice views, with a legend, in place of any other; coefficients below the
    threshold are transparent. If another one was seen in 3D, this one is."""
    others = [other for other in heat_maps(node.GetScene()) if other is not node]
    rendered = is_rendered(node) or any(map(is_rendered, others))
    for composite in composites(node.GetScene()):
        composite.SetForegroundVolumeID(node.GetID())
    for other in others:
        _hide(other)
    _remember_look(node, "")
    adjust_heat_map(node, opacity, threshold)
    _show_legend(node)
    if rendered:
        show_volume_rendering(node, opacity, threshold)


def adjust_heat_map(node: VolumeNode, opacity: float, threshold: float) -> None:
    """Change how a heat map looks where it is shown; views that show something else by now stay as they are.

    Nothing happens if it was last adjusted to the same, so that what was changed by hand stays.
    """
    display, look = node.GetDisplayNode(), f"{opacity:g} {threshold:g}"
    if display.GetAttribute(_LOOK) == look:
        return
    _remember_look(node, look)
    if not display.GetApplyThreshold() or display.GetLowerThreshold() != threshold:
        display.SetThreshold(threshold, 1e6)
        display.SetApplyThreshold(True)
    for composite in composites(node.GetScene()):
        if composite.GetForegroundVolumeID() == node.GetID():
            composite.SetForegroundOpacity(opacity)
    rendering = _rendering(node)
    if rendering is not None:
        _fog(rendering, opacity, threshold)


def name_seen_map(node: VolumeNode) -> None:
    """Let the names of a heat map, in the corner of the views and over the legend, be those of the map that it shows:
    another one after a step through a sequence. A legend without its map is hidden."""
    title, legend = map_title(node), _legend(node)
    if map_browser(node) is not None:
        node.SetName(f"all maps: {title}")
    if legend is not None:
        legend.SetTitleText(title)
        if not _lies_over_slices(node):
            legend.SetVisibility(False)


def hide_heat_maps(scene: Scene) -> None:
    """Take all heat maps out of all views, and their legends; they stay in the scene."""
    for node in heat_maps(scene):
        _hide(node)


def is_rendered(node: VolumeNode) -> bool:
    """Whether a heat map is seen in 3D."""
    rendering = _rendering(node)
    return rendering is not None and bool(rendering.GetVisibility())


def show_volume_rendering(node: VolumeNode, opacity: float, threshold: float) -> None:
    """Show a heat map in 3D as a mist, thicker where attention is high, in which surfaces stay visible.

    Raises `InputError` where the application can't render volumes.
    """
    logic = _rendering_logic()
    if logic is None:
        raise InputError("Volume rendering is not there in this application; look at the map in the slice views.")
    rendering = _rendering(node) or logic.CreateDefaultVolumeRenderingNodes(node)
    _fog(rendering, opacity, threshold)
    rendering.SetVisibility(True)


def hide_volume_rendering(node: VolumeNode) -> None:
    """Take a heat map out of the 3D views."""
    rendering = _rendering(node)
    if rendering is not None:
        rendering.SetVisibility(False)


def _remember_look(node: VolumeNode, look: str) -> None:
    """Without an event, at which every legend would be made anew."""
    display = node.GetDisplayNode()
    display.DisableModifiedEventOn()
    display.SetAttribute(_LOOK, look)
    display.DisableModifiedEventOff()


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
    legend.SetNumberOfLabels(6)  # at steps of 0.2, which one digit tells truly
    legend.SetVisibility(True)
    name_seen_map(node)


def _rendering_logic() -> Any:
    module = getattr(slicer.modules, "volumerendering", None)
    return None if module is None else module.logic()


def _rendering(node: VolumeNode) -> RenderingNode | None:
    logic = _rendering_logic()
    return None if logic is None else logic.GetFirstVolumeRenderingDisplayNode(node)


def _fog(rendering: RenderingNode, opacity: float, threshold: float) -> None:
    """Own functions of colour and opacity: a copy of the slice display would be opaque and end in a jump, for which
    VTK's tables are too short."""
    low = min(max(threshold, _NARROWEST), 1 - 2 * _NARROWEST)
    mist = vtk.vtkPiecewiseFunction()
    mist.AddPoint(0.0, 0.0)
    for share, strength in _MIST:
        mist.AddPoint(low + (1 - low) * share, opacity * strength)
    colors = vtk.vtkColorTransferFunction()
    table = rendering.GetVolumeNode().GetDisplayNode().GetColorNode()
    color = [0.0] * 4
    for value in np.linspace(0.0, 1.0, 17):
        table.GetColor(round(value * (table.GetNumberOfColors() - 1)), color)
        colors.AddRGBPoint(value, *color[:3])
    look = rendering.GetVolumePropertyNode().GetVolumeProperty()
    look.SetScalarOpacity(mist)
    look.SetColor(colors)
    look.SetInterpolationTypeToLinear()
    look.ShadeOff()
