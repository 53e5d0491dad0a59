"""The panel with a scan, a segmentation drawn by hand, and a collection."""

import contextlib
import time

import numpy as np
import pytest
from panel_at_work import AFFINE, SHAPE

from AttnSegLib.collections.cases import NewCase, add_case, make_collection
from AttnSegLib.collections.collection import open_collection
from AttnSegLib.collections.teaching_run import LEARNING, TeachingDiary, TeachingOrder, alone, run_folder
from AttnSegLib.images.volume import Volume
from AttnSegLib.models.card import Code, Label

STRUCTURE = Code("SCT", "123037004", "Anatomical Structure")
HEAD = Label(1, "Head", (200, 100, 100), STRUCTURE, Code("SCT", "7", "Head"))
TAIL = Label(2, "Tail", (100, 200, 100), STRUCTURE, Code("SCT", "8", "Tail"))


def masks():
    """Of head and tail, in several slices of each axis."""
    head, tail = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    head[1:4, 10:20, 10:30] = True
    tail[2:5, 30:40, 12:20] = True
    return head, tail


def draw(node, volume, **named):
    """Add masks as segments, as Segment Editor leaves them."""
    from AttnSegLib.mrml.segmentations import PlainSegment, add_plain_segment

    orange = (1.0, 0.5, 0.0)
    return {name: add_plain_segment(node, volume, PlainSegment(name, orange, mask)) for name, mask in named.items()}


@pytest.fixture
def drawn(a_node):
    """A segmentation of the scan with a head and a tail; it is chosen in the panel."""
    from AttnSegLib.mrml.segmentations import new_segmentation_node

    node = new_segmentation_node(a_node)
    draw(node, a_node, Head=masks()[0], Tail=masks()[1])
    return node


@pytest.fixture
def collected(tmp_path, widget, drawn):
    """The panel with an empty collection chosen; gives the collection's folder."""
    folder = make_collection(tmp_path / "heads", "Heads", "MR", (HEAD, TAIL)).folder
    widget.panel.collect.shelf.choose(folder)
    widget.panel.parameters.caseSegmentation = drawn
    widget.panel.refresh()
    return folder


def add_another(folder, number):
    """A case with the same head and tail in another scan."""
    scan = Volume(np.random.default_rng(number).integers(0, 900, SHAPE).astype(np.int16), AFFINE)
    add_case(folder, NewCase(scan, masks()[0] + 2 * masks()[1].astype(np.uint8)))


def settle(widget, seconds=20):
    """Until the thread has done what it was given."""
    end = time.monotonic() + seconds
    while widget.panel.collect.errands.is_busy and time.monotonic() < end:
        time.sleep(0.005)
        widget.panel.poll()
    assert not widget.panel.collect.errands.is_busy


def press(widget, button):
    """Press a button and wait."""
    button.click()
    settle(widget)


def only_case(folder):
    """The one case of a collection: it, its volume and its label map."""
    collection = open_collection(folder)
    [case] = collection.cases
    return (case, *collection.read(case))


def rows(ui):
    """What the table of cases says."""
    table = ui.caseTable
    return [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]


@contextlib.contextmanager
def living(run, stage=LEARNING, order=None, **changes):
    """A run that another process is at."""
    with alone(run):
        diary = TeachingDiary(run, order or TeachingOrder(10, "anunet"))
        diary.note(stage, **changes)
        yield diary


class Process:
    """Of the training: it lives until the test says that it ended."""

    def __init__(self):
        self.code = None

    def poll(self):
        return self.code

    def end(self):
        self.code = -9


@pytest.fixture
def ready(widget, ui, collected):
    """The panel with a collection of one case; gives the folder of its run."""
    press(widget, ui.addCaseButton)
    widget.panel.teach.look()
    return run_folder(collected)


@pytest.fixture
def begun(ready, monkeypatch):  # noqa: ARG001 - there must be a case to teach
    """What was begun: folder, order and whether to go on, each with its process."""
    calls = []

    def begin(_python, folder, order, *, resume=False):
        calls.append((folder, order, resume, Process()))
        return calls[-1][3]

    monkeypatch.setattr("AttnSegPanel.teaching.teach_section.begin_teaching", begin)
    monkeypatch.setattr("AttnSegPanel.teaching.teach_section.end_teaching", Process.end)
    return calls
