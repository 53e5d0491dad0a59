"""Section "Slices to check": the doubtful slices of a result, one click away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from AttnSegLib.errors import InputError
from AttnSegLib.mrml import records, views
from AttnSegLib.mrml.news import News
from AttnSegLib.mrml.protocols import SegmentationNode
from AttnSegLib.mrml.records import CheckList
from AttnSegPanel.choices import show_rows
from AttnSegPanel.run_row import RunRow

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class CheckSection:
    """The ranked list of slices; a click goes there, a button segments the slice again."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._row = RunRow.below(self.ui.checkSection, panel.input.cancel)
        self.ui.checkTable.connect("cellClicked(int,int)", self.go)
        self.ui.redoButton.connect("clicked(bool)", self.redo)

    @property
    def listed(self) -> CheckList | None:
        """The list of the result that is chosen."""
        return records.check_list(self.panel.parameters.segmentation) if self.panel.is_open else None

    def refresh(self) -> None:
        listed = self.listed
        slices = listed.slices if listed is not None else ()
        show_rows(self.ui.checkTable, [[f"{s.index}", f"{s.expected_error:.2f}", f"{s.area_jump:.2f}"] for s in slices])
        self.ui.redoButton.enabled = bool(slices) and not self.panel.session.is_busy

    def receive(self, _update: News) -> None:
        """What the session reports is in the segmentation node."""

    def go(self, row: int, _column: int = 0) -> None:
        """Show the slice of a row."""
        listed = self.listed
        if listed is not None:
            self.show_slice(listed.slices[row].index)

    def show_slice(self, index: int) -> None:
        """Show a slice of the list's volume."""
        listed, node = self.listed, self.panel.parameters.segmentation
        volume = None if node is None else records.checked_volume(node)
        if listed is not None and volume is not None:
            views.jump_to_slice(volume, listed.axis, index)

    def redo(self, _checked: bool = False) -> None:
        """Segment the chosen slice again with the present settings."""
        self.panel.begin(self._row)
        listed, node, row = self.listed, self.panel.parameters.segmentation, self.ui.checkTable.currentRow()
        if listed is None or node is None or row < 0:
            self.panel.say(_("Choose a slice in the list first."), is_error=True)
        else:
            self.panel.attempt(lambda: self._redo(node, listed, listed.slices[row].index))
        self.panel.refresh()

    def _redo(self, node: SegmentationNode, listed: CheckList, index: int) -> None:
        target, session = self.panel.target(), self.panel.session
        if records.checked_volume(node) is not target.volume_node:
            raise InputError(_("The list is of another volume; choose that one again, or press Apply first."))
        if session.slice_axis(target) != listed.axis:
            raise InputError(_("The list is of slices of another plane; choose that one again, or press Apply first."))
        session.redo_slice(target, node, index)
