"""Scripts: one worker for all of them and for the panel, which ends when it is told to, or with the application."""

import re
import sys
from pathlib import Path

import pytest
from panel_at_work import MODULE, ROOT, SHAPE, a_block, said, segmented, voxels_of

from AttnSegLib.errors import InputError
from AttnSegLib.worker import messages


@pytest.fixture
def module(widget):
    assert widget is not None
    return sys.modules["AttnSeg"]


def workers():
    """Processes of AttnSeg's worker that this process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            command = (status.parent / "cmdline").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if lines["PPid"] == str(Path("/proc/self").resolve().name) and "AttnSegLib.worker.process" in command:
            found.append(status.parent.name)
    return found


class Turns:
    """The application's turns: each one does the next thing."""

    def __init__(self, monkeypatch, *doings):
        import slicer

        self._doings = list(doings)
        monkeypatch.setattr(slicer.app, "processEvents", self)

    def __call__(self):
        if self._doings:
            self._doings.pop(0)()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="counts processes in /proc")
def test_scripts_share_one_process_and_it_can_be_ended(scene, open_panel, a_model_folder):
    import numpy as np
    import slicer

    assert scene is not None
    open_panel(MODULE)
    logic = sys.modules["AttnSeg"].AttnSegLogic
    voxels = np.random.default_rng(0).integers(0, 900, (4, 32, 32)).astype(np.int16)
    volumes = [slicer.util.addVolumeFromArray(voxels, name=f"scan {n}") for n in range(2)]
    nodes = [logic().segment(volume, str(a_model_folder)) for volume in volumes]
    assert len({node.GetID() for node in nodes}) == 2
    assert len(workers()) == 1
    logic().close()
    assert workers() == []


def test_a_script_gets_its_result_though_the_panel_polls(widget, module, worker, a_node, monkeypatch):
    Turns(monkeypatch, lambda: worker.finish(a_block()), widget.panel.poll)
    node = module.AttnSegLogic().segment(a_node, widget.panel.spec.id)
    assert (voxels_of(node, a_node) == a_block()).all()
    assert widget.panel.parameters.segmentation is node  # the panel has it, too
    assert "Done in 1.5 s" in said(widget)
    assert len(widget.panel.session.listeners) == 1


def test_a_script_with_another_volume_leaves_the_panels_choice(widget, module, worker, monkeypatch):
    import numpy as np
    import slicer

    other = slicer.util.addVolumeFromArray(
        np.random.default_rng(2).integers(0, 9, SHAPE).astype(np.int16), name="other"
    )
    mine = segmented(widget)
    Turns(monkeypatch, worker.finish)
    assert module.AttnSegLogic().segment(other, widget.panel.spec.id) is not mine
    assert widget.panel.parameters.segmentation is mine


def test_a_script_is_told_that_its_run_came_to_nothing(widget, module, worker, a_node, monkeypatch):
    def fails():
        worker.say(messages.JobFailed(worker.job.number, "The weights are damaged."))

    for doing, sentence in ((fails, "weights are damaged"), (module.AttnSegLogic().close, "ended before it was done")):
        Turns(monkeypatch, doing)
        with pytest.raises(InputError, match=sentence):
            module.AttnSegLogic().segment(a_node, widget.panel.spec.id)
    assert len(widget.panel.session.listeners) == 1


def test_the_loop_of_the_tutorial(module, worker, tmp_path, monkeypatch):
    import numpy as np
    import slicer

    page = (ROOT / "docs/slicer.md").read_text(encoding="utf-8")
    [loop] = [text for text in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "scans" in text]
    (tmp_path / "scans").mkdir()
    for name in ("a", "b"):
        node = slicer.util.addVolumeFromArray(np.random.default_rng(3).integers(0, 9, SHAPE).astype(np.int16))
        slicer.util.saveNode(node, str(tmp_path / "scans" / f"{name}.nrrd"))
    monkeypatch.chdir(tmp_path)
    Turns(monkeypatch, *[lambda: worker.finish(a_block())] * 2)
    exec(loop, {"slicer": slicer})  # where "import AttnSeg" gives the module
    assert module is sys.modules["AttnSeg"]
    assert [path.name for path in sorted((tmp_path / "results").iterdir())] == ["a.seg.nrrd", "b.seg.nrrd"]
    assert worker.closed == 1


def test_the_worker_ends_with_the_application(module, worker):
    import slicer

    assert module.AttnSegLogic().session is module.AttnSegLogic().session
    slicer.app.emit("aboutToQuit()")
    assert worker.closed
