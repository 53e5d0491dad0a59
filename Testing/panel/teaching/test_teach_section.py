"""The section "Teach": the training in a process of its own, as the panel begins, follows and ends it."""

import json
import os
import shutil
import signal

import pytest
from panel_at_work import pick, said
from teaching_at_work import living, press

from AttnSegLib.collections.begun import BegunRun, keep_begun
from AttnSegLib.collections.collection import open_collection
from AttnSegLib.collections.teaching_run import (
    CHECKPOINT,
    DONE,
    FAILED,
    LEARNING,
    LOG,
    METRICS,
    PAUSED,
    PREPARING,
    SCORING,
    TeachingDiary,
    TeachingOrder,
    read_state,
    run_folder,
)
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.places import user_folder
from AttnSegLib.typed_json import to_json


def test_nothing_can_be_taught_from_nothing(ui, collected):
    assert collected
    assert not ui.teachButton.enabled
    assert not ui.elsewhereButton.enabled
    assert not ui.nextCaseButton.enabled


def test_the_process_gets_what_was_chosen(widget, ui, begun, collected):
    pick(ui.networkBox, "ANU-Net")
    pick(ui.timeBox, "2 hours")
    widget.panel.parameters.device = "cpu"
    ui.teachButton.click()
    [(folder, order, resume, _)] = begun
    assert (folder, order, resume) == (collected, TeachingOrder(120, "anunet", "", "cpu"), False)
    assert "Starting" in said(widget)
    assert not ui.teachButton.enabled
    assert ui.pauseButton.enabled
    TeachingDiary(run_folder(collected), order).note(LEARNING)
    widget.panel.teach.look()
    assert "Starting" not in said(widget)


def test_a_model_to_begin_with_brings_its_network(widget, ui, begun):
    texts = [ui.beginBox.itemText(index) for index in range(ui.beginBox.count)]
    assert texts[0] == "nothing (random weights)"
    wanted = next(spec for spec in widget.panel.models if spec.network == "afnet")
    pick(ui.beginBox, wanted.title)
    assert not ui.networkBox.enabled
    ui.teachButton.click()
    assert begun[0][1].start == wanted.id


def test_who_was_taught_before_is_taught_on(widget, ui, begun, collected, a_model_folder):
    """The model of this collection that was taught last is the first choice."""
    card = json.loads((a_model_folder / CARD).read_text())
    card["title"], card["labels"] = "Heads in MR (ANU-Net)", to_json(open_collection(collected).segments)
    card["training"]["dataset"] = {"name": "collection"}
    card["options"]["num_classes"] = 3
    (a_model_folder / CARD).write_text(json.dumps(card))
    shutil.copytree(a_model_folder, user_folder() / "tiny")
    widget.panel.reload_models()
    assert widget.panel.unreadable == []
    assert ui.beginBox.itemText(0) == "Heads in MR (ANU-Net)"
    ui.teachButton.click()
    assert begun[0][1].start == "tiny"


def test_how_far_it_is_is_seen_also_in_a_panel_that_did_not_begin_it(widget, ui, ready, monkeypatch):
    import qt

    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    with living(ready, spent=90.0, limit=600.0, words=("Network: ANU-Net, compact.",)) as diary:
        widget.panel.teach.look()
        assert "Learning: 1:30 of 10:00 minutes." in ui.teachLabel.text
        assert "ANU-Net, compact" in ui.teachLabel.text
        ui.teachLabel.linkActivated.emit("recipe")
        assert opened == [str(ready / "recipe.toml")]
        assert (ui.teachBar.value, ui.teachBar.maximum) == (150, 1000)
        assert not ui.teachButton.enabled
        diary.note(SCORING)
        widget.panel.teach.look()
        assert "scored and written" in ui.teachLabel.text
        assert ui.teachBar.maximum == 0
    widget.panel.teach.look()
    assert ui.teachButton.text == "Go on"


def test_the_new_model_is_in_the_list_and_chosen(widget, ui, ready, a_model_folder):
    with living(ready) as diary:
        widget.panel.teach.look()
        shutil.copytree(a_model_folder, user_folder() / "tiny")
        diary.note(DONE, model="tiny", sentence="It finds nothing of 'Tail'.")
    widget.panel.teach.look()
    assert widget.panel.spec.id == "tiny"
    assert "The model 'tiny' can be chosen now." in said(widget)
    assert "It finds nothing of 'Tail'." in ui.teachLabel.text.replace("&#x27;", "'")
    assert ui.teachButton.text == "Teach"
    assert not ui.discardButton.enabled


def test_a_run_is_paused_and_gone_on_with(widget, ui, ready, begun, monkeypatch):
    killed = []
    order = TeachingOrder(30, "afnet", "afnet-hippocampus-mr")
    with living(ready, order=order) as diary:
        widget.panel.teach.look()
        monkeypatch.setattr(os, "kill", lambda pid, _signal: killed.append(pid))
        ui.pauseButton.click()
        diary.note(PAUSED, spent=90.0, limit=1800.0)
    widget.panel.teach.look()
    assert killed == [os.getpid()]
    assert "press Go on" in said(widget)
    assert "Interrupted after 1:30 of 30:00 minutes." in ui.teachLabel.text
    assert not ui.timeBox.enabled
    ui.teachButton.click()
    assert begun[0][1:3] == (order, True)


def test_what_still_starts_is_stopped_at_once(widget, ui, ready, begun):
    """While its process loads torch, and has told of nothing."""
    ui.teachButton.click()
    ui.pauseButton.click()
    assert begun[0][3].code == -9
    assert "Stopped while it was preparing; nothing is lost. Press Teach when you like." in said(widget)
    assert not widget.panel.row.label.text.startswith("Error")
    assert read_state(ready) is None
    assert ui.teachButton.enabled


