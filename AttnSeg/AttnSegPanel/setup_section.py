"""Section "Check setup": what is wrong with this installation, and the cure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from AttnSegLib.inference.checks.finding import Finding
from AttnSegLib.mrml.news import News
from AttnSegLib.worker.messages import Checked

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class SetupSection:
    """Runs the self-diagnosis in the worker, and PyTorch's installation by Slicer's own extension."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self.ui.checkButton.connect("clicked(bool)", self.check)
        self.ui.installButton.connect("clicked(bool)", self.install)

    def refresh(self) -> None:
        self.ui.checkButton.enabled = not self.panel.session.is_busy

    def receive(self, update: News) -> None:
        if isinstance(update, Checked):
            self.ui.setupLabel.text = "<br>".join(_finding(finding) for finding in update.findings)
            self.ui.installButton.visible = any(f.name == "torch" and not f.ok for f in update.findings)

    def check(self, _checked: bool = False) -> None:
        """Look at everything; takes a few seconds in the worker."""
        self.ui.setupLabel.text = _("Checking ...")
        self.panel.attempt(self.panel.session.check)
        self.panel.refresh()

    def install(self, _checked: bool = False) -> None:
        """Install PyTorch by Slicer's PyTorch extension, after asking; nothing else is ever installed."""
        try:
            import PyTorchUtils
        except ImportError:
            self.ui.setupLabel.text = _("Install the extension 'PyTorch' in the Extensions Manager, restart Slicer.")
            return
        logic = PyTorchUtils.PyTorchUtilsLogic()
        if logic.installTorch(askConfirmation=True, torchVersionRequirement=">=2.5") is None:
            self.ui.setupLabel.text = _("PyTorch was not installed; the log tells why.")
            return
        self.panel.session.restart_worker()
        slicer.util.showStatusMessage(_("PyTorch is installed."), 3000)
        self.check()


def _finding(finding: Finding) -> str:
    mark = (
        '<span style="color:#2e7d32">&#10003;</span>' if finding.ok else '<span style="color:#c62828">&#10007;</span>'
    )
    cure = "" if finding.ok else f"<br>&nbsp;&nbsp;<i>{escape(finding.cure)}</i>"
    return f"{mark} {escape(finding.name)}: {escape(finding.detail)}{cure}"
