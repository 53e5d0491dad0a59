"""What teaching needs beside PyTorch, installed into Slicer by its own means, after asking once."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from AttnSegLib.collections.teaching_process import UNTOUCHED, has_training, lacking
from AttnSegLib.errors import InputError

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


def get_ready(panel: Panel) -> None:
    """Install what is missing, after asking. Raises `InputError` if this Slicer can't teach then."""
    if not has_training():
        raise InputError(_("This AttnSeg came without its training; press Train elsewhere, or install it anew."))
    if not panel.setup.has_torch and not panel.setup.get_torch():
        raise InputError(_("Teaching needs PyTorch; press Train elsewhere, or install it under Check setup."))
    if lacking() and not get_needed():
        names = ", ".join(lacking())
        raise InputError(
            _("Teaching needs {names}, which was not installed; press Train elsewhere.").format(names=names)
        )


def get_needed() -> bool:
    """Install what is lacking, with the versions of numpy, SimpleITK and torch held fast; whether all is there then.
    Also False if the user does not want it, or pip can't do it: its log tells why."""
    wanted = lacking()
    if wanted:
        with tempfile.TemporaryDirectory() as folder:
            fixed = Path(folder) / "constraints.txt"
            fixed.write_text("\n".join(_as_they_are()), encoding="utf-8")
            try:
                _install(wanted, fixed)
            except (RuntimeError, CalledProcessError, OSError):  # declined; refused by pip; no network, no room
                return False
        importlib.invalidate_caches()
    return not lacking()


def _install(wanted: Sequence[str], fixed: Path) -> None:
    try:
        from slicer.packaging import pip_ensure  # from 5.12 on: it asks, and shows how it goes
    except ImportError:
        question = _(
            "Teaching needs {names}. Install them into Slicer now? numpy, SimpleITK and PyTorch stay as they are."
        ).format(names=", ".join(wanted))
        if slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Teach")):
            slicer.util.pip_install(["--constraint", str(fixed), *wanted])
        return
    pip_ensure(list(wanted), constraints=str(fixed), requester="AttnSeg", prompt_restart=False)


def _as_they_are() -> Sequence[str]:
    lines = []
    for name in UNTOUCHED:
        try:
            lines.append(f"{name}=={version(name)}")
        except PackageNotFoundError:  # part of Slicer itself, which pip does not know, and so can't change
            continue
    return lines
