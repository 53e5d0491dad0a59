"""PySide6 made to look like PythonQt, Slicer's binding of Qt: properties are attributes, signals connect by signature.

It is stricter on purpose: an unknown signal, or a value that a property does not take, raises; PythonQt keeps silent.
The change is global for the process; nothing but Slicer's panels uses PySide6 in these tests.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QObject

_qt_property, _qt_set_property = QObject.property, QObject.setProperty
_qt_getattribute = QObject.__getattribute__
_qt_connect = QObject.__dict__["connect"].__func__
_MODULES = (QtCore, QtGui, QtWidgets)
_VIRTUAL = {"sizeHint", "minimumSizeHint", "spacing", "duration", "QProgressBar.text"}
"""Getters that Qt itself calls through the Python object: they stay methods, only setting is a property."""
_CONNECTIONS = "_connections_by_signature"


class _QtProperty:
    """A Qt property as an attribute of the instance; on the class the name keeps its meaning (`QTimer.singleShot`)."""

    def __init__(self, name: str, method=None, virtual: bool = False):
        self._name, self._method, self._virtual = name, method, virtual

    def __get__(self, instance, owner):
        if instance is None or self._virtual:
            return self if self._method is None else self._method.__get__(instance, owner)
        return _qt_property(instance, self._name)

    def __set__(self, instance, value):
        if not _qt_set_property(instance, self._name, value):
            raise AttributeError(f"{type(instance).__name__}.{self._name} does not take {value!r}")


def install() -> tuple[types.ModuleType, types.ModuleType]:
    """Change PySide6's classes, at the first call, and return the modules `qt` and `ctk`, the second one empty."""
    if not isinstance(QObject.__dict__.get("name"), _QtProperty):
        for module in _MODULES:
            for name in dir(module):
                _make_properties(getattr(module, name))
        QObject.name = _QtProperty("objectName")
        QObject.className = lambda self: self.metaObject().className()
        QObject.__getattribute__ = _getattribute
    qt = types.ModuleType("qt", "Qt as PythonQt shows it: all classes in one module.")
    for module in _MODULES:
        vars(qt).update({name: getattr(module, name) for name in dir(module) if not name.startswith("_")})
    return qt, types.ModuleType("ctk")


def stray_attributes(root: QObject) -> list[str]:
    """Attributes that no Qt class has (`button.enable = True`), on a widget and all below it: they do nothing."""
    found = []
    for child in [root, *root.findChildren(QObject)]:
        cls = type(child)
        if cls.__module__.startswith("PySide6"):
            names = [name for name in vars(child) if name != _CONNECTIONS and not hasattr(cls, name)]
            found += [f"{cls.__name__} {child.name}.{name}" for name in names]
    return found


def _make_properties(cls):
    if not (isinstance(cls, type) and issubclass(cls, QObject)):
        return
    meta = cls.staticMetaObject
    own = {meta.property(i).name() for i in range(meta.propertyOffset(), meta.propertyCount())}
    hidden = {meta.property(i).name() for i in range(meta.propertyOffset())} & set(vars(cls))
    for name in own | hidden:
        virtual = bool({name, f"{cls.__name__}.{name}"} & _VIRTUAL)
        setattr(cls, name, _QtProperty(name, vars(cls).get(name), virtual))


def _getattribute(self, name):
    """PySide6 makes `connect` anew for every instance, so that it can be replaced only here."""
    if name == "connect":
        return types.MethodType(_connect, self)
    if name == "disconnect":
        return types.MethodType(_disconnect, self)
    return _qt_getattribute(self, name)


def _connect(self, signature: str, *target) -> bool:
    """`connect(signature, callable)` or `connect(signature, receiver, slot signature)`."""
    exact = _find_signal(self, signature)
    slot = target[0] if len(target) == 1 else getattr(target[0], target[1].partition("(")[0])
    take = _positional_arguments(slot)

    def call(*arguments):
        slot(*arguments[:take])

    # A strong reference, as PythonQt holds it: PySide6 would forget a method whose object nobody else keeps.
    connection = _qt_connect(self, QtCore.SIGNAL(exact), call)
    self.__dict__.setdefault(_CONNECTIONS, []).append((exact, slot, connection))
    return True


def _disconnect(self, signature: str, *target) -> bool:
    exact = _find_signal(self, signature)
    connections = self.__dict__.get(_CONNECTIONS, [])
    for entry in connections:
        if entry[0] == exact and (not target or entry[1] == target[0]):
            connections.remove(entry)
            return bool(QObject.disconnect(entry[2]))
    return False


def _find_signal(instance: QObject, signature: str) -> str:
    """The signature as PySide6 writes it; raises `AttributeError` if the class has no such signal."""
    meta = instance.metaObject()
    methods = (meta.method(i) for i in range(meta.methodCount()))
    known = [bytes(m.methodSignature()).decode() for m in methods if m.methodType() == QtCore.QMetaMethod.Signal]
    exact = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
    exact = re.sub(r"vtk\w+\*", "PyObject", exact)
    if exact not in known:
        raise AttributeError(f"{type(instance).__name__} has no signal {signature!r}, but: {', '.join(sorted(known))}")
    return exact


def _positional_arguments(slot: Callable) -> int | None:
    """How many arguments a slot takes; PythonQt, too, hands over no more than these. None: any number."""
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):  # functions of Qt: they say themselves what they do not take
        return None
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
