"""How each widget shows a parameter: the part of `slicer.parameterNodeWrapper` that knows widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ctk
import qt
import slicer


@dataclass
class Connection:
    """How a widget shows a value: what to read, what to write, and the signal that tells of a change."""

    read: Callable
    write: Callable
    signal: object = None

    def start(self, callback):
        self._slot = lambda *_: callback()
        if self.signal is not None:
            self.signal.connect(self._slot)

    def stop(self):
        if self.signal is not None:
            self.signal.disconnect(self._slot)


def _check_box(widget, parameter):  # noqa: ARG001 - all connectors are called alike
    widget.setProperty("checkable", True)
    return Connection(lambda: widget.checked, lambda value: setattr(widget, "checked", value), widget.toggled)


def _number(widget, parameter):
    bounds = {"minimum": None, "maximum": None}
    for rule in parameter.rules:
        bounds.update({key: value for key, value in vars(rule).items() if key in bounds})
    unbounded = None in bounds.values()
    if unbounded and isinstance(widget, (qt.QSlider, ctk.ctkSliderWidget)):
        raise RuntimeError(f"{type(widget).__name__} {widget.name} needs a parameter with a range")
    whole = isinstance(widget, (qt.QSlider, qt.QSpinBox))
    limits = (-(2**31), 2**31 - 1) if whole else (float("-inf"), float("inf"))
    for key, limit in zip(bounds, limits, strict=True):
        setattr(widget, key, limit if bounds[key] is None else bounds[key])
    kind = parameter.kinds[0]
    if kind is int and not whole:
        widget.decimals = 0
    return Connection(lambda: kind(widget.value), lambda v: setattr(widget, "value", kind(v)), widget.valueChanged)


def _choice(widget, parameter):
    rule = next((rule for rule in parameter.rules if hasattr(rule, "choices")), None)
    if rule is None:
        raise RuntimeError(f"the combo box {widget.name} needs a parameter with a Choice")
    widget.clear()
    widget.addItems([str(choice) for choice in rule.choices])

    def write(value):
        widget.currentIndex = list(rule.choices).index(value)

    return Connection(lambda: rule.choices[widget.currentIndex], write, widget.currentIndexChanged)


def _text(widget, parameter):  # noqa: ARG001
    def write(value):
        if value != widget.text:  # the cursor stays where the user has it
            widget.text = value

    return Connection(lambda: widget.text, write, getattr(widget, "textChanged", None))


def _plain_text(widget, parameter):  # noqa: ARG001
    return Connection(widget.toPlainText, widget.setPlainText, widget.textChanged)


def _node(widget, parameter):
    widget.nodeTypes = [kind.__name__ for kind in parameter.kinds]
    return Connection(widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged)


CONNECTORS = {
    (qt.QCheckBox, (bool,)): _check_box,
    (qt.QPushButton, (bool,)): _check_box,
    (qt.QSlider, (int,)): _number,
    (qt.QSpinBox, (int,)): _number,
    (qt.QDoubleSpinBox, (float, int)): _number,
    (ctk.ctkSliderWidget, (float, int)): _number,
    (qt.QComboBox, (str, int, float, bool)): _choice,
    (ctk.ctkComboBox, (str, int, float, bool)): _choice,
    (qt.QLineEdit, (str,)): _text,
    (qt.QLabel, (str,)): _text,
    (qt.QTextEdit, (str,)): _plain_text,
    (slicer.qMRMLNodeComboBox, ()): _node,
}
"""The widgets that Slicer can bind, of those with a stand-in, and the types of parameter that each shows."""


def connection(widget, parameter):
    for (cls, kinds), connect in CONNECTORS.items():
        fits = parameter.is_node if connect is _node else parameter.kinds[0] in kinds
        if type(widget) is cls and fits:
            return connect(widget, parameter)
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{parameter.hint}' to widget type '{type(widget)}'"
    )
