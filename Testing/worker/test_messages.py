"""What client and worker say to each other, and a worker that says something else: no process of ours is needed."""

import io
import json
from dataclasses import replace

import pytest
from worker_at_work import HELLO, follow, needs_a_script
from worker_at_work import a_worker_that_says as a_worker_that_says
from worker_at_work import nothing_is_left_in_shared_memory as nothing_is_left_in_shared_memory

from AttnSegLib.images.orientation import Region
from AttnSegLib.inference import preprocess
from AttnSegLib.inference.checks.finding import Finding
from AttnSegLib.inference.intensities import percentiles_of
from AttnSegLib.inference.prediction import AttentionNumbers, ChannelMeans, ComputeOptions, Peaks, PredictionOptions
from AttnSegLib.models.catalog import find_model
from AttnSegLib.results.measures import Measure
from AttnSegLib.results.slices_to_check import SliceToCheck
from AttnSegLib.worker import messages, protocol
from AttnSegLib.worker.messages import Block, Request

SPEC = find_model("anunet-left_atrium-mr")
BLOCK = Block("psm_1", (5, 4, 3), "<i2")
OPTIONS = PredictionOptions(("gate 0,0",), Region((0, 1, 2), (3, 4, 5)), 2, True, (1, 2, 3), True)
EVERY = [
    messages.SegmentOrder(
        1,
        Request(SPEC, OPTIONS, ComputeOptions("cuda:0", 4, "bfloat16"), 2),
        "/models/one",
        BLOCK,
        ((1.0, 0.0, 0.0, 0.5), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
        None,
        -2000.0,
        BLOCK,
        {"gate 0,0": BLOCK},
        {1: BLOCK, 2: BLOCK},
    ),
    messages.CompareOrder(2, BLOCK, BLOCK, (1.0, 2.0, 3.0)),
    messages.CheckOrder(3),
    messages.CancelOrder(1),
    messages.Hello(messages.VERSION),
    messages.Alive(),
    messages.Ready((("cuda:0", "Some Card", 7168), ("mps", "Apple GPU", None)), 4),
    messages.Attached(1),
    messages.SlicesDone(1, 2, (4, 5), 2, 9, 3.5),
    messages.Notice(1, "The device ran out of memory."),
    messages.Result(
        1,
        1.5,
        0.5,
        9,
        2,
        "cpu",
        ("A notice.",),
        {0: 0.25, 8: 1.0},
        (Measure("a", "A", 1.5, 2, None, None, (0.0, 1.5)),),
        (SliceToCheck(3, 0.5, 0.25),),
        AttentionNumbers({"looks": Peaks(9, {4: 0.5})}, {"channels": ChannelMeans((0.25, 0.75), 0.5)}),
    ),
    messages.Compared(2, {"dice": 0.5, "hd95_mm": None}),
    messages.Checked(3, (Finding("torch", False, "not there", "install it"),)),
    messages.JobCancelled(1),
    messages.JobFailed(1, "It failed.", "Traceback\nline 7"),
]


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_what_is_sent_is_received(message):
    stream = io.BytesIO()
    protocol.send(stream, message)
    stream.seek(0)
    assert protocol.receive(stream) == message
    assert protocol.receive(stream) is None


def test_every_kind_is_tried_here():
    assert {type(message) for message in EVERY} == set(messages.Message.__args__)


def test_a_request_keeps_all_but_where_its_model_lies():
    """What a field is added to must not lose it on the way."""
    request = replace(EVERY[0].request, spec=replace(SPEC.in_plane("coronal"), url="https://example.org/w"))
    order = messages.message_from_json(messages.message_to_json(replace(EVERY[0], request=request)))
    assert order.request == request
    assert order.request.spec.plane == "coronal"


# What is not ours


def slices_done(**changes):
    return json.dumps(messages.message_to_json(messages.SlicesDone(1, 0, (0,), 1, 2, 1.0)) | changes).encode() + b"\n"


NOT_OURS = {
    "no JSON": b"hello\n",
    "a number": b"3\n",
    "a list": b"[]\n",
    "an empty object": b"{}\n",
    "an object of another kind": b'{"say": "Weather", "job": 1}\n',
    "a kind that is no text": b'{"say": ["Result"], "job": 1}\n',
    "a result without its fields": b'{"say": "Result", "job": 1}\n',
    "a field of another type": b'{"say": "JobFailed", "job": 1, "sentence": {"a": 1}}\n',
    "a job that is no number": b'{"say": "JobCancelled", "job": "1"}\n',
    "an axis that there is not": slices_done(axis=3),
    "no number": slices_done(seconds_left=float("nan")),
    "200,000 brackets": b"[" * 200_000 + b"\n",
    "no text": b"\xff\xfe\n",
}


@pytest.mark.parametrize("line", NOT_OURS.values(), ids=list(NOT_OURS))
def test_what_is_not_ours_is_refused(line):
    with pytest.raises(ValueError, match="."):
        protocol.receive(io.BytesIO(line))


TALE = "does not understand; restart Slicer"


@needs_a_script
@pytest.mark.parametrize("line", NOT_OURS.values(), ids=list(NOT_OURS))
def test_what_is_not_ours_is_a_sentence(a_worker_that_says, a_volume, line):
    worker = a_worker_that_says(HELLO + line)
    job = worker.segment(a_volume, Request(SPEC))
    failed = follow(worker)[-1]
    assert (failed.job, TALE in failed.sentence) == (job.number, True)
    assert not worker.is_busy
    worker.poll()


@needs_a_script
def test_what_is_printed_before_the_first_message_is_left_out(a_worker_that_says, a_volume):
    """By what a site loads into every Python. Without the end of its line, too: the worker begins with a new one."""
    printed = b"Welcome to the cluster!\n{}\n\xff\xfe\n\nwithout an end\n"
    cancelled = json.dumps(messages.message_to_json(messages.JobCancelled(1))).encode() + b"\n"
    worker = a_worker_that_says(printed + HELLO + cancelled)
    worker.segment(a_volume, Request(SPEC))
    assert follow(worker) == [messages.JobCancelled(1)]
    worker.poll()


@needs_a_script
def test_a_process_that_only_prints_leaves_its_words_in_the_log(a_worker_that_says, a_volume):
    worker = a_worker_that_says(b"This account is not available.\n")
    worker.segment(a_volume, Request(SPEC))
    failed = follow(worker)[-1]
    assert "ended unexpectedly (exit code 0)" in failed.sentence
    assert "This account is not available." in failed.detail
    worker.poll()


@needs_a_script
def test_an_end_in_the_middle_of_a_message_is_an_end(a_worker_that_says, a_volume):
    worker = a_worker_that_says(HELLO + b'{"say": "Res')
    worker.segment(a_volume, Request(SPEC))
    assert "ended unexpectedly (exit code 0)" in follow(worker)[-1].sentence
    worker.poll()


@needs_a_script
def test_another_version_is_refused(a_worker_that_says, a_volume):
    hello = messages.message_to_json(messages.Hello(messages.VERSION + 1)) | {"mood": "good"}
    worker = a_worker_that_says(json.dumps(hello).encode() + b"\n", b"")
    worker.segment(a_volume, Request(SPEC))
    assert "of another version of AttnSeg" in follow(worker)[-1].sentence
    worker.poll()


@needs_a_script
def test_notices_come_at_once_and_other_jobs_are_nobodys(a_worker_that_says, a_volume):
    said = [messages.Notice(1, "On the CPU."), messages.Notice(2, "Not ours."), messages.JobCancelled(1)]
    lines = b"".join(json.dumps(messages.message_to_json(message)).encode() + b"\n" for message in said)
    worker = a_worker_that_says(HELLO + lines)
    worker.segment(a_volume, Request(SPEC))
    assert follow(worker) == [said[0], said[2]]
    worker.poll()


# What the worker keeps


def test_percentiles_of_a_volume_are_found_once(a_volume, monkeypatch):
    from AttnSegLib.worker.process import _Service

    asked = []
    monkeypatch.setattr(preprocess, "percentiles_of", lambda *given: asked.append(1) or percentiles_of(*given))
    service = _Service(io.BytesIO())
    for _ in range(3):
        assert service._stack_of(a_volume, SPEC.preprocessing).intensity_range
    assert len(asked) == 1
    other = replace(SPEC.preprocessing, plane="axial")
    assert service._stack_of(a_volume, other).preprocessing == other
