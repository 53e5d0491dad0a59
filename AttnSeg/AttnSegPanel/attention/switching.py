"""In the section "Attention": what the result would be without the map that is seen, or without a place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from AttnSegLib.mrml import map_display, views
from AttnSegLib.mrml.heat_maps import map_title
from AttnSegLib.mrml.news import MapSwitchedOff, News
from AttnSegLib.mrml.protocols import VolumeNode
from AttnSegLib.mrml.switching.erasing import Disc, PaintedSegment, painted_segments
from AttnSegLib.mrml.switching.outlines import hide_outlines, remembered_influence
from AttnSegPanel.choices import check, chosen, fill_box, select
from AttnSegPanel.run_row import RunRow

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class Switching:
    """Switch off, in the slice in view or everywhere, and Erase here. row: where it is told how it goes."""

    def __init__(self, panel: Panel, row: RunRow):
        self.panel, self.ui, self._row = panel, panel.ui, row
        self._radius: float | None = None  # of the last erasing
        self.ui.switchButton.connect("clicked(bool)", self.switch_off)
        self.ui.switchAllButton.connect("clicked(bool)", self.switch_off_everywhere)
        self.ui.eraseButton.connect("toggled(bool)", self.toggle_erasing)
        self.ui.eraseBox.connect("activated(int)", self.place_chosen)

    def refresh(self, shown: VolumeNode | None, *, ready: bool) -> None:
        """ready: whether the map that is seen is one of the chosen model."""
        idle = not self.panel.session.is_busy
        self.ui.switchButton.enabled = self.ui.switchAllButton.enabled = ready and idle
        self._show_places()
        is_segment = bool(chosen(self.ui.eraseBox))
        self.ui.eraseButton.enabled = ready and (idle or not is_segment)
        self.ui.eraseRadiusBox.enabled = not is_segment
        if shown is None:
            views.remove_point(slicer.mrmlScene, views.ERASE)
        point = views.placed_point(slicer.mrmlScene, views.ERASE)
        check(self.ui.eraseButton, point is not None)
        place = None if point is None else views.point_place(point)
        if place is not None and self._radius != self.panel.parameters.eraseRadius:
            self.erase_at(place)

    def receive(self, update: News) -> None:
        """The session reports something."""
        if isinstance(update, MapSwitchedOff):
            self.panel.say(update.sentence)

    def measured(self, title: str) -> list[str]:
        """What was measured of a map in this scan."""
        volume, spec = self.panel.parameters.inputVolume, self.panel.spec
        told = remembered_influence(volume, (spec.id, title)) if volume is not None and spec is not None else ()
        return [_("Here, without it: {measured}.").format(measured="; ".join(told))] if told else []

    def switch_off(self, _checked: bool = False) -> None:
        """Compute the slice in view without the map that is seen, and say what that changes."""
        self._switch_off(whole=False)

    def switch_off_everywhere(self, _checked: bool = False) -> None:
        """The same for the whole volume."""
        self._switch_off(whole=True)

    def toggle_erasing(self, placing: bool) -> None:
        """Place a point around which attention is erased, and follow it; or erase what is painted in the slice in
        view."""
        segment = next((one for one in painted_segments(slicer.mrmlScene) if one.key == chosen(self.ui.eraseBox)), None)
        if placing and segment is not None:
            self.panel.begin(self._row)
            self._erase(segment)
        elif placing:
            self._radius = None
            self.panel.begin(self._row)
            views.place_point(slicer.mrmlScene, self.erase_at, views.ERASE)
            self.panel.say(_("Click into a slice, where attention is to be erased."))
        else:
            self.stop()
        self.panel.refresh()

    def erase_at(self, place: views.Place) -> None:
        """Erase the map that is seen around a place, mm, RAS, and show the result."""
        if self.panel.is_open and not self.panel.session.is_busy:
            self._radius = self.panel.parameters.eraseRadius
            self._erase(Disc(place, self._radius))

    def place_chosen(self, _index: int) -> None:
        """A disc or a segment: what was erased before is taken out of the views."""
        self.stop()
        self.panel.refresh()

    def stop(self) -> None:
        """Take what was switched off or erased out of the views, and the point."""
        views.remove_point(slicer.mrmlScene, views.ERASE)
        hide_outlines(slicer.mrmlScene)

    def _erase(self, place: Disc | PaintedSegment) -> None:
        shown = map_display.shown_heat_map(slicer.mrmlScene)
        if shown is not None:
            title = map_title(shown)
            self.panel.attempt(lambda: self.panel.session.erase(self.panel.target(), title, place))

    def _show_places(self) -> None:
        """A disc, or one of the segments of the scene; the choice stays as long as it is there."""
        segments = [(one.title, one.key) for one in painted_segments(slicer.mrmlScene)]
        before = chosen(self.ui.eraseBox)
        fill_box(self.ui.eraseBox, [(_("a disc"), ""), *segments])
        select(self.ui.eraseBox, before if before in dict(segments).values() else "")

    def _switch_off(self, *, whole: bool) -> None:
        shown = map_display.shown_heat_map(slicer.mrmlScene)
        if shown is not None:
            views.remove_point(slicer.mrmlScene, views.ERASE)
            title = map_title(shown)
            self.panel.begin(self._row)
            self.panel.attempt(lambda: self.panel.session.switch_off(self.panel.target(), title, whole=whole))
            self.panel.refresh()
