"""Section "Attention": where the network looked, map by map, whether that matters, and where one place looks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml import map_display, views
from AttnSegLib.mrml.heat_maps import (
    ChannelRow,
    channel_rows,
    heat_maps,
    map_browser,
    map_model,
    map_title,
    scale_words,
)
from AttnSegLib.mrml.news import Mapped, News, Segmented
from AttnSegLib.mrml.nodes import composites
from AttnSegLib.mrml.protocols import Node, VolumeNode
from AttnSegLib.mrml.switching.outlines import has_outlines
from AttnSegPanel.attention.switching import Switching
from AttnSegPanel.choices import check, chosen, fill_box, fit_height, select, show_rows, slide
from AttnSegPanel.run_row import RunRow

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel

_MOST_ROWS = 4  # of the table of channels
_NOTHING = 5e-5  # a coefficient that is next to nothing


class AttentionSection:
    """Choice of a map, how it is shown, the steps through all of them, and the query point.

    What is shown is read from the scene; the panel only listens to what changes there.
    """

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._listener = VTKObservationMixin()
        self._row = RunRow.below(self.ui.attentionSection, panel.input.cancel)
        self.switching = Switching(panel, self._row)
        self.ui.mapBox.connect("activated(int)", self.map_chosen)
        self.ui.mapSlider.connect("valueChanged(int)", self.step_to)
        self.ui.wholeVolumeButton.connect("clicked(bool)", self.show_whole_volume)
        self.ui.sequenceButton.connect("clicked(bool)", self.show_all)
        self.ui.hideMapsButton.connect("clicked(bool)", self.hide)
        self.ui.queryButton.connect("toggled(bool)", self.toggle_query)
        self.ui.renderingBox.connect("toggled(bool)", self.show_rendering)
        self.ui.absoluteBox.connect("toggled(bool)", self.change_scale)

    @property
    def _shown(self) -> VolumeNode | None:
        """The heat map in the views."""
        return map_display.shown_heat_map(slicer.mrmlScene)

    @property
    def look(self) -> map_display.Look:
        """How heat maps are seen, by the choices."""
        chosen = self.panel.parameters
        return map_display.Look(chosen.opacity, chosen.threshold, chosen.fullScale)

    def refresh(self) -> None:
        shown, spec, parameters = self._shown, self.panel.spec, self.panel.parameters
        if shown is not None and self._is_of_another_model(shown):
            self.hide()
            return
        titles = spec.maps_by_influence if spec else ()
        fill_box(
            self.ui.mapBox, [(_("none"), ""), *((_entry(spec, title), title) for title in titles if spec is not None)]
        )
        select(self.ui.mapBox, parameters.attentionMap if parameters.attentionMap in titles else "")
        ready = bool(titles) and parameters.inputVolume is not None
        idle = not self.panel.session.is_busy
        self.ui.mapBox.enabled = self.ui.sequenceButton.enabled = ready and idle
        self.ui.wholeVolumeButton.enabled = ready and idle and bool(chosen(self.ui.mapBox))
        self.switching.refresh(shown, ready=ready and shown is not None and map_title(shown) in titles)
        self._refresh_query(ready and spec is not None and bool(spec.facts.queries))
        self._refresh_shown(shown)

    def _refresh_query(self, ready: bool) -> None:
        if not ready:
            views.remove_point(slicer.mrmlScene)
        self.ui.queryButton.enabled = ready
        check(self.ui.queryButton, views.placed_point(slicer.mrmlScene) is not None)

    def _refresh_shown(self, shown: VolumeNode | None) -> None:
        self.ui.renderingBox.enabled = shown is not None
        scene = slicer.mrmlScene
        to_hide = shown is not None or has_outlines(scene) or map_display.has_cleared_segments(scene)
        self.ui.hideMapsButton.enabled = to_hide
        check(self.ui.renderingBox, shown is not None and map_display.is_rendered(shown))
        browser = map_browser(shown) if shown is not None else None
        self.ui.mapSlider.enabled = browser is not None
        if browser is not None:
            slide(self.ui.mapSlider, browser.GetSelectedItemNumber(), browser.GetNumberOfItems() - 1)
        else:
            slide(self.ui.mapSlider, 0, 0)
        if shown is None:
            self.ui.attentionLabel.text = ""
            self._show_channels([])
            return
        map_display.adjust_heat_map(shown, self.look)
        self._listen(shown)
        self.ui.attentionLabel.text = escape(self._words_on(shown))
        self._show_channels(channel_rows(shown))

    def _show_channels(self, rows: list[ChannelRow]) -> None:
        """What the network weighs beside places: coefficients over channels."""
        texts = [[name, str(count), *map(_short, numbers)] for name, count, *numbers, _ in rows]
        self.ui.channelTable.visible = bool(texts)
        show_rows(self.ui.channelTable, texts)
        fit_height(self.ui.channelTable, min(max(len(texts), 1), _MOST_ROWS))

    def _words_on(self, shown: VolumeNode) -> str:
        """What is seen, and whether it matters; of a map whose model is not here, the card is not known."""
        title, spec, colours = map_title(shown), self.panel.spec, self.look.colours(shown)
        words = _("{title}: coefficients from {low} (dark) to {high} (bright), shown from {least} up.").format(
            title=title,
            low=colours.printed(colours.low),
            high=colours.printed(colours.high),
            least=colours.printed(self.look.least(shown)),
        )
        words = " ".join([str(words), *filter(None, [scale_words(shown)])])
        if spec is None or spec.id != map_model(shown):
            return words
        card = _("On the card: {influence}.").format(influence=spec.words_on(title))
        return " ".join([words, card, *self.switching.measured(title)])

    def receive(self, update: News) -> None:
        self.switching.receive(update)
        if isinstance(update, Segmented) and self._shown is not None:
            map_display.clear_segments(slicer.mrmlScene)
        if isinstance(update, Mapped) and self.panel.is_open:
            self.switching.stop()  # it may be of another map
            map_display.show_heat_map(update.node, self.look)
            self.panel.parameters.attentionMap = map_title(update.node)
            browser = map_browser(update.node)
            if browser is not None:
                slicer.modules.sequences.showSequenceBrowser(browser)

    def change_scale(self, _absolute: bool) -> None:
        """Show self-attention absolute, or relative again: compute the maps that are seen once more."""
        shown, spec = self._shown, self.panel.spec
        if shown is None or spec is None or not scale_words(shown) or self.panel.session.is_busy:
            return
        if map_browser(shown) is not None:
            self.show_all()
        else:
            self._compute([map_title(shown)], whole=min(shown.GetImageData().GetDimensions()) > 1)

    def map_chosen(self, _index: int) -> None:
        """Compute the chosen map for the slice in view."""
        self.choose(chosen(self.ui.mapBox))

    def choose(self, title: str) -> None:
        """Show a map by its title for the slice in view, or with an empty title none."""
        self.panel.parameters.attentionMap = title
        if self.panel.parameters.attentionMap:
            self._compute([self.panel.parameters.attentionMap], whole=False)
        else:
            self.hide()

    def step_to(self, number: int) -> None:
        """Show another one of all maps."""
        shown = self._shown
        browser = map_browser(shown) if shown is not None else None
        if browser is not None:
            browser.SetSelectedItemNumber(number)

    def show_whole_volume(self, _checked: bool = False) -> None:
        """Compute the chosen map for all slices."""
        self._compute([self.panel.parameters.attentionMap], whole=True)

    def show_all(self, _checked: bool = False) -> None:
        """Compute all maps for the slice in view, as a sequence."""
        spec = self.panel.spec
        if spec is not None:
            self._compute(list(spec.maps_by_influence), whole=False)

    def hide(self, _checked: bool = False) -> None:
        """Take the maps, and all that belongs to them, out of the views; they stay in the scene."""
        map_display.hide_heat_maps(slicer.mrmlScene)
        self.switching.stop()
        self.panel.parameters.attentionMap = ""
        self.panel.refresh()

    def show_rendering(self, shown: bool) -> None:
        """The map in the 3D view."""
        node = self._shown
        if node is not None and shown:
            self.panel.begin(self._row)
            self.panel.attempt(lambda: self._render(node))
        elif node is not None:
            map_display.hide_volume_rendering(node)
        self.panel.refresh()

    def toggle_query(self, placing: bool) -> None:
        """Place a point, and follow it."""
        if placing:
            views.place_point(slicer.mrmlScene, self._point_moved)
        else:
            views.remove_point(slicer.mrmlScene)

    def _render(self, node: VolumeNode) -> None:
        map_display.show_volume_rendering(node, self.look)
        views.reset_3d_views()

    def _point_moved(self, place: views.Place) -> None:
        spec = self.panel.spec
        volume = self.panel.parameters.inputVolume if self.panel.is_open else None
        voxel = views.voxel_at(volume, place) if volume is not None else None
        if spec is None or not spec.facts.queries or voxel is None:
            return
        title = self.panel.parameters.attentionMap
        title = title if title in spec.facts.queries else spec.facts.queries[-1]
        absolute = self.panel.parameters.absolute
        self.panel.attempt(lambda: self.panel.session.query(self.panel.target(), title, voxel, absolute=absolute))

    def _compute(self, titles: list[str], *, whole: bool) -> None:
        self.panel.begin(self._row)
        session, absolute = self.panel.session, self.ui.absoluteBox.checked
        self.panel.attempt(lambda: session.show_maps(self.panel.target(), titles, whole=whole, absolute=absolute))
        self.panel.refresh()

    def _is_of_another_model(self, shown: VolumeNode) -> bool:
        """Whether a heat map's model could be chosen and is not; a map whose model is not here came with a scene."""
        model = map_model(shown)
        others = {spec.id for spec in self.panel.models if spec is not self.panel.spec}
        return self.panel.spec is not None and model in others

    def close(self) -> None:
        """Hear nothing any more."""
        self._listener.removeObservers()

    def _listen(self, shown: VolumeNode) -> None:
        """Follow the heat map that is seen, and what is laid over the slices by hand."""
        if self._listener.hasObserver(shown, vtk.vtkCommand.ModifiedEvent, self._map_changed):
            return
        self._listener.removeObservers()
        self._listener.addObserver(shown, vtk.vtkCommand.ModifiedEvent, self._map_changed)
        for composite in composites(slicer.mrmlScene):
            self._listener.addObserver(composite, vtk.vtkCommand.ModifiedEvent, self._map_changed)
        map_display.name_seen_map(shown)

    def _map_changed(self, changed: Node, _event: object) -> None:
        """A step through the sequence, in the panel or by Slicer's own tool bar, or another foreground."""
        title = map_title(changed)
        for node in heat_maps(slicer.mrmlScene):
            map_display.name_seen_map(node)
        if self.panel.is_open and title:
            self.panel.parameters.attentionMap = title
        if self.panel.is_open:
            self.refresh()


def _short(coefficient: float) -> str:
    return "0" if coefficient < _NOTHING else f"{coefficient:.3g}"


def _entry(spec: ModelSpec, title: str) -> str:
    """A map in the list."""
    return f"{title} ({spec.words_on(title)})"
