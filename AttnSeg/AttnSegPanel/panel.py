"""The panel as a whole: hands the user's choices to the session, and what happened to the sections."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from typing import Protocol, TypeVar

import slicer
from slicer.i18n import tr as _

from AttnSegLib.errors import InputError
from AttnSegLib.inference.prediction import ComputeOptions, PredictionOptions
from AttnSegLib.models import catalog
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.news import News, Target
from AttnSegLib.mrml.session import Session
from AttnSegLib.worker.messages import JobCancelled, JobFailed, Notice, Request
from AttnSegPanel.attention_section import AttentionSection
from AttnSegPanel.check_section import CheckSection
from AttnSegPanel.input_section import InputSection
from AttnSegPanel.models_section import ModelsSection
from AttnSegPanel.result_section import ResultSection
from AttnSegPanel.setup_section import SetupSection
from AttnSegPanel.widgets import PanelForm, Parameters

_Done = TypeVar("_Done")


class Section(Protocol):
    """A part of the panel."""

    def refresh(self) -> None:
        """A choice changed."""

    def receive(self, update: News) -> None:
        """The session reports something."""


class Panel:
    """ui: the widgets by name; session: does the work."""

    def __init__(self, ui: PanelForm, session: Session):
        self.ui = ui
        self.session = session
        self._parameters: Parameters | None = None
        self.models: list[ModelSpec] = []
        self.unreadable: list[str] = []  # a sentence for each model that can't be shown
        self._load_models()
        self.input = InputSection(self)
        self.result = ResultSection(self)
        self.attention = AttentionSection(self)
        self.check = CheckSection(self)
        self.model_list = ModelsSection(self)
        self.setup = SetupSection(self)
        self.sections: list[Section] = [
            self.input,
            self.result,
            self.attention,
            self.check,
            self.model_list,
            self.setup,
        ]

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
            for section in self.sections:
                section.refresh()

    def poll(self) -> None:
        """Called by a timer: show what happened since the last call."""
        updates = self.attempt(self.session.poll) or []
        self.model_list.poll()
        for update in updates:
            if isinstance(update, JobCancelled | JobFailed | Notice):
                self.say(update.sentence, is_error=isinstance(update, JobFailed))
            if isinstance(update, JobFailed) and update.detail:
                logging.error("AttnSeg: %s\n%s", update.sentence, update.detail)
            for section in self.sections:
                section.receive(update)
        if updates:
            self.refresh()

    def reload_models(self) -> None:
        """Look again which models there are."""
        self._load_models()
        self.refresh()

    @property
    def spec(self) -> ModelSpec | None:
        """The model that is chosen."""
        chosen = self.parameters.modelId if self.is_open else ""
        return next((spec for spec in self.models if spec.id == chosen), None)

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
        request = Request(spec, options, ComputeOptions(chosen.device), chosen.level or None)
        return Target(volume, request)

    def _load_models(self) -> None:
        models, self.unreadable = catalog.readable_models()
        self.models = _by_score(models)

    def attempt(self, action: Callable[[], _Done]) -> _Done | None:
        """Do something that may refuse with a sentence for the user, and show that sentence; returns its result."""
        try:
            return action()
        except InputError as error:
            self.say(str(error), is_error=True)
            return None

    def say(self, sentence: str, *, is_error: bool = False) -> None:
        """Show a sentence under the buttons."""
        color = "#c62828" if is_error else "palette(text)"
        self.ui.statusLabel.text = f'<span style="color:{color}">{escape(sentence)}</span>' if sentence else ""
        if sentence:
            slicer.util.showStatusMessage(sentence, 5000)


def _by_score(models: list[ModelSpec]) -> list[ModelSpec]:
    """The best first, so that whoever chooses nothing gets it."""
    return sorted(models, key=lambda spec: -(spec.scores.mean_dice or 0.0))
