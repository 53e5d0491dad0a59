"""OpenVINO is offered where it is missing, and installed alone."""

import subprocess

import pytest
from panel_at_work import said

from AttnSegLib.inference.checks.finding import Finding
from AttnSegLib.worker import messages as told


def openvino_is_offered(widget, ui, worker):
    ui.setupSection.collapsed = False
    ui.checkButton.click()
    worker.say(told.Checked(worker.job.number, (Finding("OpenVINO", True, "not installed; faster with it"),)))
    widget.panel.poll()
    return not ui.openvinoButton.isHidden()


@pytest.mark.parametrize("answer", [True, False])
def test_openvino_is_installed_alone_and_after_asking(widget, ui, worker, messages, monkeypatch, answer):
    installed = []
    monkeypatch.setattr("slicer.util.pip_install", installed.append, raising=False)
    messages.answer = answer
    assert openvino_is_offered(widget, ui, worker)
    ui.openvinoButton.click()
    assert installed == ["--no-deps openvino>=2026.4"] * answer
    assert worker.closed == answer  # the next job begins in a new process


def test_openvino_that_can_not_be_installed_is_told(widget, ui, worker, messages, monkeypatch):
    def fails(_requirements):
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr("slicer.util.pip_install", fails, raising=False)
    messages.answer = True
    assert openvino_is_offered(widget, ui, worker)
    ui.openvinoButton.click()
    assert "was not installed" in said(widget)
    assert worker.closed == 0
