"""Section "Segment": what to segment and how, what speaks against it, and the run itself."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from AttnSegLib.errors import InputError
from AttnSegLib.inference.checks import preflight
from AttnSegLib.mrml import views
from AttnSegLib.mrml.news import News, Segmented
from AttnSegLib.worker.messages import JobCancelled, JobFailed, Ready, SlicesDone
from AttnSegPanel.choices import chosen, fill_box, select

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class InputSection:
    """Organ, model, settings, pre-flight remarks, Apply and Cancel."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._devices = [(_("Automatic"), "auto"), (_("CPU"), "cpu")]
        self.ui.organBox.connect("activated(int)", self.organ_chosen)
        self.ui.modelBox.connect("activated(int)", self.model_chosen)
        self.ui.deviceBox.connect("activated(int)", self.device_chosen)
        self.ui.levelBox.connect("activated(int)", self.level_chosen)
        planes = [(_("axial"), "axial"), (_("coronal"), "coronal"), (_("sagittal"), "sagittal")]
        fill_box(self.ui.planeBox, [(_("as the model was trained"), ""), *planes])
        self.ui.planeBox.connect("activated(int)", self.plane_chosen)
        self.ui.applyButton.connect("clicked(bool)", self.apply)
        self.ui.cancelButton.connect("clicked(bool)", self.cancel)

    def refresh(self) -> None:
        self._show_models()
        self._show_settings()
        self._show_remarks()
        self._show_state()

    def receive(self, update: News) -> None:
        if isinstance(update, Ready):
            cards = [(f"{name} ({free} MB free)" if free else name, device) for device, name, free in update.devices]
            self._devices = [(_("Automatic"), "auto"), *cards]
        elif isinstance(update, SlicesDone):
            self.ui.progressBar.maximum = update.total
            self.ui.progressBar.value = update.done
            self.panel.say(_progress(update))
        elif isinstance(update, Segmented):
            if self.panel.is_open:
                self.panel.parameters.segmentation = update.node
            seconds, device = update.result.seconds, update.result.device
            self.panel.say(_("Done in {seconds:.1f} s on {device}.").format(seconds=seconds, device=device))
        if isinstance(update, (Segmented, JobCancelled, JobFailed)):
            self._show_state()

    def organ_chosen(self, _index: int) -> None:
        able = [spec for spec in self.panel.models if spec.finds == chosen(self.ui.organBox)]
        self.panel.parameters.modelId = able[0].id

    def model_chosen(self, _index: int) -> None:
        self.panel.parameters.modelId = chosen(self.ui.modelBox)

    def device_chosen(self, _index: int) -> None:
        self.panel.parameters.device = chosen(self.ui.deviceBox)

    def level_chosen(self, _index: int) -> None:
        self.panel.parameters.level = chosen(self.ui.levelBox)

    def plane_chosen(self, _index: int) -> None:
        self.panel.parameters.plane = chosen(self.ui.planeBox)

    def apply(self, _checked: bool = False) -> None:
        """Start the run, beginning around the slice in view."""
        self.panel.attempt(self._apply)
        self._show_state()

    def cancel(self, _checked: bool = False) -> None:
        """Ask the run to stop."""
        self.panel.session.cancel()

    def _apply(self) -> None:
        target, parameters = self.panel.target(), self.panel.parameters
        session = self.panel.session
        axis = session.slice_axis(target)
        last = None if parameters.lastSlice < 0 else parameters.lastSlice
        region = session.region(target, parameters.roi, (parameters.firstSlice, last))
        start = views.slice_in_view(target.volume_node, axis)
        session.segment(target, region=region, start=start, segmentation=parameters.segmentation)
        self.ui.progressBar.maximum = 0  # busy, until the first slice is done
        self.panel.say(_("Starting ..."))

    def _show_models(self) -> None:
        spec = self.panel.spec
        choices = sorted({model.finds for model in self.panel.models})
        fill_box(self.ui.organBox, [(finds, finds) for finds in choices])
        select(self.ui.organBox, spec.finds if spec else "")
        able = [model for model in self.panel.models if spec and model.finds == spec.finds]
        fill_box(self.ui.modelBox, [(model.title, model.id) for model in able])
        select(self.ui.modelBox, spec.id if spec else "")

    def _show_settings(self) -> None:
        spec, parameters = self.panel.spec, self.panel.parameters
        levels = [(_("pruned to level {n}").format(n=level), level) for level in (spec.facts.levels if spec else ())]
        fill_box(self.ui.levelBox, [(_("whole"), 0), *reversed(levels)])
        select(self.ui.levelBox, parameters.level)
        self.ui.levelBox.enabled = bool(levels)
        select(self.ui.planeBox, parameters.plane)
        self.ui.flipsBox.enabled = bool(spec and spec.mirrored)
        fill_box(self.ui.deviceBox, self._devices)
        select(self.ui.deviceBox, parameters.device)

    def _show_remarks(self) -> None:
        try:
            remarks = self.panel.session.preflight(self.panel.target())
        except InputError as error:
            remarks = [preflight.Remark(str(error), is_warning=True)]
        self.ui.preflightLabel.text = "<br>".join(_remark(remark) for remark in remarks)

    def _show_state(self) -> None:
        busy = self.panel.session.is_segmenting
        ready = self.panel.spec is not None and self.panel.parameters.inputVolume is not None
        self.ui.applyButton.enabled = ready and not self.panel.session.is_busy
        self.ui.applyButton.toolTip = _("Segment the volume.") if ready else _("Choose a volume and a model first.")
        self.ui.cancelButton.enabled = self.panel.session.is_busy
        self.ui.progressBar.visible = busy


def _remark(remark: preflight.Remark) -> str:
    text = escape(remark.sentence)
    return f'<span style="color:#c77700">&#9888; {text}</span>' if remark.is_warning else text


def _progress(update: SlicesDone) -> str:
    sentence = _("{done} of {total} slices, {seconds:.0f} s left")
    return str(sentence.format(done=update.done, total=update.total, seconds=update.seconds_left))
