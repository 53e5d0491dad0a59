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
    """Opens a cohort and steps through it; of a case, scan and segmentation are in the scene while it is looked at."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._row = RunRow.below(self.ui.cohortSection, panel.input.cancel)
        self._review: CohortReview | None = None
        self._number = 0
        self._nodes: list[Any] = []  # scan and segmentation of the case
        self.ui.openCohortButton.connect("clicked(bool)", self.open_cohort)
        self.ui.previousInCohortButton.connect("clicked(bool)", lambda _checked=False: self.step(-1))
        self.ui.nextInCohortButton.connect("clicked(bool)", lambda _checked=False: self.step(1))
        self.ui.acceptCaseButton.connect("clicked(bool)", self.accept)
        self.ui.correctCaseButton.connect("clicked(bool)", self.correct)
        self.ui.keepCorrectionButton.connect("clicked(bool)", self.keep_correction)

    @property
    def case(self) -> ReviewedCase | None:
        """The one that is looked at."""
        return None if self._review is None else self._review.cases[self._number]

    def refresh(self) -> None:
        last = len(self._review.cases) - 1 if self._review is not None else 0
        is_shown = len(self._nodes) == 2 and all(node.GetScene() is not None for node in self._nodes)
        self.ui.previousInCohortButton.enabled = self._number > 0
        self.ui.nextInCohortButton.enabled = self._number < last
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
            self._review = review
            waiting = (number for number, case in enumerate(review.cases) if not case.decision)
            self._show(next(waiting, 0))

    def step(self, by: int) -> None:
        """Go to another case, unless an edited segmentation would be lost."""
        if self._review is not None and 0 <= self._number + by < len(self._review.cases) and self._may_leave():
            self.panel.begin(self._row)
            self._show(self._number + by)

    def accept(self, _checked: bool = False) -> None:
        """This case is right."""
        if self._may_leave():
            self._decide("accepted")

    def correct(self, _checked: bool = False) -> None:
        """Edit the segmentation of this case."""
        scan, segmentation = self._nodes
        self.panel.parameters.inputVolume, self.panel.parameters.segmentation = scan, segmentation
        self.panel.result.open_editor()

    def keep_correction(self, _checked: bool = False) -> None:
        """Save the segmentation as it is now."""
        case = self.case
        if case is None:
            return
        self.panel.begin(self._row)
        if slicer.util.saveNode(self._nodes[1], str(case.results / CORRECTED), {"useCompression": True}):
            self._decide("corrected")
        else:
            self.panel.say(_("The correction could not be saved; is the folder of the cohort writable?"), is_error=True)

    def _decide(self, decision: Decision) -> None:
        review, number = self._review, self._number
        if review is None:
            return
        self.panel.begin(self._row)
        if self.panel.attempt(lambda: _decided(review, number, decision)):
            self._show(min(number + 1, len(review.cases) - 1))

    def _show(self, number: int) -> None:
        self._number = number
        self._remove()
        self.panel.attempt(self._load)
        self.panel.refresh()

    def _load(self) -> None:
        case = self.case
        assert case is not None
        if not case.image:
            raise InputError(_("The table was made without names and does not tell where the scans are."))
        report = case.report()
        self._nodes.append(_scan_of(case))
        self._nodes.append(_loaded(slicer.util.loadSegmentation, case.segmentation()))
        scan, segmentation = self._nodes
        scan.SetName(case.name)  # without the number that Slicer gives when it was here before
        self.panel.parameters.inputVolume, self.panel.parameters.segmentation = scan, segmentation
        if report["slices_to_check"]:
            views.jump_to_slice(scan, report["slices"]["stored_axis_kji"], report["slices_to_check"][0]["index"])

    def _remove(self) -> None:
        for node in self._nodes:
            if node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node)
        self._nodes = []

    def _may_leave(self) -> bool:
        """Whether nothing was edited, or the user does not mind."""
        edited = [node for node in self._nodes[1:] if node.GetScene() is not None and node.GetModifiedSinceRead()]
        question = _("The segmentation was edited, and the correction is not kept. Leave it?")
        return not edited or bool(slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Leave this case")))

    def _told(self) -> str:
        case = self.case
        if self._review is None or case is None:
            return ""
        trust = _("nothing was found") if case.trust is None else _("trust {trust:.3f}").format(trust=case.trust)
        decided = sum(bool(one.decision) for one in self._review.cases)
        place = _("Case {number} of {count}, {decided} decided").format(
            number=self._number + 1, count=len(self._review.cases), decided=decided
        )
        return f"{place}. {case.name} ({case.model}): {trust}{', ' * bool(case.decision)}{case.decision}"


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
