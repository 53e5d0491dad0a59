"""Section "Teach", a left-out case: what the model finds in it, as it improves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
from slicer.i18n import tr as _

from AttnSegLib.collections.collection import CollectedCase, Collection
from AttnSegLib.collections.teaching_run import LEFT_OUT, read_state
from AttnSegLib.images.volume import Volume, read_label_map
from AttnSegLib.mrml.news import News
from AttnSegLib.mrml.protocols import SegmentationNode, VolumeNode
from AttnSegLib.mrml.segmentations import replace_masks
from AttnSegLib.mrml.teaching.case_nodes import show_labels, show_volume

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel

_EVERY = 1.0  # s between two looks


@dataclass(eq=False)
class _Watched:
    """What is in the scene. path: of what was found; written: when that was, ns."""

    path: Path
    volume: Volume
    volume_node: VolumeNode
    segmentation: SegmentationNode
    values: tuple[int, ...]
    written: int

    @property
    def is_there(self) -> bool:
        return self.volume_node.GetScene() is not None and self.segmentation.GetScene() is not None


class LeftOutSection:
    """A button that loads the case, and a look now and then."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._watched: _Watched | None = None
        self._looked = 0.0
        self.ui.leftOutButton.connect("clicked(bool)", self.watch)

    def poll(self) -> None:
        """See whether more was found meanwhile; called by the panel's timer."""
        now = time.monotonic()
        if now - self._looked >= _EVERY:
            self._looked = now
            self.look()

    def look(self) -> None:
        """Show what was found last, if that is new."""
        if not self.panel.is_open:
            return
        self.ui.leftOutButton.enabled = self._case() is not None and not self.panel.collect.errands.is_busy
        watched = self._watched
        if watched is None or not watched.is_there or self.panel.collect.errands.is_busy:
            return
        written = _written(watched.path)
        if written not in (0, watched.written):
            watched.written = written
            self.panel.collect.errands.begin(lambda: read_label_map(watched.path, watched.volume), self._renew)

    def refresh(self) -> None:
        """The disk is looked at by `poll`: a panel is refreshed far more often."""

    def receive(self, _update: News) -> None:
        """Nothing that the session reports concerns a training."""

    def watch(self, _checked: bool = False) -> None:
        """Load the case, with what was found so far."""
        found, run = self._case(), self.panel.teach.run
        if found is None or run is None:
            return
        collection, case = found
        path = run / LEFT_OUT
        self.panel.begin(self.panel.collect.row)
        self.panel.say(_("Loading {case} ...").format(case=case.id))

        def read() -> tuple[Volume, np.ndarray, int]:
            written = _written(path)
            volume, _labels = collection.read_labelled_part(case)
            return volume, read_label_map(path, volume), written

        def show(content: tuple[Volume, np.ndarray, int]) -> None:
            self._show((collection, case), path, content)

        self.panel.attempt(lambda: self.panel.collect.errands.begin(read, show))
        self.look()

    def _show(
        self, what: tuple[Collection, CollectedCase], path: Path, content: tuple[Volume, np.ndarray, int]
    ) -> None:
        (collection, case), (volume, label_map, written) = what, content
        node = show_volume(slicer.mrmlScene, f"{collection.name} {case.id}, left out", volume)
        segmentation = show_labels(node, label_map, collection.segments)
        values = tuple(label.value for label in collection.segments)
        self._watched = _Watched(path, volume, node, segmentation, values, written)
        self.panel.say(_("{case} is left out of the training; its segmentation follows.").format(case=case.id))

    def _renew(self, label_map: np.ndarray) -> None:
        watched = self._watched
        if watched is not None and watched.is_there:
            replace_masks(watched.segmentation, watched.volume_node, label_map, watched.values)

    def _case(self) -> tuple[Collection, CollectedCase] | None:
        """The left-out case of the run, if something was found in it."""
        collection, run = self.panel.teach.collection, self.panel.teach.run
        state = None if run is None else read_state(run)
        if collection is None or run is None or state is None or not _written(run / LEFT_OUT):
            return None
        return next(((collection, case) for case in collection.cases if case.id == state.left_out), None)


def _written(path: Path) -> int:
    """When a file was written, ns; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
