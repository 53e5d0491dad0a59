"""The section "Teach": the scan to label next, and training on another computer."""

import json
import zipfile

import numpy as np
import pytest
from panel_at_work import AFFINE, SHAPE, said
from teaching_at_work import press, settle

from AttnSegLib.collections.teaching_run import LOG, SUGGESTION, run_folder
from AttnSegLib.collections.voxel_file import write_voxels_file
from AttnSegLib.errors import InputError


class Ended:
    """A process that has ended."""

    def poll(self):
        return 0


@pytest.fixture
def asked(widget, ui, collected, monkeypatch):
    """What a process was asked to look at; the panel has a collection of one case and a model of it."""
    calls = []

    def begin(_python, folder, scans, model):
        calls.append((folder, scans, model))
        return Ended()

    press(widget, ui.addCaseButton)
    place = "AttnSegPanel.teaching.next_section"
    monkeypatch.setattr(f"{place}.begin_suggesting", begin)
    monkeypatch.setattr(f"{place}.latest_model", lambda _collection: widget.panel.spec)
    assert collected.is_dir()
    return calls


def test_the_scan_of_which_the_model_is_least_sure_is_loaded_and_segmented(widget, ui, asked, collected, tmp_path):
    import slicer

    scan = tmp_path / "scans" / "unsure.nrrd"
    scan.parent.mkdir()
    voxels = np.random.default_rng(5).integers(0, 900, SHAPE).astype(np.int16)
    write_voxels_file(scan, voxels, AFFINE)
    run_folder(collected).mkdir()
    (run_folder(collected) / SUGGESTION).write_text(
        json.dumps({"model": widget.panel.spec.id, "scans": [{"path": str(scan), "doubt": 0.7}]})
    )
    slicer.app.file_answers.append(str(scan.parent))
    ui.nextCaseButton.click()
    assert asked == [(collected, scan.parent, widget.panel.spec.id)]
    assert "looks at the scans" in said(widget)
    widget.panel.poll()
    settle(widget)
    node = widget.panel.parameters.inputVolume
    assert node.GetName() == "unsure"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), voxels)
    assert widget.panel.session.is_busy  # it is being segmented
    worker = widget.panel.session._worker
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[2:4, 10:20, 10:30] = 1
    worker.finish(label_map)
    widget.panel.poll()
    assert widget.panel.parameters.caseSegmentation is widget.panel.parameters.segmentation  # the next case


def test_why_no_scan_was_found_is_said(widget, ui, asked, collected, tmp_path):
    import slicer

    run_folder(collected).mkdir()
    (run_folder(collected) / LOG).write_text("Error: There is no scan that is not in the collection already.\n")
    slicer.app.file_answers.append(str(tmp_path))
    ui.nextCaseButton.click()
    widget.panel.poll()
    assert len(asked) == 1
    assert "There is no scan that is not in the collection already." in said(widget)
    assert ui.nextCaseButton.enabled


def test_without_a_model_one_is_to_be_taught_first(widget, ui, collected):
    press(widget, ui.addCaseButton)
    assert collected.is_dir()
    ui.nextCaseButton.click()
    assert "No model has been taught from 'Heads' yet; teach one first." in said(widget)


def test_the_collection_is_one_file_with_one_command(widget, ui, asked, tmp_path):
    import qt
    import slicer

    assert asked == []
    slicer.app.file_answers += [str(tmp_path / "away.zip")] * 2
    press(widget, ui.elsewhereButton)
    assert "collection.json" in zipfile.ZipFile(tmp_path / "away.zip").namelist()
    command = "attnseg teach away.zip --time 2h --out ."
    assert command in said(widget)
    assert qt.QApplication.clipboard().text() == command
    press(widget, ui.elsewhereButton)
    assert "There is a file" in said(widget)


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device"), RuntimeError("ITK")])
def test_an_errand_that_fails_is_one_sentence_and_the_next_one_begins(widget, error):
    def fail():
        raise error

    widget.panel.collect.errands.begin(fail, lambda _answer: None)
    settle(widget)
    assert f"That failed ({getattr(error, 'strerror', None) or str(error) or 'MemoryError'})" in said(widget)


def test_a_second_errand_waits_for_the_first(widget):
    errands = widget.panel.collect.errands
    errands.begin(lambda: 1, lambda _answer: None)
    with pytest.raises(InputError, match="Wait until the last case"):
        errands.begin(lambda: 2, lambda _answer: None)
    settle(widget)
