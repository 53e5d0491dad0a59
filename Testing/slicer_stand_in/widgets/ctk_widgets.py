"""Stand-ins for the ctk widgets of a module's panel: the same properties and signals, on plain Qt widgets."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Qt, Signal

_CLOSED, _OPEN = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}", "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"


def stored(name: str, kind, default, changed: str | None = None) -> Property:
    """A Qt property that keeps its value in the instance and then calls the method `changed`, if there is one."""

    def read(self):
        return vars(self).get(f"_{name}", default)

    def write(self, value):
        setattr(self, f"_{name}", value)
        if changed:
            getattr(self, changed)()

    return Property(kind, read, write)


def forwarded(name: str, kind, child: str) -> Property:
    """A Qt property that is the property of the same name of a widget inside."""

    def read(self):
        return getattr(getattr(self, child), name)

    def write(self, value):
        setattr(getattr(self, child), name, value)

    return Property(kind, read, write)


class Setters:
    """Mixin: every property `maximum` has its method `setMaximum`, as in C++."""

    def __getattr__(self, name):
        own = name[3:4].lower() + name[4:]
        if name.startswith("set") and isinstance(getattr(type(self), own, None), Property):
            return lambda value: setattr(self, own, value)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


class ctkCollapsibleButton(Setters, QtWidgets.QAbstractButton):
    """A header, and below it children that are hidden while it is collapsed."""

    contentsCollapsed = Signal(bool)
    flat = stored("flat", bool, False)
    contentsFrameShape = stored("contentsFrameShape", int, 0)

    def __init__(self, parent=None):
        super().__init__(parent)
        if isinstance(parent, str):
            raise TypeError("the stand-in for ctkCollapsibleButton takes a parent only; set its text afterwards")
        self._collapsed, self._wanted, self._busy = False, {}, False
        self._header = self.fontMetrics().height() + 8
        self.setContentsMargins(0, self._header, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.clicked.connect(lambda: self._collapse(not self._collapsed))

    def _collapse(self, collapsed):
        if bool(collapsed) != self._collapsed:
            self._collapsed = bool(collapsed)
            for child in self.findChildren(QtWidgets.QWidget, options=Qt.FindDirectChildrenOnly):
                if self._collapsed:
                    self._hide(child, wanted=not child.isHidden())
                else:
                    child.setVisible(self._wanted.pop(child, True))
            self.updateGeometry()
            self.contentsCollapsed.emit(self._collapsed)

    collapsed = Property(bool, lambda self: self._collapsed, _collapse)

    def _hide(self, child, wanted):
        """Hide a child and remember whether its owner wants to see it."""
        self._busy = True
        child.hide()
        self._busy = False
        self._wanted[child] = wanted

    def childEvent(self, event):
        # a child that is only just being added is not yet of its class, and its wrapper would stay a plain QWidget
        if event.type() == QtCore.QEvent.ChildPolished and event.child().isWidgetType():
            event.child().installEventFilter(self)
            if self._collapsed:
                self._hide(event.child(), wanted=not event.child().testAttribute(Qt.WA_WState_ExplicitShowHide))
        super().childEvent(event)

    def eventFilter(self, child, event):
        kind = event.type()
        if self._collapsed and not self._busy and kind in (QtCore.QEvent.ShowToParent, QtCore.QEvent.HideToParent):
            self._hide(child, wanted=kind == QtCore.QEvent.ShowToParent)
        return False

    def sizeHint(self):
        header = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 40, self._header)
        if self._collapsed or self.layout() is None:
            return header
        return header.expandedTo(self.layout().totalSizeHint())

    def minimumSizeHint(self):
        return self.sizeHint()

    def paintEvent(self, event):  # noqa: ARG002 - Qt's signature
        painter, option = QtWidgets.QStylePainter(self), QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, self._header)
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        arrow = (
            "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}" if self._collapsed else "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
        )
        painter.setPen(option.palette.color(QtGui.QPalette.ButtonText))
        painter.drawText(option.rect.adjusted(6, 0, -6, 0), Qt.AlignVCenter, f"{arrow}  {self.text}")


class ctkSliderWidget(Setters, QtWidgets.QWidget):
    """A slider beside a spin box; the spin box holds the value, rounded to `decimals` as in ctk."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimals = forwarded("decimals", int, "_box")
    value = forwarded("value", float, "_box")
    suffix = forwarded("suffix", str, "_box")
    prefix = forwarded("prefix", str, "_box")
    singleStep = forwarded("singleStep", float, "_box")
    pageStep = stored("pageStep", float, 10.0)
    tickInterval = stored("tickInterval", float, 0.0)
    tracking = stored("tracking", bool, True)
    minimum = forwarded("minimum", float, "_box")
    maximum = forwarded("maximum", float, "_box")

    _STEPS = 1000

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider, self._box = QtWidgets.QSlider(Qt.Horizontal, self), QtWidgets.QDoubleSpinBox(self)
        self._slider.setRange(0, self._STEPS)
        self._box.setRange(0, 100)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._moved)
        self._slider.sliderMoved.connect(self._slid)

    def setRange(self, minimum, maximum):
        self._box.setRange(minimum, maximum)
        self._show()

    def _slid(self, step):
        self._box.setValue(self.minimum + step / self._STEPS * (self.maximum - self.minimum))

    def _moved(self, value):
        self._show()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _show(self):
        span = self.maximum - self.minimum
        self._slider.setValue(round((self.value - self.minimum) / span * self._STEPS) if span > 0 else 0)


