"""Section "Slices to check": the doubtful slices of a result, one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from AttnSegLib.errors import InputError
from AttnSegLib.mrml import views
from AttnSegLib.mrml.news import News, Segmented
from AttnSegPanel.choices import show_rows

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class CheckSection:
    """The ranked list of slices; a click goes there, a button segments the slice again."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._last: Segmented | None = None
        self.ui.checkTable.connect("cellClicked(int,int)", self.go)
        self.ui.redoButton.connect("clicked(bool)", self.redo)

    def refresh(self) -> None:
        self.ui.redoButton.enabled = self._last is not None and not self.panel.session.is_busy

    def receive(self, update: News) -> None:
        if isinstance(update, Segmented) and update.whole:
            self._last = update
            rows = [[f"{s.index}", f"{s.expected_error:.2f}", f"{s.area_jump:.2f}"] for s in update.result.to_check]
            show_rows(self.ui.checkTable, rows)

    def go(self, row: int, _column: int = 0) -> None:
        """Show the slice of a row."""
        if self._last is not None:
            place = self._last.result.to_check[row]
            views.jump_to_slice(self._last.target.volume_node, self._last.result.axis, place.index)

    def redo(self, _checked: bool = False) -> None:
        """Segment the chosen slice again with the present settings."""
        last, row = self._last, self.ui.checkTable.currentRow()
        if last is None or row < 0:
            self.panel.say(_("Choose a slice in the list first."), is_error=True)
            return
        index = last.result.to_check[row].index
        self.panel.attempt(lambda: self._redo(last, index))
        self.panel.refresh()

    def _redo(self, last: Segmented, index: int) -> None:
        target, session = self.panel.target(), self.panel.session
        if session.slice_axis(target) != last.result.axis:
            raise InputError(_("The list is of slices of another plane; choose that one again, or press Apply first."))
        session.redo_slice(target, last.node, index)
