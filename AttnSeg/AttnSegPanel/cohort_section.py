"""Section "Cohort": the cases that `attnseg cohort` segmented, one after the other, and what is decided of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from AttnSegLib.cohort.cohort_folder import Decision
from AttnSegLib.cohort.review import CORRECTED, CohortReview, ReviewedCase
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume
from AttnSegLib.mrml import views
from AttnSegLib.mrml.news import News
from AttnSegLib.mrml.teaching.case_nodes import show_volume
from AttnSegPanel.run_row import RunRow

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class CohortSection:
    """Opens a cohort and steps through it; of a case, scan and segmentation are in the scene while it is looked at.

    Which cohort, which case and which nodes, the parameter node knows, so that a scene can be saved, loaded and closed.
    """

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._row = RunRow.below(self.ui.cohortSection, panel.input.cancel)
        self._review: CohortReview | None = None
        self._read, self._trouble = "", ""  # the folder that was read last, and why it could not be
        self.ui.openCohortButton.connect("clicked(bool)", self.open_cohort)
        self.ui.previousInCohortButton.connect("clicked(bool)", lambda _checked=False: self.step(-1))
        self.ui.nextInCohortButton.connect("clicked(bool)", lambda _checked=False: self.step(1))
        self.ui.acceptCaseButton.connect("clicked(bool)", self.accept)
        self.ui.correctCaseButton.connect("clicked(bool)", self.correct)
        self.ui.keepCorrectionButton.connect("clicked(bool)", self.keep_correction)

    def refresh(self) -> None:
        parameters = self.panel.parameters
        if parameters.cohortFolder != self._read:
            self._read_again(parameters.cohortFolder)
        number = self._number
        is_shown = None not in (number, parameters.cohortScan, parameters.cohortSegmentation)
        self.ui.previousInCohortButton.enabled = bool(number)
        self.ui.nextInCohortButton.enabled = number is not None and number + 1 < len(self._cases)
        self.ui.acceptCaseButton.enabled = self.ui.correctCaseButton.enabled = is_shown
        self.ui.keepCorrectionButton.enabled = is_shown
        self.ui.cohortLabel.text = self._told()

    def receive(self, _update: News) -> None:
        """Nothing that the session reports concerns a cohort."""

    def open_cohort(self, _checked: bool = False) -> None:
        """Ask for a folder, and show its most doubtful case that nothing was decided of."""
        path = qt.QFileDialog.getExistingDirectory(self.ui.cohortLabel, _("Folder that 'attnseg cohort' wrote"))
        if not path or not self._may_leave():
            return
        self.panel.begin(self._row)
        review = self.panel.attempt(lambda: CohortReview(Path(path)))
        if review is not None:
            self._review, self._read, self._trouble = review, path, ""
            self.panel.parameters.cohortFolder = path
            waiting = (number for number, case in enumerate(review.cases) if not case.decision)
            self._show(next(waiting, 0))

    def step(self, by: int) -> None:
        """Go to another case, unless an edited segmentation would be lost."""
        number = self._number
        if number is not None and 0 <= number + by < len(self._cases) and self._may_leave():
            self.panel.begin(self._row)
            self._show(number + by)

    def accept(self, _checked: bool = False) -> None:
        """This case is right."""
        if self._may_leave():
            self._decide("accepted")

    def correct(self, _checked: bool = False) -> None:
        """Edit the segmentation of this case."""
        self._choose()
        self.panel.result.open_editor()

    def keep_correction(self, _checked: bool = False) -> None:
        """Save the segmentation as it is now."""
        number, node = self._number, self.panel.parameters.cohortSegmentation
        if number is None or node is None:
            return
        self.panel.begin(self._row)
        path = self._cases[number].results / CORRECTED
        if slicer.util.saveNode(node, str(path), {"useCompression": True}):
            self._decide("corrected")
        else:
            self.panel.say(_("The correction could not be saved; is the folder of the cohort writable?"), is_error=True)

    @property
    def _cases(self) -> list[ReviewedCase]:
        return [] if self._review is None else self._review.cases

    @property
    def _number(self) -> int | None:
        """Of the case that is looked at."""
        chosen = self.panel.parameters.cohortCase
        return next((number for number, case in enumerate(self._cases) if _place(case) == chosen), None)

    def _read_again(self, folder: str) -> None:
        """The scene is another one, and with it the cohort."""
        self._review, self._read, self._trouble = None, folder, ""
        try:
            self._review = CohortReview(Path(folder)) if folder else None
        except InputError as error:
            self._trouble = str(error)

    def _decide(self, decision: Decision) -> None:
        review, number = self._review, self._number
        if review is None or number is None:
            return
        self.panel.begin(self._row)
        if self.panel.attempt(lambda: _decided(review, number, decision)):
            self._show(min(number + 1, len(review.cases) - 1))

    def _show(self, number: int) -> None:
        case = self._cases[number]
        self._remove()
        self.panel.parameters.cohortCase = _place(case)
        self.panel.attempt(lambda: self._load(case))
        self.panel.refresh()

    def _load(self, case: ReviewedCase) -> None:
        parameters = self.panel.parameters
        if not case.image:
            raise InputError(_("The table was made without names and does not tell where the scans are."))
        report = case.report()
        parameters.cohortScan = scan = _scan_of(case)
        parameters.cohortSegmentation = _loaded(slicer.util.loadSegmentation, case.segmentation())
        scan.SetName(case.name)  # without the number that Slicer gives when it was here before
        self._choose()
        if report["slices_to_check"]:
            views.jump_to_slice(scan, report["slices"]["stored_axis_kji"], report["slices_to_check"][0]["index"])

    def _choose(self) -> None:
        parameters = self.panel.parameters
        parameters.inputVolume, parameters.segmentation = parameters.cohortScan, parameters.cohortSegmentation

    def _remove(self) -> None:
        parameters = self.panel.parameters
        for node in (parameters.cohortScan, parameters.cohortSegmentation):
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)

    def _may_leave(self) -> bool:
        """Whether nothing was edited, or the user does not mind. What a loaded scene brought may have been edited."""
        node: Any = self.panel.parameters.cohortSegmentation
        question = _("The segmentation may have been edited, and its correction is not kept. Leave it?")
        return (
            node is None
            or not node.GetModifiedSinceRead()
            or bool(slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Leave this case")))
        )

    def _told(self) -> str:
        number = self._number
        if number is None:
            is_lost = self._review is not None and self.panel.parameters.cohortCase
            return _("This case is not in the table any more; open the cohort again.") if is_lost else self._trouble
        case = self._cases[number]
        trust = _("nothing was found") if case.trust is None else _("trust {trust:.3f}").format(trust=case.trust)
        decided = sum(bool(one.decision) for one in self._cases)
        place = _("Case {number} of {count}, {decided} decided").format(
            number=number + 1, count=len(self._cases), decided=decided
        )
        return f"{place}. {case.name} ({case.model}): {trust}{', ' * bool(case.decision)}{case.decision}"


def _place(case: ReviewedCase) -> str:
    return f"{case.name}/{case.model}"


def _scan_of(case: ReviewedCase) -> Any:
    """The node of what was segmented: of a folder with several DICOM series, the same one."""
    path = Path(case.image)
    if case.series or path.is_dir():
        return show_volume(slicer.mrmlScene, case.name, read_volume(path, series=case.series or None))
    return _loaded(slicer.util.loadVolume, path)


def _loaded(load: Callable[[str, dict[str, Any]], Any], path: Path) -> Any:
    try:
        return load(str(path), {})
    except RuntimeError as error:
        raise InputError(f"'{path}' can't be loaded; is it still there?") from error


def _decided(review: CohortReview, number: int, decision: Decision) -> bool:
    review.decide(number, decision)
    return True
