"""Section "Result": how much of what there is, how well it agrees with a reference, and what to do with it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from AttnSegLib.mrml import records, segmentations, views
from AttnSegLib.mrml.news import News, Segmented
from AttnSegLib.mrml.records import SegmentRow
from AttnSegLib.mrml.segmentations import Change
from AttnSegLib.worker.messages import Compared
from AttnSegPanel.choices import check, fit_height, show_rows
from AttnSegPanel.inks import linked
from AttnSegPanel.run_row import RunRow

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

_MOST_ROWS, _MOST_LINKS = 5, 6
_ALL = "all"  # where a link leads


class ResultSection:
    """The table of segments, undo, surface, Segment Editor, comparison with a reference."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._row = RunRow.below(self.ui.resultSection, panel.input.cancel)
        self._change: Change | None = None  # of the last run
        self._edited = False  # by hand, since it was measured
        self._listener = VTKObservationMixin()
        self._compared: tuple[object, object] | None = None  # of what the scores are: result and reference
        self.ui.compareTable.visible = False  # until there is something in it
        self.ui.copyButton.connect("clicked(bool)", self.copy)
        self.ui.undoButton.connect("clicked(bool)", self.undo)
        self.ui.editorButton.connect("clicked(bool)", self.open_editor)
        self.ui.seeAttentionButton.connect("clicked(bool)", self.see_attention)
        self.ui.checkLinks.connect("linkActivated(QString)", self.follow_link)
        self.ui.surfaceBox.connect("toggled(bool)", self.show_surface)
        self.ui.compareButton.connect("clicked(bool)", self.compare)

    def refresh(self) -> None:
        parameters = self.panel.parameters
        self._listen()
        if self._edited:
            self._measure_again()
        rows = self._rows()
        show_rows(self.ui.measureTable, rows)
        fit_height(self.ui.measureTable, min(max(len(rows), 1), _MOST_ROWS))
        self.ui.copyButton.enabled = bool(rows)
        self.ui.undoButton.enabled = self._change is not None and self._change.can_be_undone
        has_result = parameters.segmentation is not None
        self.ui.editorButton.enabled = self.ui.surfaceBox.enabled = has_result
        result = parameters.segmentation
        check(self.ui.surfaceBox, result is not None and segmentations.has_surface(result))
        self.ui.checkLinks.text = self._links()
        self.ui.checkLinks.visible = bool(self.ui.checkLinks.text)
        ready = parameters.inputVolume is not None and self.panel.spec is not None
        self.ui.seeAttentionButton.enabled = ready and not self.panel.session.is_busy
        if self._compared != (parameters.segmentation, parameters.reference):
            self._hide_scores()
        self.ui.compareButton.enabled = (
            has_result and parameters.reference is not None and not self.panel.session.is_busy
        )

    def receive(self, update: News) -> None:
        if isinstance(update, Segmented):
            self._change, self._edited = update.change, False
            self._hide_scores()  # which are of what was there before
            if update.whole:
                self.ui.resultSection.collapsed = False
        elif isinstance(update, Compared) and self.panel.is_open:
            self._compared = (self.panel.parameters.segmentation, self.panel.parameters.reference)
            self.ui.compareTable.visible = True
            rows = [[title, _number(update.scores[name])] for name, title in SCORES.items()]
            show_rows(self.ui.compareTable, rows)
            fit_height(self.ui.compareTable, len(rows))

    def copy(self, _checked: bool = False) -> None:
        """The table to the clipboard, as comma-separated values."""
        self.panel.begin(self._row)
        lines = ["segment,volume_ml,mean,sd,slices", *(",".join(row) for row in self._rows())]
        qt.QApplication.clipboard().setText("\n".join(lines) + "\n")
        self.panel.say(_("The table is in the clipboard."))

    def undo(self, _checked: bool = False) -> None:
        """Take the last change of the segmentation back."""
        change, self._change = self._change, None
        if change is not None:
            self.panel.begin(self._row)
            change.undo()
            self._edited = False  # what was measured is undone with the rest
            self._hide_scores()
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

    def see_attention(self, _checked: bool = False) -> None:
        """Where the network looked: the first map of its card, for the slice in view."""
        spec = self.panel.spec
        self.ui.attentionSection.collapsed = False
        if spec is not None and spec.facts.maps:
            self.panel.attention.choose(next(iter(spec.attention), spec.maps_by_influence[0]))

    def follow_link(self, link: str) -> None:
        """Go to a slice to check, or to the list of all."""
        if link == _ALL:
            self.ui.checkSection.collapsed = False
        else:
            self.panel.check.show_slice(int(link))

    def compare(self, _checked: bool = False) -> None:
        """Agreement of the model's first segment with the reference."""
        ours, reference = self.panel.parameters.segmentation, self.panel.parameters.reference
        if ours is not None and reference is not None:
            self.panel.begin(self._row)
            self.panel.attempt(lambda: self.panel.session.compare(self.panel.target(), ours, reference))
            self.panel.refresh()

    def close(self) -> None:
        """Hear nothing any more."""
        self._listener.removeObservers()

    def _listen(self) -> None:
        """Notice what is corrected by hand; it is measured when the panel is shown again, not at each stroke."""
        node = self.panel.parameters.segmentation
        event, heard = slicer.vtkSegmentation.SourceRepresentationModified, self._listener
        if node is None:
            heard.removeObservers()
        elif not heard.hasObserver(node.GetSegmentation(), event, self._notice_edit):
            heard.removeObservers()
            heard.addObserver(node.GetSegmentation(), event, self._notice_edit)

    def _notice_edit(self, *_: object) -> None:
        self._edited = True

    def _measure_again(self) -> None:
        node = self.panel.parameters.segmentation
        volume_node = None if node is None else records.checked_volume(node)
        self._edited = False
        if node is not None and volume_node is not None:
            session = self.panel.session
            self.panel.attempt(lambda: records.measure_again(node, volume_node, session.volume(volume_node)))

    def _rows(self) -> list[list[str]]:
        found = records.segment_rows(self.panel.parameters.segmentation)
        often = Counter(row.name for row in found)
        return [_texts(row, named=often[row.name] > 1) for row in found]

    def _links(self) -> str:
        listed = self.panel.check.listed
        if listed is None:
            return ""
        doubtful = [one.index for one in listed.slices if one.is_doubtful]
        label = self.ui.checkLinks
        links = [linked(f"{index}", f"{index}", label) for index in doubtful[:_MOST_LINKS]]
        if not links:
            return f"{_('No slice stands out.')} {linked(_ALL, _('all'), label)}"
        more = len(doubtful) - len(links)
        count = _("and {n} more").format(n=more) if more else _("all")
        return f"{_('Slices to check:')} {', '.join(links)}, {linked(_ALL, count, label)}"

    def _hide_scores(self) -> None:
        self._compared = None
        self.ui.compareTable.visible = False


def _texts(row: SegmentRow, *, named: bool) -> list[str]:
    """named: with the model, since another segment has the same name."""
    name = f"{row.name} [{row.model}]" if named else row.name
    return [name, f"{row.volume_ml:.1f}", _number(row.mean, 1), _number(row.sd, 1), f"{row.slices}"]


def _number(value: float | None, digits: int = 3) -> str:
    return _("undefined") if value is None else f"{value:.{digits}f}"
