"""Pictures of the panel as the pages show it, and of the views: python -m Testing.screenshots FOLDER [dark]

Made without the Slicer application, by the stand-in that the tests use: the widgets are Qt's own, the views are drawn
by Slicer's own displayable managers. With "dark" the panel has the colours of Slicer's dark style, which is for looking
at it only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
os.environ["ATTNSEG_MODELS"] = tempfile.mkdtemp()  # only what is shipped is shown

from slicer_stand_in import eyes, gui  # noqa: E402

WIDTH = 470  # pixels, a panel's usual width
SAMPLE = ROOT / "Resources" / "Samples" / "left_atrium_mr"
MODEL = "eccamunet-left_atrium-mr"
MAP_MODEL, MAP, MATTERS = "anunet-left_atrium-mr", "gate 1,2", "gate 0,1"
MIDDLE = (66, 82, 79)  # (k, j, i) in the left atrium
VIEW = 420  # pixels, height and width of a slice view
VIEWS_WIDTH = 600  # of the picture of all views
COLOURS, MARGIN = 64, 22  # of a picture of the panel: how many, and empty rows at its end


class Studio:
    """The application with the panel open."""

    def __init__(self, folder: Path):
        gui.start()
        import slicer

        self.slicer = slicer
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.widget = gui.open_module(ROOT / "AttnSeg" / "AttnSeg.py")
        self.panel, self.ui = self.widget.panel, self.widget.ui

    def shoot(self, name: str, *sections: str) -> None:
        """Save the panel with only these sections open."""
        for section in ("input", "result", "attention", "check", "cohort", "teach", "models", "setup"):
            getattr(self.ui, f"{section}Section").collapsed = section not in (sections or ("input",))
        self.work(0.1)
        path = self.folder / f"panel-{name}.png"
        gui.screenshot(self.widget, str(path), WIDTH)
        shrink(path, COLOURS)

    def work(self, seconds: float) -> None:
        """Let the application live for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.slicer.app.processEvents()
            time.sleep(0.005)

    def wait(self, seconds: float = 120) -> None:
        """Until nothing runs any more."""
        end = time.monotonic() + seconds
        self.work(0.1)
        while self.panel.session.is_busy and time.monotonic() < end:
            self.work(0.05)
        self.work(0.1)

    def load(self, name: str) -> object:
        """The sample volume, in the views."""
        volume = self.slicer.util.loadVolume(str(SAMPLE / "image.nrrd"), {"name": name})
        self.slicer.util.setSliceViewerLayers(background=volume, fit=True)
        self.widget.initializeParameterNode()
        return volume

    def look_at(self, label_map: np.ndarray, volume: object) -> None:
        """Bring the middle of a label map (D, H, W) into all views."""
        from AttnSegLib.mrml import views

        for axis, index in enumerate(np.argwhere(label_map).mean(axis=0).round().astype(int)):
            views.jump_to_slice(volume, axis, int(index))

    def shoot_views(self, name: str, volume: object) -> None:
        """Save the slice views and the 3D view, as Slicer's usual layout has them, at the slices that are shown."""
        from AttnSegLib.mrml import views

        axes = {axis: views.slice_in_view(volume, axis) for axis in range(3)}
        looking = eyes.Eyes(VIEW, VIEW)
        for view in self.slicer.app.layoutManager().sliceViewNames():
            self.slicer.app.layoutManager().sliceWidget(view).sliceLogic().FitSliceToAll()
        for axis, index in axes.items():
            views.jump_to_slice(volume, axis, index)
        self.ui.surfaceBox.checked = True
        self.ui.renderingBox.checked = True
        self.make_legend_anew()
        looking.save(self.folder / f"{name}.png")
        shrink(self.folder / f"{name}.png", 256, VIEWS_WIDTH)
        looking.close()

    def shoot_switched(self, name: str, volume: object) -> None:
        """Save what is seen without the map that matters most, left switched off everywhere, right erased in a disc."""
        import matplotlib.image

        from AttnSegLib.mrml import views
        from AttnSegLib.mrml.volumes import world_affine

        looking = eyes.Eyes(VIEW, VIEW)
        for view in self.slicer.app.layoutManager().sliceViewNames():
            self.slicer.app.layoutManager().sliceWidget(view).sliceLogic().FitSliceToAll()
        k, j, i = MIDDLE
        place = (world_affine(volume) @ [i, j, k, 1])[:3].tolist()
        self.slicer.vtkMRMLSliceNode.JumpAllSlices(self.slicer.mrmlScene, *place, 0)
        self.panel.attention.choose(MATTERS)
        self.wait()
        self.ui.switchAllButton.click()
        self.wait()
        switched = looking.look("Green")
        self.panel.parameters.eraseRadius = 25
        self.ui.eraseButton.click()
        views.placed_point(self.slicer.mrmlScene, views.ERASE).AddControlPointWorld(place)
        while self.panel.session._run is not None:  # it gives way to others, so that the panel is not busy
            self.work(0.05)
        cut = slice(120, 320)
        picture = np.concatenate([switched[cut, 80:300], looking.look("Yellow")[cut, 90:310]], axis=1)
        matplotlib.image.imsave(self.folder / f"{name}.png", picture)
        shrink(self.folder / f"{name}.png", 256)
        looking.close()
        self.ui.hideMapsButton.click()

    def hide_other_result(self) -> None:
        """The outline of what was switched off, which the picture of the views leaves out."""
        from AttnSegLib.mrml.switching import outlines

        outlines.hide_outlines(self.slicer.mrmlScene)

    def make_legend_anew(self) -> None:
        """For views that are younger than it, which would not draw it."""
        from AttnSegLib.mrml import map_display

        heat_map = map_display.shown_heat_map(self.slicer.mrmlScene)
        self.slicer.mrmlScene.RemoveNode(self.slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(heat_map))
        map_display.show_heat_map(heat_map, self.panel.attention.look)

    def teach(self, segmentation: object) -> None:
        """A collection of one case, and the panel while a model is taught from it, really."""
        self.panel.parameters.caseSegmentation = segmentation
        self.ui.newNameEdit.text = "Left atrium"
        self.ui.newModalityBox.setCurrentIndex(1)
        self.shoot("collect", "teach")
        self.slicer.app.file_answers.append(tempfile.mkdtemp())
        self.ui.makeCollectionButton.click()
        self.ui.addCaseButton.click()
        while self.panel.collect.errands.is_busy:
            self.work(0.05)
        self.ui.teachButton.click()
        while self.ui.teachBar.value == 0 and self.panel.teach.is_running:
            self.work(0.5)
        self.shoot("teach", "teach")
        self.slicer.util.confirmOkCancelDisplay = lambda *_, **__: True
        self.ui.discardButton.click()

    def review(self) -> None:
        """A cohort of two scans, which `attnseg cohort` segments, really; the first one is accepted."""
        scans = Path(tempfile.mkdtemp())
        for name in ("patient-01", "patient-02"):
            shutil.copy(SAMPLE / "image.nrrd", scans / f"{name}.nrrd")
        out = Path(tempfile.mkdtemp()) / "all_results"
        command = [sys.executable, "-m", "AttnSegLib", "cohort", scans, "--model", MAP_MODEL, "--out", out]
        subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
        self.slicer.app.file_answers.append(str(out))
        self.ui.openCohortButton.click()
        self.ui.acceptCaseButton.click()
        self.shoot("cohort", "cohort")

    def load_manual(self) -> object:
        """The manual label map as a segmentation."""
        slicer = self.slicer
        labels = slicer.util.loadLabelVolume(str(SAMPLE / "labels.nrrd"), {"name": "manual"})
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "manual segmentation")
        node.CreateDefaultDisplayNodes()
        slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, node)
        node.GetSegmentation().GetNthSegment(0).SetName("Left atrium")
        slicer.mrmlScene.RemoveNode(labels)
        return node


