"""Section "Teach", its upper half: the collection and its cases."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from AttnSegLib.collections.cases import NewCase, add_case, make_collection, replace_case, take_out
from AttnSegLib.collections.collection import MODALITIES, CollectedCase, Collection, LabelledSlices, open_collection
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from AttnSegLib.mrml import views
from AttnSegLib.mrml.news import News, Segmented
from AttnSegLib.mrml.teaching.case_nodes import show_labels, show_volume
from AttnSegLib.mrml.teaching.scene_case import acquired_axis, is_drawn_on, read_scene_case, segments_in
from AttnSegPanel.choices import chosen, fill_box, select, show_rows
from AttnSegPanel.inks import inked
from AttnSegPanel.run_row import RunRow
from AttnSegPanel.teaching.case_words import (
    ask_about_missing,
    assumptions_in_words,
    case_in_words,
    number_of_cases,
)
from AttnSegPanel.teaching.errand import Errands
from AttnSegPanel.teaching.shelf import Shelf

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel

_ENOUGH = 5  # cases, from which on some are left out for a score


class CollectSection:
    """Choose, make or open a collection; add cases, look at them, replace them, take them out."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self.shelf, self.errands = Shelf(), Errands()
        self._ranged = ""  # id of the volume that the labelled slices are of
        self.row = RunRow.below(self.ui.teachSection, panel.input.cancel)
        fill_box(self.ui.newModalityBox, [(name, name) for name in MODALITIES])
        ui = self.ui
        ui.teachSection.connect("contentsCollapsed(bool)", self.refresh)  # which shows again what was hidden
        ui.collectionBox.connect("activated(int)", self.collection_chosen)
        ui.newCollectionButton.connect("toggled(bool)", self.refresh)
        ui.makeCollectionButton.connect("clicked(bool)", self.make)
        ui.openCollectionButton.connect("clicked(bool)", self.open)
        ui.partlyBox.connect("toggled(bool)", self.show_range)
        ui.firstLabelledBox.connect("valueChanged(int)", self.show_slice)
        ui.lastLabelledBox.connect("valueChanged(int)", self.show_slice)
        ui.everyCaseBox.connect("toggled(bool)", self.refresh)
        ui.addCaseButton.connect("clicked(bool)", self.add)
        ui.caseTable.connect("itemSelectionChanged()", self.show_buttons)
        ui.lookButton.connect("clicked(bool)", self.look)
        ui.replaceCaseButton.connect("clicked(bool)", self.replace)
        ui.takeOutButton.connect("clicked(bool)", self.take_out)

    @property
    def folder(self) -> Path | None:
        """Of the collection that is chosen."""
        return self.shelf.chosen

    @property
    def collection(self) -> Collection | None:
        """The one that is chosen; None if there is none, or it can't be read."""
        return None if self.folder is None else self.shelf.collection(self.folder)

    @property
    def case(self) -> CollectedCase | None:
        """The one of the chosen row."""
        row = self.ui.caseTable.currentRow()
        cases = self.collection.cases if self.collection is not None else ()
        return cases[row] if 0 <= row < len(cases) else None

    def poll(self) -> None:
        """Follow what is read or written; called by the panel's timer."""
        if self.errands.is_busy:
            self.panel.attempt(self.errands.poll)
            if not self.errands.is_busy:
                self.refresh()

    def refresh(self, _changed: object = None) -> None:
        if not self.panel.is_open:
            return
        folders = self.shelf.folders
        fill_box(self.ui.collectionBox, [(self._title(folder), str(folder)) for folder in folders])
        select(self.ui.collectionBox, str(self.folder))
        self._show_new(is_first=not folders)
        self._forget_range()
        collection = self.collection
        show_rows(
            self.ui.caseTable, [case_in_words(case, collection) for case in (collection.cases if collection else ())]
        )
        self._show_range()
        self._show_advice()
        self.show_buttons()

    def show_buttons(self) -> None:
        """Which buttons mean something now."""
        case = self.case
        ready = self.collection is not None and not self.errands.is_busy
        self.ui.addCaseButton.enabled = ready
        self.ui.lookButton.enabled = self.ui.takeOutButton.enabled = ready and case is not None
        self.ui.replaceCaseButton.enabled = ready and case is not None
        self.ui.partlyBox.enabled = not self.errands.is_busy

    def receive(self, update: News) -> None:
        if isinstance(update, Segmented) and self.panel.is_open:
            chosen_one, scan = self.panel.parameters.caseSegmentation, update.target.volume_node
            if chosen_one is None or not is_drawn_on(chosen_one, scan):
                self.panel.parameters.caseSegmentation = update.node  # corrected, it is the next case

    def collection_chosen(self, _index: int) -> None:
        self.shelf.choose(Path(chosen(self.ui.collectionBox)))
        self.panel.refresh()

    def make(self, _checked: bool = False) -> None:
        """A new collection with the segments of the chosen segmentation, in a folder that the user chooses."""
        self.panel.begin(self.row)
        self._keep(self.panel.attempt(self._make))

    def open(self, _checked: bool = False) -> None:
        """Take over a folder that is there."""
        place = qt.QFileDialog.getExistingDirectory(self.ui.caseTable, _("Folder of the collection"))
        if place:
            self.panel.begin(self.row)
            self._keep(self.panel.attempt(lambda: open_collection(Path(place))))

    def add(self, _checked: bool = False) -> None:
        """Volume and segmentation become a case."""
        self._write(add_case, _("Added {case}."))

    def replace(self, _checked: bool = False) -> None:
        """Volume and segmentation take the place of the chosen case."""
        case = self.case
        if case is not None:
            self._write(lambda folder, new: replace_case(folder, case.number, new), _("Replaced {case}."))

    def take_out(self, _checked: bool = False) -> None:
        """Remove the chosen case, after asking."""
        case, folder = self.case, self.folder
        question = _("Take {case} out of the collection, and remove its files?")
        if case is None or folder is None:
            return
        if slicer.util.confirmOkCancelDisplay(question.format(case=case.id), windowTitle=_("Take a case out")):
            self.panel.begin(self.row)
            self._begin(lambda: take_out(folder, case.number), lambda _done: self._told(_("{case} is out."), case))
            self.refresh()

    def look(self, _checked: bool = False) -> None:
        """Load the chosen case."""
        case, collection = self.case, self.collection
        if case is not None and collection is not None:
            self.panel.begin(self.row)
            self.panel.say(_("Loading {case} ...").format(case=case.id))
            self._begin(lambda: collection.read(case), lambda read: self._show(collection, case, read))
            self.refresh()

    def show_slice(self, index: int) -> None:
        """Bring the first or the last labelled slice into view."""
        volume = self.panel.parameters.inputVolume if self.panel.is_open else None
        counted = None if volume is None else self.panel.attempt(lambda: acquired_axis(volume))
        if self.ui.partlyBox.checked and volume is not None and counted is not None:
            views.jump_to_slice(volume, counted[0], min(index, counted[1] - 1))

    def show_range(self, checked: bool) -> None:
        """Begin with all slices of the scan."""
        self.refresh()
        volume = self.panel.parameters.inputVolume if self.panel.is_open else None
        counted = None if volume is None else self.panel.attempt(lambda: acquired_axis(volume))
        if checked and counted is not None:
            self.ui.firstLabelledBox.value, self.ui.lastLabelledBox.value = 0, counted[1] - 1

    def _title(self, folder: Path) -> str:
        collection = self.shelf.collection(folder)
        if collection is None:
            return str(_("{name} (not there)").format(name=folder.name))
        return f"{collection.name}, {collection.modality}, {number_of_cases(len(collection.cases))}"

    def _show_new(self, *, is_first: bool) -> None:
        shown = is_first or self.ui.newCollectionButton.checked
        self.ui.newCollectionFrame.visible = shown
        if not shown:
            return
        try:
            names = ", ".join(label.name for label in segments_in(self.panel.parameters.caseSegmentation))
        except InputError:
            names = ""
        text = _("Its segments: {names}.").format(names=names) if names else _("Choose a segmentation above first.")
        self.ui.newSegmentsLabel.text = inked("good" if names else "warning", text, self.ui.newSegmentsLabel)
        self.ui.makeCollectionButton.enabled = bool(names)

    def _forget_range(self) -> None:
        """Another volume has labelled slices of its own."""
        volume = self.panel.parameters.inputVolume
        before, self._ranged = self._ranged, "" if volume is None else volume.GetID()
        if before != self._ranged:
            self.ui.partlyBox.checked = False

    def _show_range(self) -> None:
        for box in (self.ui.firstLabelledBox, self.ui.lastLabelledBox):
            box.enabled = self.ui.partlyBox.checked

    def _show_advice(self) -> None:
        """The next step, in one sentence."""
        folder, collection = self.folder, self.collection
        label = self.ui.collectionLabel
        if folder is None:
            label.text = _("Segment a scan, choose its segmentation, and make a collection of it.")
        elif collection is None:
            label.text = inked("error", self.shelf.trouble(folder), label)
        elif self.ui.everyCaseBox.checked and len(collection.cases) > 1:
            label.text = _("All cases train; each is scored by a further model that is taught without it.")
        elif len(collection.cases) < _ENOUGH:
            lacks = _ENOUGH - len(collection.cases)
            label.text = _("Add {n}, and the model gets a score; it can be taught without one.").format(
                n=number_of_cases(lacks)
            )
        else:
            label.text = _("A fifth of the cases is left out of the training, and gives the score.")

    def _make(self) -> Collection:
        segments = segments_in(self.panel.parameters.caseSegmentation)
        name = self.ui.newNameEdit.text.strip()
        if not name:
            raise InputError(_("Give the collection a name first."))
        place = qt.QFileDialog.getExistingDirectory(self.ui.caseTable, _("Where shall its folder be?"))
        if not place:
            raise InputError(_("No folder was chosen; nothing was made."))
        folder = Path(place) / (re.sub(r"[^\w-]+", "_", name) or "collection")
        return make_collection(folder, name, chosen(self.ui.newModalityBox), segments)

    def _keep(self, collection: Collection | None) -> None:
        if collection is not None:
            self.shelf.choose(collection.folder)
            self.ui.newCollectionButton.checked = False
            self.panel.say(_("The collection is in '{folder}'.").format(folder=collection.folder))
        self.panel.refresh()

    def _begin(self, act: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self.panel.attempt(lambda: self.errands.begin(act, done))

    def _write(self, write: Callable[[Path, NewCase], CollectedCase], sentence: str) -> None:
        self.panel.begin(self.row)
        self.panel.attempt(lambda: self._begin_to_write(write, sentence))
        self.refresh()

    def _begin_to_write(self, write: Callable[[Path, NewCase], CollectedCase], sentence: str) -> None:
        collection = self.collection
        if collection is None:
            raise InputError(_("Choose a collection first."))
        chosen_nodes = self.panel.parameters
        found = read_scene_case(chosen_nodes.inputVolume, chosen_nodes.caseSegmentation, collection)
        labelled = self._labelled()
        ask_about_missing(found)
        for notice in assumptions_in_words(found):
            self.panel.notice(notice)
        self.panel.say(_("Writing ..."))
        self.errands.begin(
            lambda: write(collection.folder, found.new_case(collection, labelled)),
            lambda case: self._written(sentence, case),
        )

    def _labelled(self) -> LabelledSlices | None:
        volume = self.panel.parameters.inputVolume
        if not self.ui.partlyBox.checked or volume is None:
            return None
        return LabelledSlices(
            acquired_axis(volume)[0], int(self.ui.firstLabelledBox.value), int(self.ui.lastLabelledBox.value)
        )

    def _written(self, sentence: str, case: CollectedCase) -> None:
        self.ui.partlyBox.checked = False  # the next case has labelled slices of its own
        self._told(sentence, case)

    def _told(self, sentence: str, case: CollectedCase) -> None:
        self.panel.say(sentence.format(case=case.id))
        self.panel.refresh()

    def _show(self, collection: Collection, case: CollectedCase, read: tuple[Volume, np.ndarray]) -> None:
        volume, label_map = read
        node = show_volume(slicer.mrmlScene, f"{collection.name} {case.id}", volume)
        segmentation = show_labels(node, label_map, collection.segments)
        if self.panel.is_open:
            self.panel.parameters.inputVolume = node
            self.panel.parameters.caseSegmentation = segmentation
            if case.labelled is not None:
                self.ui.partlyBox.checked = True
                self.ui.firstLabelledBox.value, self.ui.lastLabelledBox.value = case.labelled.first, case.labelled.last
        self.panel.say(_("{case} is loaded; correct it in Segment Editor, then press Replace.").format(case=case.id))
