"""A panel's dealings with scene and worker, without the panel."""

import dataclasses

import numpy as np
import pytest
from scripted_worker import ScriptedWorker

from AttnSegLib.errors import InputError
from AttnSegLib.inference.prediction import ComputeOptions, PredictionOptions
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.worker import messages
from AttnSegLib.worker.messages import Request

SHAPE = (6, 64, 48)


@pytest.fixture
def volume(scene):
    import slicer

    assert scene is not None
    voxels = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
    return slicer.util.addVolumeFromArray(voxels, ijkToRAS=np.diag([2.0, 2.0, 5.0, 1.0]), name="scan")


@pytest.fixture
def session(scene, monkeypatch):
    from AttnSegLib.mrml import session

    assert scene is not None
    monkeypatch.setattr(session, "Worker", ScriptedWorker)
    return session.Session()


@pytest.fixture
def target(volume, a_model_folder):
    from AttnSegLib.mrml.news import Target

    spec = load_card(a_model_folder / CARD)
    facts = dataclasses.replace(spec.facts, maps=("self", "other"), queries=("self",))
    return Target(volume, Request(dataclasses.replace(spec, facts=facts)))


def worker_of(session):
    return session._worker


def ends(session, label_map=None, **ending):
    """The run ends well; returns the news."""
    worker_of(session).finish(label_map, **ending)
    return session.poll()


def stopped(news):
    (only,) = news
    assert isinstance(only, messages.JobFailed)
    return only.sentence


@pytest.mark.parametrize("which", ["volume", "segmentation"])
def test_a_node_that_is_deleted_during_a_run(session, target, scene, which):
    import slicer

    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    session.segment(target, segmentation=segmentation)
    scene.RemoveNode(target.volume_node if which == "volume" else segmentation)
    assert "removed during the run" in stopped(session.poll())
    assert worker_of(session).cancels == 1
    assert not session.is_busy
    assert scene.GetNumberOfNodesByClass("vtkMRMLLabelMapVolumeNode") == 0
    worker_of(session).say(messages.JobCancelled(1))
    assert session.poll() == []


def test_voxels_that_change_before_all_are_copied_never_reach_the_worker(target, volume, monkeypatch):
    """A large volume is copied in pieces after Apply: what was asked for is the volume as it was then."""
    import slicer

    from AttnSegLib.mrml.session import Session
    from AttnSegLib.worker import client, pieces, protocol

    monkeypatch.setattr(client, "_AT_ONCE", 1)
    monkeypatch.setattr(pieces, "_PIECE", 1000)
    sent = []
    monkeypatch.setattr(protocol, "send", lambda _stream, order: sent.append(order))
    session = Session()
    try:
        session.segment(target)
        assert session.poll() == []
        slicer.util.arrayFromVolume(volume)[...] = 7
        slicer.util.arrayFromVolumeModified(volume)
        assert stopped(session.poll()) == (
            "The volume was changed during the run; nothing was written, please run again."
        )
        assert not session.is_busy
        for _ in range(3):
            session.poll()
        assert [type(order) for order in sent] == [messages.CancelOrder]
    finally:
        session.close()


def test_a_transform_that_is_moved_during_a_run(session, target, volume):
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    session.segment(target)
    moved = np.eye(4)
    moved[0, 3] = 5
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    assert "changed during the run" in stopped(session.poll())


def test_one_thing_at_a_time(session, target):
    session.segment(target)
    for start in (lambda: session.segment(target), session.check, lambda: session.show_maps(target, ["a"], whole=True)):
        with pytest.raises(InputError, match="running already"):
            start()


def test_a_query_gives_way_and_the_last_one_waits(session, target):
    session.query(target, "self", (1, 2, 3))
    session.query(target, "self", (1, 2, 4))
    session.query(target, "self", (1, 2, 5))
    assert not session.is_busy
    assert len(worker_of(session).requests) == 1
    ends(session)
    assert [request.options.query for request in worker_of(session).requests] == [(1, 2, 3), (1, 2, 5)]
    session.segment(target)
    assert session.is_busy
    assert worker_of(session).cancels == 1
    assert len(worker_of(session).requests) == 2  # the process is still busy with the query
    worker_of(session).say(messages.JobCancelled(worker_of(session).job.number))
    session.poll()
    assert len(worker_of(session).requests) == 3
    assert ends(session, np.ones(SHAPE, np.uint8))


def test_a_notice_is_told_at_once_and_again_at_the_end(session, target):
    from AttnSegLib.mrml.news import Segmented

    session.segment(target)
    notice = messages.Notice(worker_of(session).job.number, "Went on with the CPU.")
    worker_of(session).say(notice)
    assert session.poll() == [notice]
    worker_of(session).finish(np.ones(SHAPE, np.uint8), notices=("Went on with the CPU.",))
    segmented, last = session.poll()
    assert isinstance(segmented, Segmented)
    assert last == notice


def test_what_the_worker_says_of_another_job_is_no_news(session, target):
    session.segment(target)
    worker_of(session)._said.append(messages.JobFailed(worker_of(session).job.number + 1, "Of another one."))
    assert session.poll() == []
    assert session.is_busy


