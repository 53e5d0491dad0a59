"""Section "Teach", what comes next: the scan to label next, and training on another computer."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from AttnSegLib.collections.collection import Collection
from AttnSegLib.collections.elsewhere import zip_collection
from AttnSegLib.collections.models_of import latest_model
from AttnSegLib.collections.teaching_process import begin_suggesting, last_words, read_suggestion
from AttnSegLib.collections.teaching_run import run_folder
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, read_volume
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.news import News
from AttnSegLib.mrml.teaching.case_nodes import show_volume
from AttnSegPanel.teaching.needs import get_ready

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class NextSection:
    """Segment the scan of which the model is least sure; train elsewhere."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._suggesting: tuple[subprocess.Popen[bytes], Collection, ModelSpec] | None = None
        self.ui.nextCaseButton.connect("clicked(bool)", self.segment_next)
        self.ui.elsewhereButton.connect("clicked(bool)", self.train_elsewhere)

    @property
    def collection(self) -> Collection | None:
        """The one that is chosen above."""
        return self.panel.collect.collection

    def poll(self) -> None:
        """See whether a scan to label next has been found; called by the panel's timer."""
        if self.panel.is_open:
            self._follow_suggestion()

    def refresh(self) -> None:
        collection = self.collection
        ready = collection is not None and bool(collection.cases)
        self.ui.elsewhereButton.enabled = ready and not self.panel.collect.errands.is_busy
        self.ui.nextCaseButton.enabled = ready and not self.panel.teach.is_running and self._suggesting is None

    def receive(self, _update: News) -> None:
        """Nothing that the session reports concerns what comes next."""

    def segment_next(self, _checked: bool = False) -> None:
        """Of a folder of scans, segment the one of which the latest model is least sure."""
        self.panel.begin(self.panel.collect.row)
        self.panel.attempt(self._suggest)
        self.refresh()

    def train_elsewhere(self, _checked: bool = False) -> None:
        """Write the collection as one file, and tell the command for the other computer."""
        collection = self.collection
        answer = qt.QFileDialog.getSaveFileName(self.ui.caseTable, _("Train elsewhere"), "", "*.zip")
        path = answer[0] if isinstance(answer, tuple) else answer
        if path and collection is not None:
            self.panel.begin(self.panel.collect.row)
            self.panel.say(_("Writing ..."))
            errands, folder = self.panel.collect.errands, collection.folder
            self.panel.attempt(lambda: errands.begin(lambda: zip_collection(folder, Path(path)), self._written))

    def _written(self, command: str) -> None:
        qt.QApplication.clipboard().setText(command)
        sentence = _(
            "Run there, where AttnSeg is installed with pip from a checkout: {command} (it is in the clipboard; how to "
            "install it stands in the file). Bring the model's folder back, and import it under Models."
        )
        self.panel.say(sentence.format(command=command))

    def _suggest(self) -> None:
        collection = self.collection
        if collection is None:
            raise InputError(_("Choose a collection first."))
        spec = latest_model(collection)
        get_ready(self.panel)
        place = qt.QFileDialog.getExistingDirectory(self.ui.caseTable, _("Folder of scans that are not labelled"))
        if place:
            process = begin_suggesting(self.panel.python, collection.folder, Path(place), spec.id)
            self._suggesting = (process, collection, spec)
            self.panel.say(_("The model looks at the scans ..."))

    def _follow_suggestion(self) -> None:
        if self._suggesting is None or self._suggesting[0].poll() is None or self.panel.collect.errands.is_busy:
            return
        (_process, collection, spec), self._suggesting = self._suggesting, None
        path = read_suggestion(collection.folder)
        if path is None:
            self.panel.say(last_words(run_folder(collection.folder)) or _("No scan was found."), is_error=True)
            self.refresh()
        else:
            self.panel.collect.errands.begin(
                lambda: read_volume(path), lambda volume: self._segment(path, volume, spec)
            )

    def _segment(self, path: Path, volume: Volume, spec: ModelSpec) -> None:
        """Show the scan, and begin to segment it: slices to check come with the result."""
        node = show_volume(slicer.mrmlScene, path.name.partition(".")[0], volume)
        if self.panel.is_open:
            self.panel.parameters.inputVolume = node
            self.panel.parameters.segmentation = None
            self.panel.parameters.modelId = spec.id
            self.panel.input.apply()
