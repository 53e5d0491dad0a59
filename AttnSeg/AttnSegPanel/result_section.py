"""Section "Result": how much of what there is, how well it agrees with a reference, and what to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from AttnSegLib.mrml import segmentations, views
from AttnSegLib.mrml.news import News, Segmented
from AttnSegLib.results.measures import Measure
from AttnSegLib.worker.messages import Compared
from AttnSegPanel.choices import show_rows

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel

SCORES = {  # of those of `metrics.compare_masks`, what a user of the panel asks for, and how it reads
    "dice": "Dice",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "volume_similarity": "Volume similarity",
    "mean_surface_distance_mm": "Mean surface distance, mm",
    "hd95_mm": "95 % Hausdorff distance, mm",
}


class ResultSection:
    """The table of segments, undo, surface, Segment Editor, comparison with a reference."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._last: Segmented | None = None
        self._rows: list[list[str]] = []
        self.ui.compareTable.visible = False  # until there is something in it
        self.ui.copyButton.connect("clicked(bool)", self.copy)
        self.ui.undoButton.connect("clicked(bool)", self.undo)
        self.ui.editorButton.connect("clicked(bool)", self.open_editor)
        self.ui.surfaceBox.connect("toggled(bool)", self.show_surface)
        self.ui.compareButton.connect("clicked(bool)", self.compare)

    def refresh(self) -> None:
        parameters = self.panel.parameters
        self.ui.copyButton.enabled = bool(self._rows)
        self.ui.undoButton.enabled = self._last is not None
        has_result = parameters.segmentation is not None
        self.ui.editorButton.enabled = self.ui.surfaceBox.enabled = has_result
        self.ui.compareButton.enabled = (
            has_result and parameters.reference is not None and not self.panel.session.is_busy
        )

    def receive(self, update: News) -> None:
        if isinstance(update, Segmented):
            self._last = update
            if update.whole:  # of one slice done again, the table would tell half
                self.ui.resultSection.collapsed = False
                self._rows = [_row(measure) for measure in update.result.measures]
                show_rows(self.ui.measureTable, self._rows)
        elif isinstance(update, Compared):
            self.ui.compareTable.visible = True
            rows = [[title, _number(update.scores[name])] for name, title in SCORES.items()]
            show_rows(self.ui.compareTable, rows)

    def copy(self, _checked: bool = False) -> None:
        """The table to the clipboard, as comma-separated values."""
        lines = ["segment,volume_ml,mean,sd,slices", *(",".join(row) for row in self._rows)]
        qt.QApplication.clipboard().setText("\n".join(lines) + "\n")
        self.panel.say(_("The table is in the clipboard."))

    def undo(self, _checked: bool = False) -> None:
        """Take the last change of the segmentation back."""
        if self._last is not None:
            self.panel.attempt(self._last.change.undo)
            self._last, self._rows = None, []
            show_rows(self.ui.measureTable, [])
            self.panel.say(_("The segmentation is as it was before the last run."))
            self.panel.refresh()

    def open_editor(self, _checked: bool = False) -> None:
        """Go to the Segment Editor with the result."""
        parameters = self.panel.parameters
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        editor.setSegmentationNode(parameters.segmentation)
        editor.setSourceVolumeNode(parameters.inputVolume)

    def show_surface(self, shown: bool) -> None:
        """Surface of the result in the 3D view, made when it is first asked for."""
        if self.panel.parameters.segmentation is not None:
            segmentations.show_surface(self.panel.parameters.segmentation, shown)
            if shown:
                views.reset_3d_views()

    def compare(self, _checked: bool = False) -> None:
        """Agreement of the model's first segment with the reference."""
        ours, reference = self.panel.parameters.segmentation, self.panel.parameters.reference
        if ours is not None and reference is not None:
            self.panel.attempt(lambda: self.panel.session.compare(self.panel.target(), ours, reference))
            self.panel.refresh()


def _row(measure: Measure) -> list[str]:
    intensities = [_number(value, 1) for value in (measure.mean_intensity, measure.sd_intensity)]
    return [measure.name, f"{measure.volume_ml:.1f}", *intensities, f"{measure.slices}"]


def _number(value: float | None, digits: int = 3) -> str:
    return _("undefined") if value is None else f"{value:.{digits}f}"
