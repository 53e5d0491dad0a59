"""The panel as a whole: hands the user's choices to the session, and what happened to the sections."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from typing import Any

import slicer
from slicer.i18n import tr as _

from AttnSegLib.errors import InputError
from AttnSegLib.models import catalog
from AttnSegLib.mrml.news import Remarked, Stopped, Target
from AttnSegLib.mrml.session import Session
from AttnSegPanel.attention_section import AttentionSection
from AttnSegPanel.check_section import CheckSection
from AttnSegPanel.input_section import InputSection
from AttnSegPanel.models_section import ModelsSection
from AttnSegPanel.result_section import ResultSection
from AttnSegPanel.setup_section import SetupSection


class Panel:
    """ui: the widgets by name; session: does the work. `parameters` is the parameter node, None while a scene closes.

    Every section has `refresh()`, called when a choice changed, and `receive(update)`, called for what the session
    reports.
    """

    def __init__(self, ui: Any, session: Session):
        self.ui = ui
        self.session = session
        self.parameters: Any = None
        self.models: list[catalog.ModelSpec] = []
        self.unreadable: list[str] = []  # a sentence for each model that can't be shown
        self._load_models()
        self.input = InputSection(self)
        self.result = ResultSection(self)
        self.attention = AttentionSection(self)
        self.check = CheckSection(self)
        self.model_list = ModelsSection(self)
        self.setup = SetupSection(self)
        self.sections = [self.input, self.result, self.attention, self.check, self.model_list, self.setup]

    def refresh(self, *_: Any) -> None:
        """Show the choices of the parameter node."""
        if self.parameters is not None:
            for section in self.sections:
                section.refresh()

    def poll(self) -> None:
        """Called by a timer: show what happened since the last call."""
        updates = self.attempt(self.session.poll) or []
        self.model_list.poll()
        for update in updates:
            if isinstance(update, Stopped):
                self.say(update.sentence, is_error=not update.by_user)
                if update.detail:
                    logging.error("AttnSeg: %s\n%s", update.sentence, update.detail)
            elif isinstance(update, Remarked):
                self.say(update.sentence)
            for section in self.sections:
                section.receive(update)
        if updates:
            self.refresh()

    def reload_models(self) -> None:
        """Look again which models there are."""
        self._load_models()
        self.refresh()

    @property
    def spec(self) -> catalog.ModelSpec | None:
        """The model that is chosen."""
        chosen = self.parameters.modelId if self.parameters is not None else ""
        return next((spec for spec in self.models if spec.id == chosen), None)

    def target(self) -> Target:
        """What the choices say to compute on. Raises `InputError` if a choice is missing."""
        if self.parameters is None or self.parameters.inputVolume is None:
            raise InputError(_("Choose a volume first."))
        if self.spec is None:
            raise InputError(_("Choose a model first."))
        chosen = self.parameters
        flips = chosen.flips and self.spec.mirrored
        spec = self.spec.in_plane(chosen.plane) if chosen.plane else self.spec
        return Target(chosen.inputVolume, spec, chosen.device, chosen.level or None, flips)

    def _load_models(self) -> None:
        self.unreadable = []
        self.models = _by_score(catalog.load_models(notify=self.unreadable.append))

    def attempt(self, action: Callable[[], Any]) -> Any:
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


def _by_score(models: list[catalog.ModelSpec]) -> list[catalog.ModelSpec]:
    """The best first, so that whoever chooses nothing gets it."""
    return sorted(models, key=lambda spec: -spec.scores.get("mean_dice", 0.0))
