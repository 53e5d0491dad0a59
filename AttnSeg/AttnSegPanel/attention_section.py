"""Section "Attention": where the network looked, map by map, and where one place looks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from AttnSegLib.mrml import heat_maps, views
from AttnSegLib.mrml.news import Mapped, News
from AttnSegLib.mrml.protocols import VolumeNode
from AttnSegPanel.choices import chosen, fill_box, select
from AttnSegPanel.run_row import RunRow

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class AttentionSection:
    """Choice of a map, how it is shown, and the query point."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._row = RunRow.below(self.ui.attentionSection, panel.input.cancel)
        self._shown: VolumeNode | None = None  # the heat map in the views
        self._look: tuple[float, float] | None = None  # its opacity and threshold, as they were last set
        self._point: views.QueryPoint | None = None
        self.ui.mapBox.connect("activated(int)", self.map_chosen)
        self.ui.wholeVolumeButton.connect("clicked(bool)", self.show_whole_volume)
        self.ui.sequenceButton.connect("clicked(bool)", self.show_all)
        self.ui.hideMapsButton.connect("clicked(bool)", self.hide)
        self.ui.queryButton.connect("toggled(bool)", self.toggle_query)
        self.ui.renderingBox.connect("toggled(bool)", self.show_rendering)

    def refresh(self) -> None:
        parameters, spec = self.panel.parameters, self.panel.spec
        titles = list(spec.facts.maps) if spec else []
        fill_box(self.ui.mapBox, [(_("none"), ""), *((title, title) for title in titles)])
        select(self.ui.mapBox, parameters.attentionMap if parameters.attentionMap in titles else "")
        ready = bool(titles) and parameters.inputVolume is not None
        idle = not self.panel.session.is_busy
        self.ui.mapBox.enabled = self.ui.sequenceButton.enabled = ready and idle
        self.ui.wholeVolumeButton.enabled = ready and idle and bool(chosen(self.ui.mapBox))
        self.ui.queryButton.enabled = ready and spec is not None and bool(spec.facts.queries)
        shown = self._shown if self._shown is not None and self._shown.GetScene() is not None else None
        self.ui.hideMapsButton.enabled = self.ui.renderingBox.enabled = shown is not None
        look = (parameters.opacity, parameters.threshold)
        if shown is not None and look != self._look:
            self._look = look
            heat_maps.adjust_heat_map(shown, *look)

    def receive(self, update: News) -> None:
        if isinstance(update, Mapped):
            self._shown = update.node
            self._look = (self.panel.parameters.opacity, self.panel.parameters.threshold)
            heat_maps.show_heat_map(self._shown, *self._look)
            self.ui.attentionLabel.text = _("{title}: coefficients from 0 to 1, shown from {low:.2f} up.").format(
                title=escape(update.title), low=self.panel.parameters.threshold
            )

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

    def show_whole_volume(self, _checked: bool = False) -> None:
        """Compute the chosen map for all slices."""
        self._compute([self.panel.parameters.attentionMap], whole=True)

    def show_all(self, _checked: bool = False) -> None:
        """Compute all maps for the slice in view, as a sequence."""
        spec = self.panel.spec
        if spec is not None:
            self._compute(list(spec.facts.maps), whole=False)

    def hide(self, _checked: bool = False) -> None:
        """Take the maps out of the views; they stay in the scene."""
        if self._shown is not None:
            heat_maps.hide_heat_maps(self._shown.GetScene())
            self._shown = None
        self.panel.refresh()

    def show_rendering(self, shown: bool) -> None:
        """The map in the 3D view."""
        node = self._shown
        if node is not None:
            self.panel.attempt(lambda: heat_maps.show_volume_rendering(node, shown))

    def toggle_query(self, placing: bool) -> None:
        """Place a point, and follow it."""
        if self._point is not None:
            self._point.remove()
            self._point = None
        if placing and self.panel.parameters.inputVolume is not None:
            self._point = views.QueryPoint(self.panel.parameters.inputVolume, self._point_moved)
            self._point.place()

    def _point_moved(self, voxel: tuple[int, int, int]) -> None:
        spec = self.panel.spec
        if spec is None or not spec.facts.queries:
            return
        title = self.panel.parameters.attentionMap
        title = title if title in spec.facts.queries else spec.facts.queries[-1]
        self.panel.attempt(lambda: self.panel.session.query(self.panel.target(), title, voxel))

    def _compute(self, titles: list[str], *, whole: bool) -> None:
        self.panel.begin(self._row)
        self.panel.attempt(lambda: self.panel.session.show_maps(self.panel.target(), titles, whole=whole))
        self.panel.refresh()
