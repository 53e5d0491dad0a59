"""Section "Teach", its lower half: the training, in a process that outlives the panel, and what comes after it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from AttnSegLib.collections.begun import begun_with
from AttnSegLib.collections.collection import Collection
from AttnSegLib.collections.models_of import taught_from
from AttnSegLib.collections.teaching_process import begin_teaching, end_teaching, last_words
from AttnSegLib.collections.teaching_run import (
    CHECKPOINT,
    DONE,
    LEARNING,
    PREPARING,
    RECIPE,
    TeachingOrder,
    TeachingState,
    discard,
    is_alive,
    pause,
    read_curve,
    read_state,
    run_folder,
)
from AttnSegLib.errors import InputError
from AttnSegLib.mrml.news import News
from AttnSegLib.mrml.teaching.curves import CurvePlot
from AttnSegPanel.choices import chosen, fill_box, select
from AttnSegPanel.teaching.needs import get_ready
from AttnSegPanel.teaching.teach_words import NETWORKS, TIMES, can_go_on, every_case_in_words, lines_on_state

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel

_EVERY = 1.0  # s between two looks at the run


class TeachSection:
    """Begin, pause, go on, cancel; curves; the next case; another computer."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._own: tuple[Path, subprocess.Popen[bytes]] | None = None  # the run that this panel began last
        self._seen: tuple[Path | None, TeachingState | None, bool] = (None, None, False)  # at the last look
        self._start: str | None = None  # the model to begin with that the user chose, "" for none
        self._given_up: Path | None = None  # the folder of a run whose process is to end first
        self._halted: Path | None = None  # the folder of a run that was stopped before it learnt
        self._was_alive: Path | None = None  # the folder of the run that was seen alive last
        self._starts_after: int | None = None  # while it starts: the process that was told of before, 0 for none
        self._listed = ""  # the model that is in the list, though it has no score yet
        self._looked = 0.0
        self._plot: tuple[Path, CurvePlot] | None = None
        ui = self.ui
        fill_box(ui.networkBox, [(title, name) for name, title in NETWORKS.items()])
        fill_box(ui.timeBox, [(title, minutes) for minutes, title in TIMES])
        ui.beginBox.connect("activated(int)", self.start_chosen)
        ui.timeBox.connect("activated(int)", self.refresh)
        ui.teachButton.connect("clicked(bool)", self.teach)
        ui.pauseButton.connect("clicked(bool)", self.pause)
        ui.discardButton.connect("clicked(bool)", self.discard)
        ui.curvesButton.connect("clicked(bool)", self.show_curves)
        ui.teachLabel.connect("linkActivated(QString)", self.open_recipe)

    @property
    def collection(self) -> Collection | None:
        """The one that is chosen above."""
        return self.panel.collect.collection

    @property
    def run(self) -> Path | None:
        """The folder of its run."""
        return None if self.collection is None else run_folder(self.collection.folder)

    @property
    def is_running(self) -> bool:
        """Whether the collection was being taught when it was looked at, by this panel or by another one."""
        return self._seen[2]

    def poll(self) -> None:
        """Look at the run now and then; called by the panel's timer."""
        now = time.monotonic()
        if now - self._looked >= _EVERY:
            self._looked = now
            self.look()

    def look(self) -> None:
        """See how far the run is, and tell what came of one that has ended."""
        if not self.panel.is_open:
            return
        self._observe()
        if self.is_running:
            self._was_alive = self.run
            self._has_started()
            self._model_is_there()
        for run in {self._was_alive, self._given_up}:
            if run is not None and not self._lives(run):
                self._ended(run)
                self._observe()
        self._draw()
        self.refresh()

    def refresh(self, _changed: object = None) -> None:
        collection = self.collection
        if self._seen[0] != self.run:  # another collection
            self._observe()
        _run, state, running = self._seen
        self._show_starts(collection)
        ready = collection is not None and bool(collection.cases)
        waits = not running and can_go_on(state)
        self.ui.teachButton.text = _("Go on") if waits else _("Teach")
        self.ui.teachButton.enabled = ready and not running
        self.ui.pauseButton.enabled = running
        self.ui.discardButton.enabled = running or waits
        for box in (self.ui.beginBox, self.ui.timeBox):
            box.enabled = not running and not waits
        cases = 0 if collection is None else len(collection.cases)
        self.ui.everyCaseBox.enabled = cases > 1 and not running and not waits
        self.ui.everyCaseLabel.text = every_case_in_words(cases, float(chosen(self.ui.timeBox)))
        self.ui.networkBox.enabled = not running and not waits and not chosen(self.ui.beginBox)
        self.ui.curvesButton.enabled = state is not None
        self._show_state(state, running=running)

    def receive(self, _update: News) -> None:
        """Nothing that the session reports concerns a training."""

    def start_chosen(self, _index: int) -> None:
        self._start = chosen(self.ui.beginBox)
        self.refresh()

    def teach(self, _checked: bool = False) -> None:
        """Begin, or go on; first get what is needed."""
        self.panel.begin(self.panel.collect.row)
        self.panel.attempt(self._teach)
        self._observe()
        self.panel.refresh()

    def pause(self, _checked: bool = False) -> None:
        """Stop; the same button goes on later."""
        run = self.run
        if run is None:
            return
        self.panel.begin(self.panel.collect.row)
        if self._learns(run):
            pause(run)
            self.panel.say(_("It stops after the step that it is at."))
        else:  # nothing can be lost yet
            self._halted = run
            self._end(run)
            self.look()

    def discard(self, _checked: bool = False) -> None:
        """Give the run up, after asking."""
        run, state = self.run, self._seen[1]
        question = _("Give this training up? What it has learnt is lost.")
        if state is not None and state.model and state.stage != DONE:
            question = _("Give the score up? The model '{id}' stays, without one.").format(id=state.model)
        if run is None or not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Teach")):
            return
        self.panel.begin(self.panel.collect.row)
        self._given_up = run
        self._end(run)
        self.look()

    def show_curves(self, _checked: bool = False) -> None:
        """A plot of loss and Dice, which follows the run."""
        run, collection = self.run, self.collection
        if run is not None and collection is not None:
            if self._plot is None or self._plot[0] != run or not self._plot[1].is_there:
                self._plot = (run, CurvePlot(slicer.mrmlScene, f"{collection.name}, taught"))
            self._draw()
            slicer.modules.plots.logic().ShowChartInLayout(self._plot[1].chart)

    def open_recipe(self, _link: str) -> None:
        """The recipe of the run, in whatever opens TOML here."""
        if self.run is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.run / RECIPE)))

    def _teach(self) -> None:
        collection, run = self.collection, self.run
        if collection is None or run is None:
            raise InputError(_("Choose a collection first."))
        state = read_state(run)
        goes_on = can_go_on(state)
        if goes_on and (run / CHECKPOINT).is_file():
            begun_with(run, collection)  # or it has other cases now, which is said at once
        get_ready(self.panel)
        order = state.order if goes_on and state is not None else self._order()
        self._own = (run, begin_teaching(self.panel.python, collection.folder, order, resume=goes_on))
        self._was_alive = run
        self._starts_after = 0 if state is None else state.pid
        self.panel.say(_("Starting ..."))

    def _has_started(self) -> None:
        """What was said of the start goes when the process tells of itself."""
        state = None if self.run is None else read_state(self.run)
        if self._starts_after is not None and state is not None and state.pid != self._starts_after:
            self._starts_after = None
            self.panel.say("")

    def _model_is_there(self) -> None:
        """A model whose score is still made can be chosen."""
        state = self._seen[1]
        if state is not None and state.fold and state.model != self._listed:
            self._listed = state.model
            self.panel.reload_models()

    def _observe(self) -> None:
        """Look at the disk; a panel is refreshed far more often."""
        run = self.run
        self._seen = (None, None, False) if run is None else (run, read_state(run), self._lives(run))

    def _lives(self, run: Path) -> bool:
        own = self._own is not None and self._own[0] == run and self._own[1].poll() is None
        return own or is_alive(run)

    def _learns(self, run: Path) -> bool:
        """Whether the process of a run is past its preparations."""
        state = read_state(run)
        return self._starts_after is None and state is not None and state.stage != PREPARING

    def _end(self, run: Path) -> None:
        if self._own is not None and self._own[0] == run:
            end_teaching(self._own[1])
        else:
            pause(run)

    def _order(self) -> TeachingOrder:
        start = chosen(self.ui.beginBox) or ""
        device = self.panel.parameters.device
        every = self.ui.everyCaseBox.checked and self.ui.everyCaseBox.enabled
        return TeachingOrder(float(chosen(self.ui.timeBox)), chosen(self.ui.networkBox), start, device, every)

    def _show_starts(self, collection: Collection | None) -> None:
        """The models to begin with: those of this collection first."""
        able = [model for model in self.panel.models if model.network in NETWORKS and model.is_available]
        own = taught_from(collection, able) if collection is not None else []
        others = [model for model in able if model not in own]
        names = [(model.title, model.id) for model in (*own, *others)]
        random = (_("nothing (random weights)"), "")
        choices = [names[0], random, *names[1:]] if own else [random, *names]
        fill_box(self.ui.beginBox, choices)
        known = any(self._start == value for _text, value in choices)
        select(self.ui.beginBox, self._start if known else choices[0][1])

    def _show_state(self, state: TeachingState | None, *, running: bool) -> None:
        label, bar = self.ui.teachLabel, self.ui.teachBar
        bar.enabled = running
        bar.maximum = 0 if running and (state is None or state.stage != LEARNING) else 1000
        if state is None:
            bar.value, label.text = 0, ""
            return
        if bar.maximum:
            bar.value = round(1000 * state.spent / state.limit) if state.limit else 0
        label.text = "<br>".join(lines_on_state(state, label, running=running))

    def _ended(self, run: Path) -> None:
        """The process of a run is gone: what came of it."""
        own = self._own[1].poll() if self._own is not None and self._own[0] == run else None
        given_up, state = run == self._given_up, read_state(run)
        has_begun = state is not None and state.pid != self._starts_after  # or it tells of an earlier run
        halted = run == self._halted
        self._own = self._was_alive = self._given_up = self._halted = self._starts_after = None
        if given_up:
            self.panel.say(_("The training was given up."))
            self.panel.attempt(lambda: discard(run))  # which may say otherwise
        elif state is not None and has_begun and state.stage == DONE:
            self.panel.reload_models()
            self._start = None  # the new model is the one to teach on
            if any(model.id == state.model for model in self.panel.models):
                self.panel.parameters.modelId = state.model
            self.panel.say(_("The model '{id}' can be chosen now.").format(id=state.model))
        elif halted:
            button = _("Go on") if can_go_on(state) else _("Teach")
            self.panel.say(
                _("Stopped while it was preparing; nothing is lost. Press {button} when you like.").format(
                    button=button
                )
            )
        elif own not in (None, 0, 130):
            self.panel.say(last_words(run) or _("The training came to an unexpected end."), is_error=True)
        else:
            self.panel.say(_("The training is interrupted; press Go on when you like."))

    def _draw(self) -> None:
        if self._plot is not None and self._plot[1].is_there:
            self._plot[1].show(read_curve(self._plot[0]))
