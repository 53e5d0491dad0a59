"""For scripts: what to ask of a session, and waiting for it; the application stays alive meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import slicer

from AttnSegLib.errors import InputError
from AttnSegLib.inference.prediction import ComputeOptions
from AttnSegLib.models.catalog import find_model
from AttnSegLib.mrml.news import News, Target
from AttnSegLib.mrml.protocols import VolumeNode
from AttnSegLib.mrml.session import Session
from AttnSegLib.worker.messages import JobCancelled, JobFailed, Request

_Awaited = TypeVar("_Awaited")


def target_of(volume_node: VolumeNode, model_id: str, device: str) -> Target:
    """What a script asks for. Raises `InputError` if there is no such model."""
    return Target(volume_node, Request(find_model(model_id), compute=ComputeOptions(device)))


def await_news(session: Session, start: Callable[[], None], kind: type[_Awaited]) -> _Awaited:
    """Start something and wait until the session has news of this kind.

    Raises `InputError` with one sentence if it can't be started, or comes to nothing.
    """
    news: list[News] = []
    session.listeners.append(news.extend)
    try:
        start()
        while (found := _first(news, kind)) is None:
            _live_on(session)
        return found
    finally:
        session.listeners.remove(news.extend)


def _live_on(session: Session) -> None:
    """One turn of the application, whose timers may poll the session, too."""
    if not session.is_busy:
        raise InputError("The run was ended before it was done; nothing was written.")
    slicer.app.processEvents()
    time.sleep(0.02)
    session.poll()


def _first(news: list[News], kind: type[_Awaited]) -> _Awaited | None:
    """None while it goes on."""
    for update in news:
        if isinstance(update, kind):
            return update
        if isinstance(update, JobCancelled | JobFailed):
            raise InputError(update.sentence)
    return None
