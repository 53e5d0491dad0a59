"""Section "Models": which models there are, what their cards say, and getting and removing them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from AttnSegLib.models import store as model_store
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.mrml.news import News
from AttnSegPanel.choices import show_rows, titles
from AttnSegPanel.run_row import RunRow

if TYPE_CHECKING:
    from AttnSegPanel.panel import Panel


class ModelsSection:
    """List, card, download, import, delete."""

    def __init__(self, panel: Panel):
        self.panel, self.ui = panel, panel.ui
        self._download: model_store.Download | None = None
        self._row = RunRow.below(self.ui.modelsSection, panel.input.cancel)
        self._said = ""  # of the last import, download or deletion
        self.ui.modelTable.connect("itemSelectionChanged()", self.show_card)
        self.ui.downloadButton.connect("clicked(bool)", self.download)
        self.ui.importFolderButton.connect("clicked(bool)", self.import_folder)
        self.ui.importFileButton.connect("clicked(bool)", self.import_file)
        self.ui.deleteButton.connect("clicked(bool)", self.delete)

    @property
    def selected(self) -> ModelSpec | None:
        """The model of the chosen row."""
        row = self.ui.modelTable.currentRow()
        return self.panel.models[row] if 0 <= row < len(self.panel.models) else None

    def refresh(self) -> None:
        models = self.panel.models
        named = zip(titles(models), models, strict=True)
        show_rows(self.ui.modelTable, [[title, _dice(model), _state(model)] for title, model in named])
        self._show_sentences()
        self._show_buttons()

    def receive(self, _update: News) -> None:
        """Nothing that the session reports concerns the list."""

    def poll(self) -> None:
        """Follow a download; called by the panel's timer."""
        if self._download is None:
            return
        state = self._download.poll()
        self.ui.downloadBar.maximum, self.ui.downloadBar.value = max(state.total, 1), state.done
        if state.finished:
            self._download = None
            self.ui.downloadBar.visible = False
            self._say(state.error or _("The weights are here and verified."))
            self.panel.reload_models()

    def show_card(self) -> None:
        """What is known of the chosen model."""
        spec = self.selected
        self.ui.cardText.html = _card(spec) if spec else ""
        self._show_buttons()

    def download(self, _checked: bool = False) -> None:
        """Fetch the chosen model's weights; a second click cancels."""
        if self._download is not None:
            self._download.cancel()
        elif self.selected is not None:
            self._download = model_store.Download(self.selected)
            self._download.start()
            self.ui.downloadBar.visible = True
        self._show_buttons()

    def import_folder(self, _checked: bool = False) -> None:
        """Take over a model folder."""
        self._import(qt.QFileDialog.getExistingDirectory(self.ui.modelTable, _("Model folder")))

    def import_file(self, _checked: bool = False) -> None:
        """Take over a zipped model folder."""
        self._import(_path(qt.QFileDialog.getOpenFileName(self.ui.modelTable, _("Zipped model"), "", "*.zip")))

    def delete(self, _checked: bool = False) -> None:
        """Remove a model that was downloaded or imported."""
        spec = self.selected
        if spec is None:
            return
        question = _("Delete the model '{id}' and its weights from this machine?").format(id=spec.id)
        if not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Delete a model")):
            return
        self.panel.begin(self._row)
        if self.panel.attempt(lambda: _deleted(spec)):
            self._say(_("The model '{id}' was removed.").format(id=spec.id))
            self.panel.reload_models()

    def _import(self, path: str) -> None:
        if path:
            self.panel.begin(self._row)
            spec = self.panel.attempt(lambda: model_store.import_model(path))
            if spec is not None:
                self._say(_("The model '{id}' can be chosen now.").format(id=spec.id))
                self.panel.reload_models()

    def _say(self, sentence: str) -> None:
        self._said = sentence
        self._show_sentences()

    def _show_sentences(self) -> None:
        sentences = [self._said] * bool(self._said) + self.panel.unreadable
        self.ui.modelsLabel.text = "<br>".join(map(escape, sentences))

    def _show_buttons(self) -> None:
        spec = self.selected
        running = self._download is not None
        self.ui.downloadButton.text = _("Cancel download") if running else _("Download")
        self.ui.downloadButton.enabled = running or (spec is not None and not spec.is_available)
        self.ui.deleteButton.enabled = spec is not None and not running and model_store.can_delete(spec)


def _dice(spec: ModelSpec) -> str:
    """As the card of a model made by `training.export` says it; others tell their scores in words."""
    return "" if spec.scores.mean_dice is None else f"{spec.scores.mean_dice:.3f}"


def _state(spec: ModelSpec) -> str:
    return str(_("here") if spec.is_available else _("not downloaded"))


def _deleted(spec: ModelSpec) -> bool:
    model_store.delete(spec)
    return True


def _path(answer: str | tuple[str, str]) -> str:
    """Qt's bindings answer with a path or with a path and a filter."""
    return answer[0] if isinstance(answer, tuple) else answer


def _card(spec: ModelSpec) -> str:
    """Rich text. A card may come from anyone: what it says is shown, and never obeyed."""
    trained = spec.training
    facts = {
        _("Organ"): spec.organ,
        _("Modality"): spec.modality,
        _("Network"): f"{spec.network} ({spec.reference})",
        _("Scores"): spec.scores.told,
        _("Trained on"): f"{trained.data or '?'}; {len(trained.training_cases)} patients",
        _("Licence of the weights"): spec.licence,
        _("Size"): f"{spec.size_bytes / 1e6:.1f} MB" if spec.size_bytes else _("unknown"),
    }
    lines = (f"<i>{escape(name)}:</i> {escape(value)}" for name, value in facts.items())
    return f"<b>{escape(spec.title)}</b><br>" + "<br>".join(lines)
