"""The panel's models and its setup, and the module's own self-test."""

import shutil
import sys
import types
from pathlib import Path

import pytest
from panel_at_work import MODEL, MODULE, ROOT, said, words

from AttnSegLib.inference.checks.finding import Finding
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.places import user_folder
from AttnSegLib.worker import messages as told

# models and setup


def test_the_list_of_models_shows_their_cards(widget, ui):
    ui.modelTable.setCurrentCell([spec.id for spec in widget.panel.models].index(MODEL), 0)
    assert "Medical Segmentation Decathlon" in ui.cardText.toPlainText()
    assert not ui.deleteButton.enabled  # shipped models stay
    assert not ui.downloadButton.enabled


def test_the_list_of_models_is_made_again_only_if_there_are_others(widget, ui):
    ui.modelTable.item(0, 0).setToolTip("the same item")
    widget.panel.refresh()
    assert ui.modelTable.item(0, 0).toolTip() == "the same item"
    widget.panel.models = widget.panel.models[::-1]
    widget.panel.refresh()
    assert [ui.modelTable.item(row, 0).text() for row in range(ui.modelTable.rowCount)] == [
        spec.title for spec in widget.panel.models
    ]
    assert ui.modelTable.item(0, 0).toolTip() == ""


def test_what_a_card_says_is_shown_as_it_is_and_never_obeyed(widget, ui, a_node):
    import dataclasses

    from AttnSegLib.models.card import ScoreFacts, TrainingFacts
    from AttnSegLib.mrml.news import Mapped

    trap = "<img src='https://nowhere.invalid/spy.png'> a < b & c"
    spec = widget.panel.spec
    texts = ("title", "organ", "modality", "network", "reference", "licence")
    widget.panel.models = [
        dataclasses.replace(
            spec,
            **dict.fromkeys(texts, trap),
            scores=ScoreFacts(trap),
            training=TrainingFacts(trap),
        )
    ]
    widget.panel.refresh()
    ui.modelTable.setCurrentCell(0, 0)
    assert ui.cardText.toPlainText().count(trap) == 8
    assert "<img" not in ui.cardText.html
    assert "<img" not in ui.preflightLabel.text
    ui.preflightLabel.linkActivated.emit("more")
    assert "<img" not in ui.preflightLabel.text  # it names the licence
    widget.panel.attention.receive(Mapped(a_node, trap))
    assert "<img" not in ui.attentionLabel.text
    widget.panel.model_list._say(trap)  # as what went wrong with a download names the address in the card
    assert "<img" not in ui.modelsLabel.text
    widget.panel.say(trap)
    assert "<img" not in widget.panel.row.label.text


def test_a_damaged_card_costs_its_model_and_not_the_panel(a_model_folder, open_panel, monkeypatch):
    from AttnSegLib.models import catalog

    broken = a_model_folder.parent / "broken"
    broken.mkdir()
    (broken / CARD).write_text("{")
    real = catalog.resource_folder
    found = {"Models": a_model_folder.parent}
    monkeypatch.setattr(catalog, "resource_folder", lambda name: found.get(name) or real(name))
    widget = open_panel(MODULE)
    assert [spec.id for spec in widget.panel.models] == ["tiny"]
    assert "card of model 'broken' is damaged (it is not JSON); get the model again" in words(widget.ui.modelsLabel)
    (broken / CARD).unlink()
    widget.panel.reload_models()
    assert widget.ui.modelsLabel.text == ""


@pytest.mark.parametrize("content", ["[" * 200_000, '{"format": 1, "title": "\\u001b[31m"}', "\x00"])
def test_a_bad_card_of_the_user_does_not_stop_the_panel(ui, widget, a_model_folder, content):
    count = ui.modelTable.rowCount
    for name in ("bad", "good"):
        shutil.copytree(a_model_folder, user_folder() / name)
    (user_folder() / "bad" / CARD).write_text(content)
    widget.panel.reload_models()
    assert ui.modelTable.rowCount == count + 1
    assert "A tiny model for tests" in [ui.modelTable.item(row, 0).text() for row in range(count + 1)]


def test_importing_and_deleting_a_model(ui, a_model_folder, tmp_path, monkeypatch, messages):
    import slicer

    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "user"))
    count = ui.modelTable.rowCount
    slicer.app.file_answers.append(str(a_model_folder))
    ui.importFolderButton.click()
    assert ui.modelTable.rowCount == count + 1
    assert "can be chosen now" in ui.modelsLabel.text
    row = next(r for r in range(count + 1) if "tiny" in ui.modelTable.item(r, 0).text())
    ui.modelTable.setCurrentCell(row, 0)
    assert ui.deleteButton.enabled
    messages.answer = False
    ui.deleteButton.click()
    assert ui.modelTable.rowCount == count + 1
    messages.answer = True
    ui.deleteButton.click()
    assert "'tiny'" in messages.questions[-1]
    assert ui.modelTable.rowCount == count
    assert "was removed" in ui.modelsLabel.text


def test_models_of_one_title_are_told_apart(widget, ui):
    import dataclasses

    spec = widget.panel.spec
    widget.panel.models = [spec, dataclasses.replace(spec, id="mine")]
    widget.panel.refresh()
    told = [f"{spec.title} [{MODEL}]", f"{spec.title} [mine]"]
    assert [ui.modelBox.itemText(i) for i in range(2)] == told
    assert [ui.modelTable.item(row, 0).text() for row in range(2)] == told


