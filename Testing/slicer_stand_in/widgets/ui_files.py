"""Files of Qt Designer with the stand-ins in place of Slicer's widgets, and with their connections made."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtUiTools
from PySide6.QtCore import QObject


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file as Slicer does.

    Stricter than Qt: a class without a stand-in raises `NotImplementedError`; a property that its widget does not have
    and a connection to a widget, signal or slot that is not there raise `AttributeError`.
    """

    stand_ins: dict[str, type] = {}  # noqa: RUF012 - filled by gui.start

    def load(self, device, parent=None):
        content = bytes(device.readAll())
        device.close()
        root = ElementTree.fromstring(content)
        self._check_classes(root)
        connections = list(root.iterfind("connections/connection"))
        for element in root.findall("connections"):
            root.remove(element)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        if widget is None:
            raise RuntimeError(self.errorString())
        self._check_properties(root, widget)
        for connection in connections:
            _connect(widget, *(connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")))
        return widget

    def createWidget(self, class_name, parent=None, name=""):
        """Called by Qt for every widget of the file."""
        if class_name not in self.stand_ins:
            return super().createWidget(class_name, parent, name)
        widget = self.stand_ins[class_name](parent)
        widget.setObjectName(name)
        return widget

    def _check_classes(self, root):
        known = {*self.availableWidgets(), *self.stand_ins, "Line"}
        for element in root.iter("widget"):
            if element.get("class") not in known:
                raise NotImplementedError(f"no test stand-in for {element.get('class')}")

    @staticmethod
    def _check_properties(root, widget):
        for element in root.iter("widget"):
            child = _find(widget, element.get("name"))
            declared = [p.get("name") for p in element.iterfind("property") if p.get("stdset") != "0"]
            wrong = [name for name in declared if child.metaObject().indexOfProperty(name) < 0]
            wrong = [name for name in wrong if element.get("class") != "Line" or name != "orientation"]
            if wrong:
                raise AttributeError(f"{element.get('class')} {child.name} has no property {', '.join(wrong)}")


def _connect(widget, sender, signal, receiver, slot):
    name, _, arguments = slot.partition("(")
    method = getattr(_find(widget, receiver), name)
    count = len([a for a in arguments.rstrip(")").split(",") if a.strip()])
    _find(widget, sender).connect(signal, lambda *values: method(*values[:count]))


def _find(widget, name):
    found = widget if widget.name == name else widget.findChild(QObject, name)
    if found is None:
        raise AttributeError(f"{widget.name} has no child {name!r}")
    return found
