"""The module Segment Editor as far as other modules hand nodes over to it; it edits nothing."""

from __future__ import annotations

import types

from .headless import ScriptedModule


class SegmentEditorWidget:
    """Remembers which segmentation and which volume it was given."""

    def __init__(self):
        self._segmentation, self._volume = None, None

    def segmentationNode(self):
        return self._segmentation

    def setSegmentationNode(self, node):
        self._segmentation = node

    def sourceVolumeNode(self):
        return self._volume

    def setSourceVolumeNode(self, node):
        self._volume = node


def module() -> ScriptedModule:
    """The entry for `slicer.modules.segmenteditor`; the editor is its `widgetRepresentation().self().editor`."""
    entry = ScriptedModule("SegmentEditor", __file__)
    entry.panel = types.SimpleNamespace(editor=SegmentEditorWidget())
    entry.parent = types.SimpleNamespace(self=lambda: entry.panel, isEntered=False)
    entry.panel.parent = entry.parent
    return entry
