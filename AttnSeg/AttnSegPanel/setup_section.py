"""Section "Check setup": what is wrong with this installation, and the cure; and PyTorch for a new machine."""

from __future__ import annotations

import importlib.util
import subprocess
import time
from html import escape
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from AttnSegLib.inference.checks.finding import NOT_INSTALLED, OPENVINO, Finding
from AttnSegLib.mrml.news import News
from AttnSegLib.worker.messages import Checked
from AttnSegPanel.inks import inked
from AttnSegPanel.run_row import RunRow

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel

FIRST_TIME = _(
    "The first time, PyTorch is downloaded and installed, which takes some minutes; then the volume is segmented."
)
_TORCH = ">=2.5"
_OPENVINO = "--no-deps openvino>=2026.4"  # of what it requires, Slicer has numpy, which is to stay as it is


class SetupSection:
    """Runs the self-diagnosis in the worker, and installs PyTorch by Slicer's own extension, and OpenVINO."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._row = RunRow.below(self.ui.setupSection, panel.input.cancel)
        self._since: float | None = None  # when the installation began, s; None while there is none
        self._findings: tuple[Finding, ...] = ()  # of the last check
        self.has_torch = _torch_is_there()
        self.ui.checkButton.connect("clicked(bool)", self.check)
        self.ui.installButton.connect("clicked(bool)", self.install)
        self.ui.openvinoButton.connect("clicked(bool)", self.install_openvino)

    @property
    def is_installing(self) -> bool:
        """Whether PyTorch is being installed."""
        return self._since is not None

    def refresh(self) -> None:
        self.ui.checkButton.enabled = not self.panel.session.is_busy and not self.is_installing
        self.ui.installButton.enabled = not self.is_installing
        self.ui.openvinoButton.enabled = not self.panel.session.is_busy
        if self._findings:
            self.ui.setupLabel.text = "<br>".join(map(self._finding, self._findings))

    def receive(self, update: News) -> None:
        if isinstance(update, Checked):
            self._findings = update.findings
            self.ui.installButton.visible = any(f.name == "torch" and not f.ok for f in update.findings)
            self.ui.openvinoButton.visible = any(map(_is_openvino_missing, update.findings))

    def poll(self) -> None:
        """How long an installation has taken; called by the panel's timer, which lives on during it."""
        if self._since is not None:
            minutes, seconds = divmod(int(time.monotonic() - self._since), 60)
            said = _("Installing PyTorch for {minutes}:{seconds:02d} min; it takes some minutes, once.")
            self.panel.say(said.format(minutes=minutes, seconds=seconds))

    def check(self, _checked: bool = False) -> None:
        """Look at everything; takes a few seconds in the worker."""
        self.panel.begin(self._row)
        self._findings = ()
        self.ui.setupLabel.text = _("Checking ...")
        if self.panel.attempt(self._check) is None:
            self.ui.setupLabel.text = ""
        self.panel.refresh()

    def _check(self) -> bool:
        self.panel.session.check()
        return True

    def install(self, _checked: bool = False) -> None:
        """Install PyTorch by Slicer's PyTorch extension, after asking."""
        self.panel.begin(self._row)
        if self.get_torch():
            self.check()
        self.panel.refresh()

    def install_openvino(self, _checked: bool = False) -> None:
        """Install OpenVINO alone, after asking."""
        question = _(
            "OpenVINO makes long runs on the CPU faster. It is downloaded (60 MB) into Slicer's Python; nothing else "
            "there changes. Install it?"
        )
        self.panel.begin(self._row)
        if slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Install OpenVINO")):
            self.panel.say(_("Installing OpenVINO; it takes about a minute."))
            slicer.app.processEvents()
            try:
                slicer.util.pip_install(_OPENVINO)
            except (subprocess.CalledProcessError, OSError):
                self.panel.say(_("OpenVINO was not installed; the log tells why."), is_error=True)
            else:
                self.panel.session.restart_worker()
                self.check()
        self.panel.refresh()

    def get_torch(self) -> bool:
        """Install PyTorch, with progress and time where the last action began; returns whether it is there."""
        try:
            import PyTorchUtils
        except ImportError:
            sentence = _("Install the extension 'PyTorch' in the Extensions Manager, restart Slicer.")
            self.panel.say(sentence, is_error=True)
            return False
        self._since = time.monotonic()
        self.panel.refresh()
        self.poll()
        slicer.app.processEvents()
        try:
            done = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=_TORCH)
        finally:
            self._since = None
        self.has_torch = done is not None
        if self.has_torch:
            self.panel.session.restart_worker()
            self.panel.say(_("PyTorch is installed."))
        else:
            self.panel.say(_("PyTorch was not installed; the log tells why."), is_error=True)
        return self.has_torch

    def _finding(self, finding: Finding) -> str:
        mark = inked("good", "\N{CHECK MARK}", self.ui.setupLabel)
        if not finding.ok:
            mark = inked("error", "\N{BALLOT X}", self.ui.setupLabel)
        cure = "" if finding.ok else f"<br>&nbsp;&nbsp;<i>{escape(finding.cure)}</i>"
        return f"{mark} {escape(finding.name)}: {escape(finding.detail)}{cure}"


def _is_openvino_missing(finding: Finding) -> bool:
    return finding.name == OPENVINO and finding.detail.startswith(NOT_INSTALLED)


def _torch_is_there() -> bool:
    """Without importing it, which takes seconds."""
    return importlib.util.find_spec("torch") is not None
