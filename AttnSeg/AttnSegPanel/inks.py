"""Colours of text that stand out from Slicer's light and from its dark style: at least 4.5 : 1, as WCAG 2 asks for."""

from __future__ import annotations

from html import escape

import qt

from AttnSegPanel.widgets import Widget

LIGHT = {"warning": "#8a4b00", "error": "#b3261e", "good": "#1f6b29", "link": "#0b57a4"}
DARK = {"warning": "#ffb454", "error": "#ff9e98", "good": "#7fd68a", "link": "#8ab4f8"}
_MIDDLE = 128  # of lightness, 0 to 255


def inked(kind: str, text: str, widget: Widget) -> str:
    """Rich text of plain text, in the ink of its kind on the background of a widget. kind: a key of `LIGHT`."""
    return f'<span style="color:{_ink(kind, widget)}">{escape(text)}</span>'


def linked(target: str, text: str, widget: Widget) -> str:
    """Rich text of a link in a label."""
    return f'<a href="{escape(target)}" style="color:{_ink("link", widget)}">{escape(text)}</a>'


def _ink(kind: str, widget: Widget) -> str:
    return (DARK if is_dark(widget) else LIGHT)[kind]


def is_dark(widget: Widget) -> bool:
    """Whether Slicer has its dark style."""
    return bool(widget.palette.color(qt.QPalette.Window).lightness() < _MIDDLE)
