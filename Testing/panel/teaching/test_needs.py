"""What teaching needs beside PyTorch: installed into Slicer after one question, or not."""

import sys
import types
from pathlib import Path

import pytest
from panel_at_work import said

from AttnSegLib.collections import teaching_process


def test_a_slicer_without_training_says_so(widget, ui, begun, monkeypatch):
    monkeypatch.setattr("AttnSegPanel.teaching.needs.has_training", lambda: False)
    ui.teachButton.click()
    assert "press Train elsewhere" in said(widget)
    assert begun == []
    assert ui.elsewhereButton.enabled


@pytest.fixture
def lacks(monkeypatch):
    """Lightning is not there, until the test says so."""
    missing = ["lightning>=2.6"]
    for place in (teaching_process, "AttnSegPanel.teaching.needs"):
        target = f"{getattr(place, '__name__', place)}.lacking"
        monkeypatch.setattr(target, lambda: list(missing))
    return missing


def test_what_is_missing_is_installed_by_slicers_own_means(ui, begun, lacks, monkeypatch):
    asked = []

    def pip_ensure(requirements, **options):
        asked.append((requirements, Path(options["constraints"]).read_text().split(), options["requester"]))
        lacks.clear()

    monkeypatch.setitem(sys.modules, "slicer.packaging", types.SimpleNamespace(pip_ensure=pip_ensure))
    ui.teachButton.click()
    [(requirements, fixed, requester)] = asked
    assert (requirements, requester) == (["lightning>=2.6"], "AttnSeg")
    assert [line.split("==")[0] for line in fixed] == ["numpy", "SimpleITK", "torch"]
    assert len(begun) == 1


def test_who_declines_can_train_elsewhere(widget, ui, begun, lacks, monkeypatch):
    def pip_ensure(*_, **__):
        raise RuntimeError("User declined package installation")

    monkeypatch.setitem(sys.modules, "slicer.packaging", types.SimpleNamespace(pip_ensure=pip_ensure))
    ui.teachButton.click()
    assert lacks
    assert begun == []
    assert "needs lightning>=2.6, which was not installed; press Train elsewhere." in said(widget)


@pytest.mark.parametrize("answer", [True, False])
def test_an_older_slicer_asks_once_itself(widget, ui, begun, lacks, messages, monkeypatch, answer):
    import slicer

    installed = []
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", lambda asked: (installed.append(asked), lacks.clear()))
    messages.answer = answer
    ui.teachButton.click()
    assert len(messages.questions) == 1
    assert "numpy, SimpleITK and PyTorch stay as they are" in messages.questions[0]
    assert len(begun) == len(installed) == answer
    if answer:
        assert installed[0][0] == "--constraint"
        assert installed[0][2:] == ["lightning>=2.6"]
    assert said(widget)
