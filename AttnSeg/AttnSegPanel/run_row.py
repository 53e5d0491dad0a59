"""Progress, Cancel and the last sentence, near what was started: one row in each section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt
from slicer.i18n import tr as _

from AttnSegPanel.widgets import ProgressBar, PushButton, TextLabel


@dataclass(frozen=True, eq=False)
class RunRow:
    """frame: what is hidden with the row; None if it is always seen, so that nothing below it moves."""

    bar: ProgressBar
    cancel: PushButton
    label: TextLabel
    frame: Any = None

    @classmethod
    def below(cls, section: Any, cancel: Callable[..., object]) -> RunRow:
        """A hidden row at the end of a section."""
        frame = qt.QWidget()
        column = qt.QVBoxLayout(frame)
        column.setContentsMargins(0, 0, 0, 0)
        bar, button, label = qt.QProgressBar(), qt.QPushButton(_("Cancel")), qt.QLabel()
        label.wordWrap, label.textFormat = True, qt.Qt.RichText
        line = qt.QHBoxLayout()
        line.addWidget(bar, 1)
        line.addWidget(button)
        column.addLayout(line)
        column.addWidget(label)
        button.connect("clicked(bool)", cancel)
        layout = section.layout()
        getattr(layout, "addRow", layout.addWidget)(frame)
        frame.visible = False
        return cls(bar, button, label, frame)

    def begin(self) -> None:
        """Something starts here; how far it is, is not known yet."""
        self.bar.maximum = 0
        if self.frame is not None:
            self.frame.visible = True

    def follow(self, done: int, total: int) -> None:
        """So far are the slices."""
        self.bar.maximum, self.bar.value = total, done

    def say(self, text: str) -> None:
        """Rich text; of none there is still a line, so that nothing moves when the next one comes."""
        self.label.text = text or "&nbsp;"

    def show_state(self, *, busy: bool) -> None:
        """Progress and Cancel are there while something runs."""
        self.cancel.enabled = self.bar.enabled = busy
        if not busy:
            self.bar.maximum, self.bar.value = 1, 0
        if self.frame is not None:
            self.bar.visible = self.cancel.visible = busy

    def leave(self) -> None:
        """The last action was elsewhere, or is gone with its scene."""
        self.say("")
        self.show_state(busy=False)
        if self.frame is not None:
            self.frame.visible = False
