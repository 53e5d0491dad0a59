"""Stand-ins for the qMRML widgets of a module's panel, on the real scene."""

from __future__ import annotations

import weakref

import shiboken6
import slicer
from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal

from .ctk_widgets import Setters, stored


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene and tells when it gets another one."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of a module's panel; knows whether the user is in the module."""

    isEntered = False

    def self(self):
        """The panel, an instance of the module's widget class."""
        return getattr(self, "_panel", None)


class qMRMLNodeComboBox(Setters, QtWidgets.QWidget):
    """Chooses a node of the scene; follows nodes that come and go, but not new names of nodes until then.

    Without `noneEnabled` the first node is taken as soon as there is one. There are no entries that make, rename, edit
    or delete nodes; `addNode` does what the user's choice of "Create new" does.
    """

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeTypes = stored("nodeTypes", "QStringList", [], changed="_refresh")
    hideChildNodeTypes = stored("hideChildNodeTypes", "QStringList", [], changed="_refresh")
    showHidden = stored("showHidden", bool, False, changed="_refresh")
    showChildNodeTypes = stored("showChildNodeTypes", bool, True, changed="_refresh")
    noneEnabled = stored("noneEnabled", bool, False, changed="_refresh")
    noneDisplay = stored("noneDisplay", str, "None", changed="_refresh")
    addEnabled = stored("addEnabled", bool, True)
    removeEnabled = stored("removeEnabled", bool, True)
    editEnabled = stored("editEnabled", bool, False)
    renameEnabled = stored("renameEnabled", bool, False)
    selectNodeUponCreation = stored("selectNodeUponCreation", bool, True)
    baseName = stored("baseName", str, "")
    interactionNodeSingletonTag = stored("interactionNodeSingletonTag", str, "")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._node, self._observations = None, None, []
        self._filled: list = []
        self._is_importing = False
        self._filter = qMRMLSortFilterProxyModel(self)
        self._attributes: list[tuple[str, str, str | None]] = []
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Fixed)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._combo.activated.connect(self._activated)

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        for tag in self._observations:
            self._scene.RemoveObserver(tag)
        self._scene, self._observations = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent)
            self._observations = [scene.AddObserver(event, _refresher(self)) for event in events]
            for event, begins in ((scene.StartImportEvent, True), (scene.EndImportEvent, False)):
                self._observations.append(scene.AddObserver(event, _refresher(self, is_importing=begins)))
            self.destroyed.connect(_remover(scene, self._observations))
        self._refresh()

    def nodes(self):
        """The nodes that can be chosen, in the order of the scene; those of a file are known when the box has heard of
        the end of its import, as in Slicer."""
        if self._is_importing:
            return [node for node in self._filled if node.GetScene() is not None]
        every = () if self._scene is None else slicer.util.getNodesByClass("vtkMRMLNode", self._scene)
        self._filled = [node for node in every if self._offers(node)]
        return self._filled

    def sortFilterProxyModel(self):
        return self._filter

    def nodeCount(self):
        return len(self.nodes())

    def nodeFromIndex(self, index):
        return self.nodes()[index]

    def addAttribute(self, node_type, name, value=None):
        """Offer nodes of this type only if they have the attribute, with this value if one is given."""
        self._attributes.append((node_type, name, value))
        self._refresh()

    def currentNode(self):
        return self._node

    def setCurrentNode(self, node):
        """Choose a node or the node of an identifier; one that is not offered counts as none."""
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node)
        if node not in self.nodes():
            node = None
        self._combo.setCurrentIndex(self._combo.findData(node.GetID() if node else ""))
        if node is not self._node:
            self._node = node
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node else "")

    def setCurrentNodeID(self, node_id):
        self.setCurrentNode(node_id or None)

    currentNodeID = Property(str, lambda self: self._node.GetID() if self._node else "", setCurrentNodeID)

    def addNode(self, class_name=None):
        """Make a node, as "Create new" does, and choose it."""
        class_name = class_name or self.nodeTypes[0]
        name = self._scene.GenerateUniqueName(self.baseName or self._scene.GetClassNameByTag(class_name) or "Node")
        node = self._scene.AddNewNodeByClass(class_name, name)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _offers(self, node):
        if node.GetID() in self._filter.hiddenNodeIDs:
            return False
        wanted = node.GetClassName() in self.nodeTypes
        if not wanted and self.showChildNodeTypes:
            wanted = any(map(node.IsA, self.nodeTypes)) and not any(map(node.IsA, self.hideChildNodeTypes))
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        return wanted and all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for node_type, name, value in self._attributes
            if node.IsA(node_type)
        )

    def _activated(self, index):
        self.setCurrentNodeID(self._combo.itemData(index))
        self.nodeActivated.emit(self._node)

    def _refresh(self):
        nodes, combo = self.nodes(), self._combo
        combo.clear()
        if self.noneEnabled:
            combo.addItem(self.noneDisplay, "")
        for node in nodes:
            combo.addItem(node.GetName(), node.GetID())
        chosen = self._node if self._node in nodes else None
        self.setCurrentNode(nodes[0] if nodes and chosen is None and not self.noneEnabled else chosen)


class qMRMLSortFilterProxyModel(QtCore.QObject):
    """What of the scene a box offers."""

    def __init__(self, box):
        super().__init__(box)
        self._box = box

    def _changed(self):
        self._box._refresh()

    hiddenNodeIDs = stored("hiddenNodeIDs", "QStringList", [], changed="_changed")


def _refresher(widget, is_importing=None):
    """An observer that does not keep the widget alive, and leaves it alone once Qt has deleted it.

    is_importing: whether a file is read from now on; None if that stays as it is. A box that fills at the end of an
    import shows a node and tells nobody, as was seen in Slicer.
    """
    reference = weakref.ref(widget)

    def refresh(*_):
        target = reference()
        if target is not None and shiboken6.isValid(target):
            target._is_importing = target._is_importing if is_importing is None else is_importing
            blocked = target.blockSignals(True) if is_importing is False else target.signalsBlocked()
            target._refresh()
            target.blockSignals(blocked)

    return refresh


def _remover(scene, tags):
    def remove(*_):
        for tag in tags:
            scene.RemoveObserver(tag)

    return remove


MRML = {c.__name__: c for c in (qMRMLWidget, qSlicerScriptedLoadableModuleWidget, qMRMLNodeComboBox)}
