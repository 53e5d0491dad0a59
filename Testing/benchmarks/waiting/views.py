"""What looking costs: slices and 3D drawn while sliders move, maps are stepped through and a result is written.

Run by `python -m Testing.benchmarks.waiting.views`; needs OpenGL, which may be software. Times are those that the
processor spends in the main thread: how long the application stands still on a machine that has nothing else to do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
SAMPLE = ROOT / "Resources" / "Samples" / "left_atrium_mr"
MODEL = "anunet-left_atrium-mr"
PIXELS = 400  # height and width of a view
TIMES = 5


def main() -> None:
    """Print a table."""
    from slicer_stand_in import eyes, headless

    if eyes.why_blind():
        print(eyes.why_blind())
        return
    headless.start()
    import slicer

    from AttnSegLib.models.catalog import find_model

    volume = slicer.util.loadVolume(str(SAMPLE / "image.nrrd"))
    labels = slicer.util.arrayFromVolume(slicer.util.loadLabelVolume(str(SAMPLE / "labels.nrrd")))
    slicer.util.setSliceViewerLayers(background=volume)
    views = eyes.Eyes(PIXELS, PIXELS)
    for name in slicer.app.layoutManager().sliceViewNames():
        slicer.app.layoutManager().sliceWidget(name).sliceLogic().FitSliceToAll()
    print(f"Views of {PIXELS} x {PIXELS} pixels: ms of the main thread's processor time")
    print(f"  {'':45}{'alone':>9}{'drawn':>9}")
    result(views, volume, np.asarray(labels, np.uint8), find_model(MODEL))
    maps(views, volume, find_model(MODEL))
    views.close()


def result(views, volume, labels, spec) -> None:
    """The sample's segmentation, written for the first time and again, and its surface."""
    from AttnSegLib.mrml import segmentations
    from AttnSegLib.mrml import views as places

    views.draw()
    first = segmentations.write_segmentation_node(None, volume, labels, spec)
    views.draw()

    def again(_number):
        segmentations.write_segmentation_node(first.node, volume, labels, spec)

    row("writing the sample's result", again, views)
    segmentations.show_surface(first.node, True)
    places.reset_3d_views()
    views.draw()
    row("the same with a surface", again, views)


def maps(views, volume, spec) -> None:
    """Sliders and steps, over slices and in 3D."""
    from AttnSegLib.mrml import heat_maps, map_display

    shape = volume.GetImageData().GetDimensions()[::-1]
    rng = np.random.default_rng(0)
    made_up = {title: rng.random(shape, np.float32) for title in spec.facts.maps[:3]}
    shown = heat_maps.heat_map_sequence(volume, made_up, spec)
    map_display.show_heat_map(shown, map_display.Look(0.5, 0.15))
    views.draw()
    row(
        "a step of the slider Opacity",
        lambda n: map_display.adjust_heat_map(shown, map_display.Look(0.5 + 0.01 * n, 0.15)),
        views,
    )
    row(
        "a step of the slider Threshold",
        lambda n: map_display.adjust_heat_map(shown, map_display.Look(0.5, 0.15 + 0.01 * n)),
        views,
    )
    browser = heat_maps.map_browser(shown)
    row("a step to another map", lambda n: browser.SetSelectedItemNumber(n % 3), views)
    map_display.show_volume_rendering(shown, map_display.Look(0.5, 0.15))
    views.draw()
    row(
        "a step of a slider with volume rendering",
        lambda n: map_display.adjust_heat_map(shown, map_display.Look(0.5, 0.2 + 0.01 * n)),
        views,
    )


def row(what: str, change: Callable[[int], object], views) -> None:
    """A line of the table: the middle of several times, of the change alone and with the views drawn."""
    alone, drawn = [], []
    for number in range(1, TIMES + 1):
        begin = time.thread_time()
        change(number)
        alone.append(time.thread_time() - begin)
        views.draw()
        drawn.append(time.thread_time() - begin)
    print(f"  {what:45}{np.median(alone) * 1000:9.1f}{np.median(drawn) * 1000:9.1f}", flush=True)


if __name__ == "__main__":
    main()