def test_all_that_was_chosen_goes_to_the_worker(session, target):
    from AttnSegLib.mrml.news import Target

    options, compute = PredictionOptions(flips=True), ComputeOptions("cuda:0", 3, "float32")
    whole = dataclasses.replace(target.request, options=options, compute=compute, level=2)
    session.segment(Target(target.volume_node, whole), start=3)
    (request,) = worker_of(session).requests
    assert request == dataclasses.replace(whole, options=dataclasses.replace(options, start=3))


def test_the_volume_is_read_again_only_when_it_changed(session, volume):
    import slicer

    first = session.volume(volume)
    assert session.volume(volume) is first
    slicer.util.arrayFromVolumeModified(volume)
    assert session.volume(volume) is not first


def test_speed_is_learnt_from_whole_runs_only(session, target):
    from AttnSegLib.inference.cost import Load

    session.show_maps(target, ["self"], whole=False)
    ends(session)
    assert "first guess" in " ".join(remark.sentence for remark in session.preflight(target))
    session.segment(target)
    ends(session)
    assert "by the last run here" in " ".join(remark.sentence for remark in session.preflight(target))
    load = Load.of(session.volume(target.volume_node), target.spec.preprocessing, target.spec.facts)
    assert session._speeds == {"cpu": load.gmacs / 1.5}


def sentence_on_cost(session, target, device="auto"):
    request = dataclasses.replace(target.request, compute=ComputeOptions(device))
    remarks = session.preflight(dataclasses.replace(target, request=request))
    return next(remark.sentence for remark in remarks if remark.sentence.startswith("About"))


def test_the_speed_of_the_automatic_device_is_found_again_under_that_name(session, target):
    assert "on CPU (a first guess" in sentence_on_cost(session, target)
    session.segment(target)
    worker_of(session).say(messages.Ready((("cuda:0", "Some Card", 7168),)))
    ends(session, device="cuda (Some Card, bfloat16)")
    for device in ("auto", "cuda:0"):
        assert "on CUDA (by the last run here)" in sentence_on_cost(session, target, device)
    assert "on CPU (a first guess" in sentence_on_cost(session, target, "cpu")


def test_no_speed_is_learnt_of_a_card_that_gave_way_to_the_cpu(session, target):
    session.segment(target)
    worker_of(session).say(messages.Ready((("cuda:0", "Some Card", 7168),)))
    ends(session)
    for device in ("auto", "cuda:0", "cpu"):
        assert "a first guess" in sentence_on_cost(session, target, device)


def test_memory_is_planned_with_what_the_worker_says_is_free(session, target, monkeypatch):
    from AttnSegLib.inference import cost

    places = []
    monkeypatch.setattr(cost, "memory_bytes", lambda place, *_: places.append(place) or 1e9)
    worker_of(session).say(messages.Ready((("cuda:0", "Some Card", 7168), ("mps", "Apple GPU", None)), 12))
    session.poll()
    for device in ("auto", "cpu", "mps"):
        assert "1.0 GB of memory" in sentence_on_cost(session, target, device)
    assert places == [cost.Place("cuda", 1, 7168 * 2**20), cost.Place("cpu", 12), cost.Place("mps")]


def test_a_volume_is_looked_at_again_only_if_something_changed(session, target, monkeypatch):
    import slicer

    from AttnSegLib.inference.checks import preflight

    def asked(**changes):
        return session.preflight(dataclasses.replace(target, request=dataclasses.replace(target.request, **changes)))

    looks = []
    inspect = preflight.inspect
    monkeypatch.setattr(preflight, "inspect", lambda *arguments: looks.append(1) or inspect(*arguments))
    assert asked() == asked()
    assert len(looks) == 1
    asked(options=PredictionOptions(flips=True))
    asked(spec=target.spec.in_plane("axial"))
    asked(compute=ComputeOptions("cuda:0"))
    slicer.util.arrayFromVolumeModified(target.volume_node)
    asked(compute=ComputeOptions("cuda:0"))
    assert len(looks) == 5


def test_comparing_needs_a_segment_of_this_model_and_a_reference(session, target):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    with pytest.raises(InputError, match="segment first"):
        session.compare(target, node, node)
    session.segment(target)
    ends(session, np.ones(SHAPE, np.uint8))
    result = slicer.mrmlScene.GetNthNodeByClass(1, "vtkMRMLSegmentationNode")
    with pytest.raises(InputError, match="reference segmentation is empty"):
        session.compare(target, result, node)


def test_closing_in_the_middle_takes_the_preview_away(session, target, scene):
    session.segment(target)
    session.close()
    assert scene.GetNumberOfNodesByClass("vtkMRMLLabelMapVolumeNode") == 0
    assert worker_of(session).closed == 1
    assert session.poll() == []


@pytest.mark.parametrize("slices", [(0, 99), (4, 2), (-1, 3)])
def test_a_slice_range_that_is_none(session, target, slices):
    with pytest.raises(InputError, match="slices 0 to 5"):
        session.region(target, None, slices)


def test_the_whole_volume_is_no_region(session, target):
    assert session.region(target, None, (0, None)) is None
    assert session.region(target, None, (0, 5)) is None
    assert session.region(target, None, (1, None)).start == (1, 0, 0)