def shrink(path: Path, colours: int, width: int = 0) -> None:
    """Write a picture with so many colours, as wide if a width is given, and without what is empty below: of a panel,
    64 colours can't be told from all of them."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    if width:
        picture = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
    rows = np.asarray(picture)
    full = np.flatnonzero((rows != rows[-1, 0]).any(axis=(1, 2)))
    picture = picture.crop((0, 0, picture.width, min(int(full[-1]) + 1 + MARGIN, picture.height)))
    picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


def darken() -> None:
    """The colours of Slicer's dark style."""
    from PySide6.QtGui import QColor, QPalette
    from PySide6.QtWidgets import QApplication

    palette = QPalette(QColor("#323232"))
    palette.setColor(QPalette.ColorRole.Base, QColor("#2d3033"))
    QApplication.setPalette(palette)


def main(folder: Path, *, dark: bool = False) -> None:
    """Go through a user's day."""
    studio = Studio(folder)
    if dark:
        darken()
    panel, ui = studio.panel, studio.ui
    volume = studio.load("Left atrium MR")
    panel.parameters.modelId = MODEL
    studio.shoot("ready")
    ct = studio.slicer.util.addVolumeFromArray(
        studio.slicer.util.arrayFromVolume(volume).astype("int16") - 1000, name="looks like CT"
    )
    ct.CopyOrientation(volume)
    panel.parameters.inputVolume = ct
    studio.shoot("warning")
    panel.parameters.inputVolume = volume
    ui.applyButton.click()
    while ui.progressBar.value < ui.progressBar.maximum // 3 or ui.progressBar.maximum == 0:
        studio.work(0.02)
    studio.shoot("running")
    studio.wait()
    studio.shoot("result", "input", "result")
    panel.parameters.reference = studio.load_manual()
    ui.compareButton.click()
    studio.wait()
    studio.shoot("compare", "result")
    studio.shoot("check", "check")
    panel.parameters.reference.GetDisplayNode().SetVisibility(False)
    studio.look_at(
        studio.slicer.util.arrayFromSegmentBinaryLabelmap(panel.parameters.segmentation, "left_atrium", volume), volume
    )
    panel.parameters.modelId = MAP_MODEL
    panel.parameters.threshold = 0.5
    panel.attention.choose(MAP)
    studio.wait()
    ui.wholeVolumeButton.click()
    studio.wait()
    ui.switchButton.click()
    studio.wait()
    ui.switchAllButton.click()
    studio.wait()
    studio.shoot("attention", "attention")
    studio.hide_other_result()
    studio.shoot_views("views", volume)
    studio.shoot_switched("switched", volume)
    ui.modelTable.selectRow(0)
    studio.shoot("models", "models")
    ui.checkButton.click()
    studio.wait()
    studio.shoot("setup", "setup")
    reference = panel.parameters.reference
    studio.review()
    panel.parameters.inputVolume = volume
    studio.teach(reference)
    gui.close_module("AttnSeg")


if __name__ == "__main__":
    main(Path(sys.argv[1]), dark=sys.argv[2:] == ["dark"])
    os._exit(0)  # at Python's own end Qt and VTK take each other apart in an order that may crash
