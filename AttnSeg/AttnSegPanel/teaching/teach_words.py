"""What the section "Teach" says of a training."""

from __future__ import annotations

from html import escape

from slicer.i18n import tr as _

from AttnSegLib.collections.teaching_run import DONE, FAILED, LEARNING, SCORING, TeachingState, number_of_folds
from AttnSegPanel.inks import inked, linked
from AttnSegPanel.widgets import TextLabel

NETWORKS = {
    "eccamunet": "EC-CaM-UNet",
    "anunet": "ANU-Net",
    "afnet": "AF-Net",
    "omeganet": "Omega-Net",
    "msdualguided": "MS-Dual-Guided",
}
TIMES = ((10, _("10 minutes")), (30, _("30 minutes")), (120, _("2 hours")), (480, _("8 hours, overnight")))
_HOUR = 60  # minutes


def can_go_on(state: TeachingState | None) -> bool:
    """Whether a run that does not live can be gone on with."""
    return state is not None and state.stage != DONE


def every_case_in_words(cases: int, minutes: float) -> str:
    """How long it takes when every case is scored. cases: how many; minutes: for a model."""
    if cases < 2:
        return str(_("from two cases on"))
    folds = number_of_folds(cases)
    total = (1 + folds) * minutes
    sentence = _("{minutes:g} + {folds} x {minutes:g} minutes, {total} in all")
    return str(sentence.format(minutes=minutes, folds=folds, total=_time_in_words(total)))


def lines_on_state(state: TeachingState, label: TextLabel, *, running: bool) -> list[str]:
    """What is said of a run, each line as HTML. label: shows it."""
    lines = [_in_words(state, running=running)]
    if state.sentence:
        lines.append(inked("error" if state.stage == FAILED else "warning", state.sentence, label))
    if running:
        lines += [*map(escape, state.words), linked("recipe", _("The whole recipe"), label)]
    return lines


def _in_words(state: TeachingState, *, running: bool) -> str:
    spent, limit = (f"{int(seconds) // 60}:{int(seconds) % 60:02}" for seconds in (state.spent, state.limit))
    if state.stage == DONE:
        return escape(_("Taught: the model is '{id}'.").format(id=state.model))
    which = _("Score, model {n} of {all}:").format(n=state.fold, all=state.folds) + " " if state.fold else ""
    if not running and not state.limit:
        return escape(_("Interrupted before it began to learn."))
    if not running:
        return escape(which + _("Interrupted after {spent} of {limit} minutes.").format(spent=spent, limit=limit))
    if state.stage == LEARNING and state.fold:
        words = _("{spent} of {limit} minutes. '{id}' can be used already.")
        return escape(which + words.format(spent=spent, limit=limit, id=state.model))
    if state.stage == LEARNING:
        return escape(_("Learning: {spent} of {limit} minutes.").format(spent=spent, limit=limit))
    if state.stage == SCORING:
        return escape(_("The time is over; the model is scored and written."))
    return escape(_("Preparing the slices ..."))


def _time_in_words(minutes: float) -> str:
    if minutes < _HOUR:
        return str(_("{n:g} minutes").format(n=minutes))
    return str(_("1 hour") if minutes == _HOUR else _("{n:g} hours").format(n=minutes / _HOUR))
