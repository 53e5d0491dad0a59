"""The panel as a whole: hands the user's choices to the session, and what happened to the sections."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from importlib.util import find_spec
from typing import Protocol, TypeVar

import slicer
from slicer.i18n import tr as _

from AttnSegLib.errors import InputError
from AttnSegLib.inference.prediction import IN_8_BITS, ComputeOptions, PredictionOptions
from AttnSegLib.models import catalog
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.news import Mapped, News, Segmented, Target
from AttnSegLib.mrml.nodes import is_ours, scalar_volumes
from AttnSegLib.mrml.protocols import VolumeNode
from AttnSegLib.mrml.session import Session
from AttnSegLib.mrml.volumes import ContentsMark, contents_mark
from AttnSegLib.worker.messages import Checked, Compared, JobCancelled, JobFailed, Notice, Request, SlicesDone
from AttnSegPanel.attention.attention_section import AttentionSection
from AttnSegPanel.check_section import CheckSection
from AttnSegPanel.cohort_section import CohortSection
from AttnSegPanel.inks import inked, is_dark
from AttnSegPanel.input_section import InputSection
from AttnSegPanel.models_section import ModelsSection
from AttnSegPanel.result_section import ResultSection
from AttnSegPanel.run_row import RunRow
from AttnSegPanel.setup_section import SetupSection
from AttnSegPanel.teaching.collect_section import CollectSection
from AttnSegPanel.teaching.left_out_section import LeftOutSection
from AttnSegPanel.teaching.next_section import NextSection
from AttnSegPanel.teaching.teach_section import TeachSection
from AttnSegPanel.widgets import PanelForm, Parameters

_Done = TypeVar("_Done")


class Section(Protocol):
    """A part of the panel."""

    def refresh(self) -> None:
        """A choice changed."""

    def receive(self, update: News) -> None:
        """The session reports something."""


class Panel:
    """ui: the widgets by name; session: does the work; python: the interpreter that teaches."""

    def __init__(self, ui: PanelForm, session: Session, python: str):
        self.ui = ui
        self.session = session
        self.python = python
        self._parameters: Parameters | None = None
        self.models: list[ModelSpec] = []
        self.unreadable: list[str] = []  # a sentence for each model that can't be shown
        self._load_models()
        self._first_row = RunRow(ui.progressBar, ui.cancelButton, ui.statusLabel)
        self.row = self._first_row  # of the section of the last action
        self._sentence: tuple[str, bool] = ("", False)
        self._says_progress = False
        self._notices: list[str] = []  # of the last action
        self._seen: tuple[ContentsMark | None, bool] | None = None  # the volume's contents, and whether it is dark
        self.input = InputSection(self)
        self.result = ResultSection(self)
        self.attention = AttentionSection(self)
        self.check = CheckSection(self)
        self.cohort = CohortSection(self)
        self.collect = CollectSection(self)
        self.teach = TeachSection(self)
        self.left_out = LeftOutSection(self)
        self.next = NextSection(self)
        self.model_list = ModelsSection(self)
        self.setup = SetupSection(self)
        self.sections: list[Section] = [
            self.input,
            self.result,
            self.attention,
            self.check,
            self.cohort,
            self.collect,
            self.teach,
            self.left_out,
            self.next,
            self.model_list,
            self.setup,
        ]
        session.listeners.append(self.hear)

    def close(self) -> None:
        """The panel goes; the session and the scene may stay."""
        self.session.listeners.remove(self.hear)
        for section in (self.result, self.attention):
            section.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a parameter node; there is none while a scene closes."""
        return self._parameters is not None

    @property
    def parameters(self) -> Parameters:
        """The parameter node, while the panel is open."""
        assert self._parameters is not None
        return self._parameters

    @parameters.setter
    def parameters(self, node: Parameters | None) -> None:
        self._parameters = node

    def refresh(self, *_: object) -> None:
        """Show the choices of the parameter node."""
        if self.is_open:
            self._seen = self._mark()
            for section in self.sections:
                section.refresh()
            self._show_sentences()
        self.show_state()

    def show_state(self) -> None:
        """Progress and Cancel, where the last action began."""
        self.row.show_state(busy=self.session.is_busy or self.setup.is_installing)

    def poll(self) -> None:
        """Called by a timer: show what happened since the last call."""
        self.attempt(self.session.poll)
        for section in (self.collect, self.teach, self.left_out, self.next, self.model_list, self.setup):
            section.poll()
        if self.is_open and self._mark() != self._seen:
            self.refresh()  # the volume got voxels, or other ones, or Slicer another style

    def hear(self, news: list[News]) -> None:
        """The session has news."""
        for update in news:
            if isinstance(update, Notice):
                self.notice(update.sentence)
            elif isinstance(update, JobCancelled | JobFailed):
                self.say(update.sentence, is_error=isinstance(update, JobFailed))
            if isinstance(update, JobFailed) and update.detail:
                logging.error("AttnSeg: %s\n%s", update.sentence, update.detail)
            if isinstance(update, SlicesDone):
                self.row.follow(update.done, update.total)
                self.say(_progress(update))
                self._says_progress = True
            elif isinstance(update, Segmented | Mapped | Compared | Checked) and self._says_progress:
                self.say("")
            for section in self.sections:
                section.receive(update)
        self.refresh()

    def notice(self, sentence: str) -> None:
        """Tell what was assumed; it stays below what is said until the next action."""
        if sentence not in self._notices:
            self._notices.append(sentence)
            self._show_sentences()

    def _mark(self) -> tuple[ContentsMark | None, bool]:
        volume = self.parameters.inputVolume
        return None if volume is None else contents_mark(volume), is_dark(self.ui.statusLabel)

    def first_scan(self) -> VolumeNode | None:
        """The first volume of the scene that is no map of ours."""
        scans = (node for node in scalar_volumes(slicer.mrmlScene) if not is_ours(node))
        return next(scans, None)

    def reload_models(self) -> None:
        """Look again which models there are."""
        self._load_models()
        self.refresh()

    @property
    def spec(self) -> ModelSpec | None:
        """The model that is chosen."""
        chosen = self.parameters.modelId if self.is_open else ""
        return next((spec for spec in self.models if spec.id == chosen), None)

    @property
    def can_be_fast(self) -> bool:
        """Whether labels can be computed in 8 bits: on the CPU by OpenVINO, of a model whose card says how."""
        knows_how = self.spec is not None and self.spec.eight_bits is not None
        return knows_how and self.parameters.device in ("auto", "cpu") and find_spec("openvino") is not None

    def target(self) -> Target:
        """What the choices say to compute on. Raises `InputError` if a choice is missing."""
        volume = self.parameters.inputVolume if self.is_open else None
        if volume is None:
            raise InputError(_("Choose a volume first."))
        if self.spec is None:
            raise InputError(_("Choose a model first."))
        chosen = self.parameters
        options = PredictionOptions(flips=chosen.flips and self.spec.mirrored)
        spec = self.spec.in_plane(chosen.plane) if chosen.plane else self.spec
        precision = IN_8_BITS if chosen.fast and self.can_be_fast else "auto"
        request = Request(spec, options, ComputeOptions(chosen.device, precision=precision), chosen.level or None)
        return Target(volume, request)

    def _load_models(self) -> None:
        models, self.unreadable = catalog.readable_models()
        self.models = _by_score(models)

    def begin(self, row: RunRow | None = None) -> None:
        """An action begins in a section: its row, that of the first one for None, shows how it goes, and no other."""
        row = row or self._first_row
        if row is not self.row:
            self.row.leave()
        self.row = row
        self._notices = []
        self.show_state()
        row.begin()
        self.say("")

    def forget(self) -> None:
        """The scene goes, and with it what was said of it."""
        self._notices = []
        self.say("")
        self.row.leave()
        self.row = self._first_row

    def attempt(self, action: Callable[[], _Done]) -> _Done | None:
        """Do something that may refuse with a sentence for the user, and show that sentence; returns its result."""
        try:
            return action()
        except InputError as error:
            self.say(str(error), is_error=True)
            return None

    def say(self, sentence: str, *, is_error: bool = False) -> None:
        """Show a sentence where the last action began; notices of a run stay below it."""
        self._sentence, self._says_progress = (sentence, is_error), False
        self._show_sentences()
        if sentence:
            slicer.util.showStatusMessage(sentence, 5000)

    def _show_sentences(self) -> None:
        sentence, is_error = self._sentence
        shown = inked("error", sentence, self.ui.statusLabel) if is_error else escape(sentence)
        notices = [inked("warning", notice, self.ui.statusLabel) for notice in self._notices]
        self.row.say("<br>".join([one for one in (shown, *notices) if one]))


def _by_score(models: list[ModelSpec]) -> list[ModelSpec]:
    """The best first, so that whoever chooses nothing gets it."""
    return sorted(models, key=lambda spec: -(spec.scores.mean_dice or 0.0))


def _progress(update: SlicesDone) -> str:
    sentence = _("{done} of {total} slices, {seconds:.0f} s left")
    return str(sentence.format(done=update.done, total=update.total, seconds=update.seconds_left))
