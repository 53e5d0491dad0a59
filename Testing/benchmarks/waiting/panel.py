"""Does the panel stay alive? Longest silence of the application while a model runs, and what opening and running cost.

Run by `python -m Testing.benchmarks.waiting.panel`; needs Qt's libraries, like the panel's tests.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
MODULE = ROOT / "AttnSeg" / "AttnSeg.py"
MODEL = "anunet-left_atrium-mr"
TICK_MS = 2
PIXELS = 400  # height and width of a view


class Heartbeat:
    """A timer of the application; its largest gap is how long everything else stood still."""

    def __init__(self, qt):
        self._last = time.perf_counter()
        self.largest = 0.0
        self._timer = qt.QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.connect("timeout()", self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.largest = max(self.largest, now - self._last)
        self._last = now

    def take(self) -> float:
        """The largest gap since the last call, in ms."""
        self._beat()
        largest, self.largest = self.largest, 0.0
        return largest * 1000


def main() -> None:
    """Open the panel, run, cancel; print a table."""
    from slicer_stand_in import gui

    if gui.why_not():
        print(gui.why_not())
        return
    print("Panel: longest silence of the application, ms")
    gui.start()
    import slicer

    begin = time.process_time()
    gui._run_file(gui.headless.ScriptedModule("AttnSeg", str(MODULE)))
    row("what Slicer's start does with the module", (time.process_time() - begin) * 1000, "100 ms")
    begin = time.perf_counter()
    widget = gui.open_module(MODULE)
    row("opening the panel (setup)", (time.perf_counter() - begin) * 1000, "500 ms")
    widget.panel.parameters.modelId = MODEL
    try:
        alive(widget, slicer)
        with_views(widget, slicer)
        large(widget, slicer)
    finally:
        gui.close_module("AttnSeg")


def alive(widget, slicer) -> None:
    """256 x 256 x 110 voxels: gaps of the event loop while the model runs and at the end, and cancelling."""
    import qt

    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 1500, (110, 256, 256)).astype(np.int16)
    widget.panel.parameters.inputVolume = slicer.util.addVolumeFromArray(
        voxels, ijkToRAS=np.diag([1.25, 1.25, 2.5, 1]), name="MR"
    )
    heart = Heartbeat(qt)
    run_events(slicer, lambda: False, 0.3)
    heart.take()
    for name in ("first run (the worker starts)", "second run"):
        widget.ui.applyButton.click()
        pressed = heart.take()
        run_events(slicer, lambda: progress(widget) >= 1)
        running = heart.take()
        run_events(slicer, lambda: not widget.panel.session.is_busy)
        row(f"{name}: pressing Apply", pressed, "50 ms")
        row(f"{name}: largest gap, slices and writing the result", max(running, heart.take()), "50 / 300 ms")
    widget.ui.applyButton.click()
    run_events(slicer, lambda: progress(widget) >= 0.3)
    begin = time.perf_counter()
    heart.take()
    widget.ui.cancelButton.click()
    run_events(slicer, lambda: not widget.panel.session.is_busy)
    row("cancel to idle", (time.perf_counter() - begin) * 1000, "1000 ms")
    row("largest gap meanwhile", heart.take(), "50 ms")


def with_views(widget, slicer) -> None:
    """512 x 512 x 300 voxels in three slice views and a 3D view: what one turn of the event loop costs the main thread,
    with all that it asks to be drawn. Processor time: the worker has the other cores."""
    from slicer_stand_in import eyes

    if eyes.why_blind():
        print(f"  with views: {eyes.why_blind()}")
        return
    voxels = np.random.default_rng(0).integers(0, 300, (300, 512, 512)).astype(np.int16)
    voxels[:, 150:350, 150:350] += 700
    node = slicer.util.addVolumeFromArray(voxels, ijkToRAS=np.diag([0.8, 0.8, 1, 1]), name="CT")
    del voxels
    slicer.util.setSliceViewerLayers(background=node)
    views = eyes.Eyes(PIXELS, PIXELS)
    for name in slicer.app.layoutManager().sliceViewNames():
        slicer.app.layoutManager().sliceWidget(name).sliceLogic().FitSliceToAll()
    views.draw()
    parameters = widget.panel.parameters
    parameters.inputVolume, parameters.segmentation, parameters.level = node, None, 1
    row("512 x 512 x 300, views drawn: pressing Apply", turn(widget.ui.applyButton.click, views), "100 ms")
    turns = []
    while widget.panel.session.is_busy:
        turns.append(turn(slicer.app.processEvents, views))
        time.sleep(0.0005)
    if parameters.segmentation is None:
        raise SystemExit(f"there is no result: {widget.ui.statusLabel.text}")
    row("512 x 512 x 300, views drawn: longest turn after it", max(turns), "100 ms")
    views.close()


def turn(work, views) -> float:
    """Processor time of the main thread for something and for drawing what it changed, in ms."""
    begin = time.thread_time()
    work()
    views.draw()
    return (time.thread_time() - begin) * 1000


def large(widget, slicer) -> None:
    """512 x 512 x 600 voxels: memory of the application itself while a result of that size is made and written."""
    voxels = np.zeros((600, 512, 512), np.int16)
    voxels[:, 100:400, 100:400] = 300
    voxels[:, 150:350, 150:350] = 700
    node = slicer.util.addVolumeFromArray(voxels, ijkToRAS=np.diag([0.8, 0.8, 1, 1]), name="CT")
    del voxels
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20  # now, not the peak
    widget.panel.parameters.inputVolume = node
    widget.panel.parameters.segmentation = None
    widget.panel.parameters.level = 1
    widget.ui.applyButton.click()
    run_events(slicer, lambda: not widget.panel.session.is_busy, 1200)
    if widget.panel.parameters.segmentation is None:
        raise SystemExit(f"there is no result: {widget.ui.statusLabel.text}")
    maps = 600 * 512 * 512 / 1e6
    row("512 x 512 x 600: peak memory above the loaded volume, MB", peak_mb() - before, f"{2 * maps + 300:.0f} MB")


def progress(widget) -> float:
    """Share of the slices that are done."""
    bar = widget.ui.progressBar
    return bar.value / bar.maximum if bar.maximum > 0 else 0.0


def run_events(slicer, until, seconds: float = 300) -> None:
    """Let the application work until something is so."""
    end = time.perf_counter() + seconds
    while not until() and time.perf_counter() < end:
        slicer.app.processEvents()
        time.sleep(0.0005)


def peak_mb() -> float:
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(what: str, value: float, target: str) -> None:
    """A line of the table."""
    print(f"  {what:62}{value:10.1f}   at most {target}", flush=True)


if __name__ == "__main__":
    main()