class ctkRangeWidget(Setters, QtWidgets.QWidget):
    """Two values with the lower never above the upper one; drawn as two spin boxes, without the double slider."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    singleStep = forwarded("singleStep", float, "_low")
    suffix = forwarded("suffix", str, "_low")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._low)
        layout.addStretch()
        layout.addWidget(self._high)
        self._bounds = (0.0, 99.0)
        self._values = self._bounds
        self.setRange(*self._bounds)
        self._low.valueChanged.connect(lambda value: self.setValues(value, max(value, self._values[1])))
        self._high.valueChanged.connect(lambda value: self.setValues(min(value, self._values[0]), value))

    def setRange(self, minimum, maximum):
        self._bounds = (float(minimum), float(maximum))
        self.setValues(*self._values)

    def setValues(self, low, high):
        """Set both values; they are brought into the range and into order."""
        low, high = sorted((low, high))
        values = tuple(min(max(v, self._bounds[0]), self._bounds[1]) for v in (low, high))
        for box, value in zip((self._low, self._high), values, strict=True):
            blocked = box.blockSignals(True)
            box.setRange(*self._bounds)
            box.setValue(value)
            box.blockSignals(blocked)
        old, self._values = self._values, (self._low.value, self._high.value)
        if self._values[0] != old[0]:
            self.minimumValueChanged.emit(self._values[0])
        if self._values[1] != old[1]:
            self.maximumValueChanged.emit(self._values[1])
        if self._values != old:
            self.valuesChanged.emit(*self._values)

    def _set_decimals(self, decimals):
        for box in (self._low, self._high):
            box.setDecimals(decimals)

    decimals = Property(int, lambda self: self._low.decimals, _set_decimals)
    minimum = Property(float, lambda self: self._bounds[0], lambda self, v: self.setRange(v, self._bounds[1]))
    maximum = Property(float, lambda self: self._bounds[1], lambda self, v: self.setRange(self._bounds[0], v))
    minimumValue = Property(float, lambda self: self._values[0], lambda self, v: self.setValues(v, self._values[1]))
    maximumValue = Property(float, lambda self: self._values[1], lambda self, v: self.setValues(self._values[0], v))


class ctkComboBox(Setters, QtWidgets.QComboBox):
    """A combo box that says something while nothing is chosen."""

    scrollWheelEnabled = stored("scrollWheelEnabled", bool, True)
    forceDefault = stored("forceDefault", bool, False)
    defaultText = stored("defaultText", str, "", changed="_default_changed")

    def _default_changed(self):
        self.setPlaceholderText(self.defaultText)


CTK = {c.__name__: c for c in (ctkCollapsibleButton, ctkSliderWidget, ctkRangeWidget, ctkComboBox)}
