"""Section "Segment": what to segment and how, what speaks against it, and the run itself."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from AttnSegLib.errors import InputError
from AttnSegLib.inference.checks import preflight
from AttnSegLib.mrml import views
from AttnSegLib.mrml.news import News, Segmented
from AttnSegLib.mrml.nodes import is_ours, scalar_volumes
from AttnSegLib.worker.messages import Ready
from AttnSegPanel.choices import chosen, fill_box, select, titles
from AttnSegPanel.inks import inked, linked
from AttnSegPanel.setup_section import FIRST_TIME

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel

_ONE_LINE = 52  # characters, at a panel's usual width


class InputSection:
    """Organ, model, settings, pre-flight remarks, Apply and Cancel."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._devices = [(_("Automatic"), "auto"), (_("CPU"), "cpu")]
        self._all_remarks = False  # whether they are shown in full
        self.ui.organBox.connect("activated(int)", self.organ_chosen)
        self.ui.modelBox.connect("activated(int)", self.model_chosen)
        self.ui.deviceBox.connect("activated(int)", self.device_chosen)
        self.ui.levelBox.connect("activated(int)", self.level_chosen)
        planes = [(_("axial"), "axial"), (_("coronal"), "coronal"), (_("sagittal"), "sagittal")]
        fill_box(self.ui.planeBox, [(_("as the model was trained"), ""), *planes])
        self.ui.planeBox.connect("activated(int)", self.plane_chosen)
        self.ui.preflightLabel.connect("linkActivated(QString)", self.show_all_remarks)
        self.ui.applyButton.connect("clicked(bool)", self.apply)
        self.ui.cancelButton.connect("clicked(bool)", self.cancel)

    def refresh(self) -> None:
        self._hide_maps()
        self._show_models()
        self._show_settings()
        self._show_remarks()
        self._show_state()

    def receive(self, update: News) -> None:
        if isinstance(update, Ready):
            cards = [(f"{name} ({free} MB free)" if free else name, device) for device, name, free in update.devices]
            self._devices = [(_("Automatic"), "auto"), *cards]
        elif isinstance(update, Segmented):
            if self.panel.is_open and update.target.volume_node is self.panel.parameters.inputVolume:
                self.panel.parameters.segmentation = update.node
            seconds, device = update.result.seconds, update.result.device
            self.panel.say(_("Done in {seconds:.1f} s on {device}.").format(seconds=seconds, device=device))

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
        """Start the run, beginning around the slice in view; on a new machine, get PyTorch first."""
        self.panel.begin()
        if self.panel.setup.has_torch or self.panel.setup.get_torch():
            self.panel.attempt(self._apply)
        self.panel.refresh()

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
        self.panel.say(_("Starting ..."))

    def _hide_maps(self) -> None:
        """Attention maps are no volumes to segment."""
        shown = self.ui.inputVolumeBox.sortFilterProxyModel()
        ours = [node.GetID() for node in scalar_volumes(slicer.mrmlScene) if is_ours(node)]
        if list(shown.hiddenNodeIDs) != ours:
            shown.hiddenNodeIDs = ours

    def _show_models(self) -> None:
        spec = self.panel.spec
        choices = sorted({model.finds for model in self.panel.models})
        fill_box(self.ui.organBox, [(finds, finds) for finds in choices])
        select(self.ui.organBox, spec.finds if spec else "")
        able = [model for model in self.panel.models if spec and model.finds == spec.finds]
        fill_box(self.ui.modelBox, list(zip(titles(able), (model.id for model in able), strict=True)))
        select(self.ui.modelBox, spec.id if spec else "")

    def _show_settings(self) -> None:
        spec, parameters = self.panel.spec, self.panel.parameters
        levels = [(_("pruned to level {n}").format(n=level), level) for level in (spec.facts.levels if spec else ())]
        fill_box(self.ui.levelBox, [(_("whole"), 0), *reversed(levels)])
        select(self.ui.levelBox, parameters.level)
        self.ui.levelBox.enabled = bool(levels)
        select(self.ui.planeBox, parameters.plane)
        self.ui.flipsBox.enabled = bool(spec and spec.mirrored)
        self.ui.fastBox.enabled = self.panel.can_be_fast
        fill_box(self.ui.deviceBox, self._devices)
        select(self.ui.deviceBox, parameters.device)

    def _show_remarks(self) -> None:
        try:
            remarks = self.panel.session.preflight(self.panel.target())
        except InputError as error:
            remarks = [preflight.Remark(str(error), is_warning=True)]
        if self._all_remarks:
            lines = [*map(self._remark, remarks), linked("less", _("less"), self.ui.preflightLabel)]
            self.ui.preflightLabel.text = "<br>".join(lines)
        else:
            self.ui.preflightLabel.text = self._in_one_line(remarks)
        self.ui.preflightLabel.toolTip = "\n".join(remark.sentence for remark in remarks)

    def show_all_remarks(self, link: str) -> None:
        """All that is to be said before a run, or one line again."""
        self._all_remarks = link == "more"
        self.panel.refresh()

    def _in_one_line(self, remarks: list[preflight.Remark]) -> str:
        warnings = [remark for remark in remarks if remark.is_warning]
        if warnings:
            others = f" (+{len(warnings) - 1})" if len(warnings) > 1 else ""
            said = inked("warning", f"\N{WARNING SIGN} {_cut(warnings[0].sentence)}{others}", self.ui.preflightLabel)
        else:
            cost = next((remark.sentence for remark in remarks if remark.is_cost), "").partition(" (")[0]
            tick = inked("good", "\N{CHECK MARK}", self.ui.preflightLabel)
            said = f"{tick} {escape(_('Fits the model.'))} {escape(cost)}."
        return f"{said} {linked('more', _('more'), self.ui.preflightLabel)}"

    def _remark(self, remark: preflight.Remark) -> str:
        if remark.is_warning:
            return inked("warning", f"\N{WARNING SIGN} {remark.sentence}", self.ui.preflightLabel)
        return escape(remark.sentence)

    def _show_state(self) -> None:
        ready = self.panel.spec is not None and self.panel.parameters.inputVolume is not None
        has_torch = self.panel.setup.has_torch
        self.ui.applyButton.text = _("Apply") if has_torch else _("Get PyTorch, then apply")
        self.ui.applyButton.enabled = ready and not self.panel.session.is_busy and not self.panel.setup.is_installing
        cure = _("Segment the volume.") if has_torch else FIRST_TIME
        self.ui.applyButton.toolTip = cure if ready else _("Choose a volume and a model first.")


def _cut(sentence: str) -> str:
    """The beginning of a sentence, as much as fits into a line of the panel."""
    return (
        sentence if len(sentence) <= _ONE_LINE else sentence[:_ONE_LINE].rsplit(" ", 1)[0] + " \N{HORIZONTAL ELLIPSIS}"
    )
