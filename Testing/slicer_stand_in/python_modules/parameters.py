"""A small `slicer.parameterNodeWrapper`: typed values in a parameter node, bound to the widgets of a panel.

Covers nodes (with or without `| None`), str, int, float and bool, `WithinRange`, `Minimum`, `Maximum`, `Choice` and
`Default`, and the widgets in `connectors.CONNECTORS`; everything else raises: enumerations, paths, ranges, lists,
parameter packs, own serializers. Values are validated, written and shown as Slicer does it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass

import qt
import slicer
import vtk

from . import connectors

__all__ = [
    "Choice",
    "Default",
    "Maximum",
    "Minimum",
    "SlicerParameterNamePropertyName",
    "WithinRange",
    "findChildWidgetForParameter",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]

SlicerParameterNamePropertyName = "SlicerParameterName"
_SCALARS = (str, int, float, bool)


@dataclass
class Default:
    """The value of a parameter that has none."""

    value: object


@dataclass
class WithinRange:
    """A number from `minimum` to `maximum`, both included."""

    minimum: float
    maximum: float

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum:
    """A number not below `minimum`."""

    minimum: float

    def validate(self, value):
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass
class Maximum:
    """A number not above `maximum`."""

    maximum: float

    def validate(self, value):
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass
class Choice:
    """One of some values; a combo box shows them."""

    choices: Sequence

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of {list(self.choices)}")


class Parameter:
    """One typed member of a wrapper: reads and writes its value in a parameter node, in Slicer's form."""

    def __init__(self, name: str, hint, default):
        self.name, self.hint = name, hint
        self.kinds, annotations = _kinds(hint)
        self.is_node = all(issubclass(kind, slicer.vtkMRMLNode) for kind in self.kinds)
        if not self.is_node and self.kinds not in [(kind,) for kind in _SCALARS]:
            raise TypeError(f"no test stand-in for a parameter of type {hint}")
        self.rules = [a for a in annotations if hasattr(a, "validate")]
        annotated = [a for a in annotations if isinstance(a, Default)]
        empty = None if self.is_node else self.kinds[0]()
        self.default = Default(default) if default is not None else (annotated or [Default(empty)])[0]

    def read(self, node):
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.kinds[0] is bool else self.kinds[0](text)

    def write(self, node, value):
        """Raises `TypeError` or `ValueError` for a value that the parameter must not have."""
        self._validate(value)
        was = node.StartModify()
        node.SetParameter(self.name, "" if self.is_node else str(value))
        if self.is_node:
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        node.EndModify(was)

    def _validate(self, value):
        if value is None:
            if not self.is_node:
                raise ValueError(f"{self.name} must not be None")
            return
        kinds = (int, float) if self.kinds == (float,) else self.kinds
        if not isinstance(value, kinds):
            raise TypeError(f"{self.name} must be {self.hint}, is {type(value)} {value!r}")
        for rule in self.rules:
            rule.validate(value)


def parameterNodeWrapper(cls=None):
    """Class decorator: each annotated member becomes a property that is kept in a parameter node."""
    return _wrap if cls is None else _wrap(cls)


def isParameterNodeWrapper(class_or_instance):
    return getattr(class_or_instance, "_is_parameter_node_wrapper", False)


def findChildWidgetForParameter(widget, name):
    """The widget below `widget` that shows a parameter, None if there is none."""
    children = widget.findChildren(qt.QWidget)
    return next((c for c in children if c.property(SlicerParameterNamePropertyName) == name), None)


class Wrapper:
    """What every wrapper can do beside having its members."""

    allParameters: dict[str, Parameter]
    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode, prefix=None):
        if prefix:
            raise NotImplementedError("no test stand-in for a prefix of parameters")
        self.parameterNode = parameterNode
        self._connections: dict[int, tuple[dict[str, connectors.Connection], int]] = {}
        self._showing = False
        for parameter in self.allParameters.values():
            if not parameterNode.HasParameter(parameter.name):
                parameter.write(parameterNode, parameter.default.value)

    def getValue(self, name):
        return self._parameter(name).read(self.parameterNode)

    def setValue(self, name, value):
        self._parameter(name).write(self.parameterNode, value)

    def default(self, name):
        return self._parameter(name).default

    @classmethod
    def dataType(cls, name):
        return cls._parameter(name).hint

    @classmethod
    def _parameter(cls, name):
        if name not in cls.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}; there are {list(cls.allParameters)}")
        return cls.allParameters[name]

    def connectGui(self, gui):
        """Bind all widgets with the property `SlicerParameterName`, of a widget or of what `childWidgetVariables` gave.

        Returns a tag for `disconnectGui`.
        """
        widgets = gui.findChildren(qt.QWidget) if isinstance(gui, qt.QWidget) else vars(gui).values()
        named = ((widget.property(SlicerParameterNamePropertyName), widget) for widget in widgets)
        return self.connectParametersToGui({name: widget for name, widget in named if name})

    def connectParametersToGui(self, mapping):
        """Bind parameters to widgets, by name; returns a tag for `disconnectGui`."""
        connections = {name: connectors.connection(widget, self._parameter(name)) for name, widget in mapping.items()}
        for name, connection in connections.items():
            connection.write(self.getValue(name))
            connection.start(lambda name=name, connection=connection: self._read_widget(name, connection))
        tag = max(self._connections, default=-1) + 1
        observation = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())
        self._connections[tag] = (connections, observation)
        return tag

    def disconnectGui(self, tag):
        """Unbind the widgets of a tag; one that is not in use is ignored, as in Slicer."""
        connections, observation = self._connections.pop(tag, ({}, None))
        for connection in connections.values():
            connection.stop()
        if observation is not None:
            self.RemoveObserver(observation)

    def _read_widget(self, name, connection):
        if not self._showing:
            self.setValue(name, connection.read())

    def _show(self):
        if self._showing:
            return
        self._showing = True
        try:
            for connections, _ in tuple(self._connections.values()):
                for name, connection in connections.items():
                    connection.write(self.getValue(name))
        finally:
            self._showing = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was):
        return self.parameterNode.EndModify(was)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        self.parameterNode.Modified()


def _wrap(cls):
    hints = typing.get_type_hints(cls, include_extras=True)
    for name in hints:
        if hasattr(Wrapper, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
    parameters = {name: Parameter(name, hint, vars(cls).get(name)) for name, hint in hints.items()}
    members = {name: _member(name) for name in parameters}
    own = {k: v for k, v in vars(cls).items() if k not in {*hints, "__dict__", "__weakref__"}}
    return type(cls.__name__, (Wrapper,), {**own, **members, "allParameters": parameters})


def _member(name):
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def _kinds(hint):
    """The classes that a value may have, None left out, and the annotations."""
    annotations = getattr(hint, "__metadata__", ())
    plain = typing.get_args(hint)[0] if annotations else hint
    if typing.get_origin(plain) in (typing.Union, types.UnionType):
        return tuple(kind for kind in typing.get_args(plain) if kind is not types.NoneType), annotations
    return (plain,), annotations
