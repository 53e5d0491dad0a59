"""How long does "Add this case" hold the application up? A scan of 512 x 512 x 300 with four segments.

Run by `python -m Testing.benchmarks.waiting.adding`; needs Qt's libraries, like the panel's tests. It tells processor
time, since other programs run, too: of the application's thread until the button is up again, and of all threads until
the case is written.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
MODULE = ROOT / "AttnSeg" / "AttnSeg.py"
SHAPE = (300, 512, 512)
SEGMENTS = ("one", "two", "three", "four")


def main() -> None:
    """Add the case, replace it twice, and print both times of each."""
    from slicer_stand_in import gui

    if gui.why_not():
        print(gui.why_not())
        return
    gui.start()
    widget = gui.open_module(MODULE)
    widget.timer.stop()
    with tempfile.TemporaryDirectory() as place:
        prepare(widget, Path(place) / "collection")
        print("s of processor time        the application's thread    until it is written")
        for name in ("addCaseButton", "replaceCaseButton", "replaceCaseButton"):
            print(f"{name:28}{timed(widget, getattr(widget.ui, name))}")
    gui.close_module("AttnSeg")


def prepare(widget, folder: Path) -> None:
    """A scan in noise with four boxes, and a collection for it."""
    import slicer

    from AttnSegLib.collections.cases import make_collection
    from AttnSegLib.mrml.segmentations import PlainSegment, add_plain_segment, new_segmentation_node
    from AttnSegLib.mrml.teaching.scene_case import segments_in

    voxels = np.random.default_rng(0).normal(0, 40, SHAPE).astype(np.int16)
    volume = slicer.util.addVolumeFromArray(voxels, ijkToRAS=np.diag([0.7, 0.7, 1, 1.0]), name="scan")
    segmentation = new_segmentation_node(volume)
    for number, name in enumerate(SEGMENTS):
        mask = np.zeros(SHAPE, bool)
        mask[50:250, 80 * number + 100 : 80 * number + 170, 150:380] = True
        add_plain_segment(segmentation, volume, PlainSegment(name, (1.0, 0.5, 0.0), mask))
    widget.panel.collect.shelf.choose(make_collection(folder, "C", "CT", segments_in(segmentation)).folder)
    widget.panel.parameters.inputVolume = volume
    widget.panel.parameters.caseSegmentation = segmentation
    widget.panel.refresh()


def timed(widget, button) -> str:
    """Press a button and wait."""
    widget.ui.caseTable.setCurrentCell(0, 0)
    thread, process = time.thread_time(), time.process_time()
    button.click()
    thread = time.thread_time() - thread
    while widget.panel.collect.errands.is_busy:
        time.sleep(0.01)
        widget.panel.poll()
    return f"{thread:20.3f}{time.process_time() - process:24.2f}"


if __name__ == "__main__":
    main()