def test_what_another_window_began_is_stopped_while_it_looks_at_the_scans(widget, ui, ready, monkeypatch):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *what: killed.append(what))
    with living(ready, PREPARING):
        widget.panel.teach.look()
        ui.pauseButton.click()
    widget.panel.teach.look()
    assert killed == [(os.getpid(), signal.SIGKILL)]
    assert "Press Go on when you like." in said(widget)
    assert "Interrupted before it began to learn." in ui.teachLabel.text


def test_a_run_of_other_cases_is_not_gone_on_with(widget, ui, ready, begun, collected):
    keep_begun(ready, BegunRun(open_collection(collected).cases))
    TeachingDiary(ready, TeachingOrder(10, "anunet")).note(PAUSED)
    (ready / CHECKPOINT).touch()
    widget.panel.teach.look()
    ui.caseTable.setCurrentCell(0, 0)
    press(widget, ui.replaceCaseButton)
    ui.teachButton.click()
    assert begun == []
    assert "(case_001 was replaced)" in said(widget)
    assert "press Cancel, then Teach" in said(widget)


def test_a_run_is_given_up_after_asking(widget, ui, ready, begun, messages):
    ui.teachButton.click()
    TeachingDiary(ready, TeachingOrder(10, "eccamunet")).note(LEARNING)
    (ready / CHECKPOINT).touch()
    messages.answer = False
    ui.discardButton.click()
    assert begun[0][3].code is None
    messages.answer = True
    ui.discardButton.click()
    assert begun[0][3].code == -9
    assert read_state(ready) is None
    assert not (ready / CHECKPOINT).exists()
    assert "was given up" in said(widget)
    assert ui.teachButton.text == "Teach"
    assert not ui.discardButton.enabled


def test_one_of_another_window_is_given_up_when_it_has_ended(widget, ui, ready, messages, monkeypatch):
    monkeypatch.setattr(os, "kill", lambda *_: None)
    with living(ready):
        widget.panel.teach.look()
        ui.discardButton.click()
        assert read_state(ready) is not None
    widget.panel.teach.look()
    assert messages.questions
    assert read_state(ready) is None


def test_each_collection_has_a_run_of_its_own(widget, ui, begun, collected, tmp_path):
    """Another one can be chosen while the first is taught, whose end is told all the same."""
    ui.teachButton.click()
    other = shutil.copytree(collected, tmp_path / "others")
    widget.panel.collect.shelf.choose(other)
    widget.panel.refresh()
    assert ui.teachButton.enabled
    assert not ui.pauseButton.enabled
    TeachingDiary(run_folder(collected), begun[0][1]).note(DONE, model="gone")
    begun[0][3].code = 0
    widget.panel.teach.look()
    assert "The model 'gone' can be chosen now." in said(widget)
    assert ui.teachButton.text == "Teach"


def test_why_it_failed_is_said(widget, ui, ready, begun):
    ui.teachButton.click()
    TeachingDiary(ready, TeachingOrder(10, "eccamunet")).note(FAILED, sentence="The loss is nan at step 3.")
    (ready / LOG).write_text("Error: The loss is nan at step 3.\n")
    begun[0][3].code = 2
    widget.panel.teach.look()
    assert "The loss is nan at step 3." in said(widget)
    assert "The loss is nan at step 3." in ui.teachLabel.text


@pytest.mark.parametrize("taught_before", [True, False])
def test_a_process_that_refuses_before_it_begins_is_told(widget, ui, ready, begun, taught_before):
    if taught_before:
        TeachingDiary(ready, TeachingOrder(10, "eccamunet")).note(DONE, model="earlier")
        widget.panel.teach.look()
    ui.teachButton.click()
    (ready / LOG).parent.mkdir(exist_ok=True)
    (ready / LOG).write_text("Error: The disk of the run is full.\n")
    begun[0][3].code = 2
    widget.panel.teach.look()
    assert "The disk of the run is full." in said(widget)


def test_the_curves_follow_the_run(widget, ui, ready, scene):
    import slicer

    header = "epoch,step,loss,dice,seconds\n"
    with living(ready):
        (ready / METRICS).write_text(f"{header}0,25,2.0,,30\n")
        widget.panel.teach.look()
        ui.curvesButton.click()
        ui.curvesButton.click()  # the same plot
        assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
        (ready / METRICS).write_text(f"{header}0,25,2.0,,30\n1,50,1.0,0.25,30\n")
        widget.panel.teach.look()
    chart = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID() == chart.GetID()
    series = [chart.GetNthPlotSeriesNode(number) for number in range(2)]
    tables = [slicer.util.arrayFromTableColumn(one.GetTableNode(), one.GetYColumnName()) for one in series]
    assert tables[0].tolist() == [2.0, 1.0]
    assert tables[1].tolist() == [0.25]
    minutes = slicer.util.arrayFromTableColumn(series[1].GetTableNode(), series[1].GetXColumnName())
    assert minutes.tolist() == [1.0]
    scene.Clear(0)
    widget.panel.teach.look()  # without its chart


def test_what_is_looked_at_costs_no_process(widget, monkeypatch):
    """The panel's timer looks once a second, however often it rings."""
    looks = []
    monkeypatch.setattr(widget.panel.teach, "look", lambda: looks.append(1))
    widget.panel.teach._looked = -1e9
    for _ in range(100):
        widget.panel.teach.poll()
    assert len(looks) == 1