def test_all_columns_are_seen(ui, widget):
    import slicer

    ui.modelsSection.collapsed = False
    widget.parent.resize(420, 1200)
    widget.parent.show()
    slicer.app.processEvents()
    header = ui.modelTable.horizontalHeader()
    assert sum(header.sectionSize(column) for column in range(3)) <= ui.modelTable.viewport().width
    widget.parent.hide()


def test_downloading_the_weights_of_a_model(widget, ui, monkeypatch):
    import dataclasses

    from AttnSegLib.models import store as model_store

    class Download:
        def __init__(self, spec):
            assert spec.id == "far"
            self.state = model_store.DownloadState(0, 100)

        def start(self):
            started.append(self)

        def poll(self):
            return self.state

        def cancel(self):
            self.state = dataclasses.replace(
                self.state, finished=True, cancelled=True, error="The download was cancelled."
            )

    started = []
    monkeypatch.setattr(model_store, "Download", Download)
    spec = dataclasses.replace(
        widget.panel.spec, id="far", url="https://nowhere.invalid/x", sha256="0" * 64, weights="x"
    )
    widget.panel.models = [spec]
    widget.panel.refresh()
    ui.modelTable.setCurrentCell(0, 0)
    assert ui.modelTable.item(0, 2).text() == "not downloaded"
    ui.downloadButton.click()
    started[0].state = dataclasses.replace(started[0].state, done=40)
    widget.panel.poll()
    assert (ui.downloadBar.value, ui.downloadBar.maximum) == (40, 100)
    assert ui.downloadButton.text == "Cancel download"
    ui.downloadButton.click()
    widget.panel.poll()
    assert "cancelled" in ui.modelsLabel.text
    assert ui.downloadBar.isHidden()


def test_importing_nonsense_says_what_is_wrong(widget, ui, tmp_path):
    import slicer

    (tmp_path / "x.zip").write_text("no zip file")
    slicer.app.file_answers.append(str(tmp_path / "x.zip"))
    ui.importFileButton.click()
    assert said(widget)


def test_check_setup_tells_the_cure_and_offers_torch(widget, ui, worker):
    ui.setupSection.collapsed = False
    ui.checkButton.click()
    findings = (Finding("SimpleITK", True, "2.5"), Finding("torch", False, "not there", "install it"))
    worker.say(told.Checked(worker.job.number, findings))
    widget.panel.poll()
    assert "not there" in ui.setupLabel.text
    assert "install it" in ui.setupLabel.text
    assert not ui.installButton.isHidden()
    ui.installButton.click()
    assert "Extensions Manager" in said(widget)


def test_installing_torch_asks_slicers_own_extension(widget, worker, monkeypatch):
    asked = []

    class Logic:
        def installTorch(self, **options):
            asked.append(options)
            return "torch"

    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=Logic))
    widget.panel.setup.install()
    assert asked == [{"askConfirmation": True, "torchVersionRequirement": ">=2.5"}]
    assert worker.closed == 1  # the next job begins in a new process


class Torch:
    """PyTorch's installation by Slicer's extension. gives: what comes of it."""

    def __init__(self, monkeypatch, gives="torch"):
        self.gives, self.during = gives, []
        monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=lambda: self))

    def installTorch(self, **options):
        assert options == {"askConfirmation": True, "torchVersionRequirement": ">=2.5"}
        for look in self.during:
            look()
        return self.gives


@pytest.fixture
def new_machine(widget):
    """PyTorch is not there."""
    widget.panel.setup.has_torch = False
    widget.panel.refresh()


@pytest.mark.usefixtures("new_machine")
def test_the_first_run_on_a_new_machine_is_one_button(widget, ui, worker, monkeypatch):
    torch, seen = Torch(monkeypatch), []
    torch.during = [
        widget.panel.poll,  # which Slicer's events bring about meanwhile
        lambda: seen.append((said(widget), ui.progressBar.enabled, ui.progressBar.maximum, ui.applyButton.enabled)),
    ]
    assert ui.applyButton.text == "Get PyTorch, then apply"
    assert "some minutes" in ui.applyButton.toolTip
    ui.applyButton.click()
    assert seen == [("Installing PyTorch for 0:00 min; it takes some minutes, once.", True, 0, False)]
    assert ui.applyButton.text == "Apply"
    assert len(worker.requests) == 1  # and the volume is being segmented


@pytest.mark.usefixtures("new_machine")
@pytest.mark.parametrize("extension", [True, False])
def test_without_torch_nothing_is_segmented(widget, ui, worker, monkeypatch, extension):
    if extension:
        Torch(monkeypatch, gives=None)  # the user said no
    ui.applyButton.click()
    assert worker.requests == []
    assert ("not installed" if extension else "Extensions Manager") in said(widget)
    assert ui.applyButton.enabled


def test_sample_data_is_offered(widget):
    import hashlib

    import slicer

    sources = slicer.modules.sampleDataSources["AttnSeg"]
    assert [source.sampleName for source in sources] == ["AttnSegAbdomenMR", "AttnSegLeftAtriumMR"]
    for source, folder in zip(sources, ("abdomen_mr", "left_atrium_mr"), strict=True):
        assert Path(source.thumbnailFileName).is_file()
        shipped = ROOT / "Resources" / "Samples" / folder
        for name, checksum in zip(("image.nrrd", "labels.nrrd"), source.checksums, strict=True):
            assert checksum == f"SHA256:{hashlib.sha256((shipped / name).read_bytes()).hexdigest()}"
    assert widget is not None


# for real


@pytest.mark.slow
def test_the_modules_own_self_test(open_panel):
    open_panel(MODULE)
    sys.modules["AttnSeg"].AttnSegTest().runTest()
