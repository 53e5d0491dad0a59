"""What `make bench` compares says the same, and what does not gets no time. Times themselves are not tested."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch

from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.catalog import find_model
from AttnSegLib.networks import cost
from Testing.benchmarks.measuring import inputs
from Testing.benchmarks.measuring.turns import in_turns
from Testing.benchmarks.network_alone import roofline
from Testing.benchmarks.others import compare, peers, plot
from Testing.benchmarks.others.contest import Contest
from Testing.benchmarks.others.peers import Peer, Setting
from Testing.benchmarks.others.tables import Agreement
from Testing.benchmarks.whole_runs import around

CPU = torch.device("cpu")
EVERYBODY = pytest.mark.parametrize(
    "peer",
    [
        pytest.param(peer, id=peer.name, marks=[pytest.mark.slow] if peer == peers.ONNX_RUNTIME else [])  # its export
        for peer in peers.ALL
        if peer.precision == "float32"
    ],
)


@pytest.fixture(scope="module")
def a_contest():
    """Three slices of 64 x 64 pixels and a very narrow ANU-Net."""
    case = inputs.mr(3, 64)
    network = inputs.a_network("anunet", width=4)
    return Contest("anunet", network, case, Setting.of(case, CPU, threads=1), rounds=1)


def only_row_of(table, peer):
    return next(row for row in table.rows if row.peer == peer.name)


@pytest.mark.slow
@EVERYBODY
def test_the_network_alone_says_the_same(a_contest, peer):
    if peer.why_not(CPU):
        pytest.skip(peer.why_not(CPU))
    row = only_row_of(a_contest.network_alone([peer]), peer)
    assert row.agreement.equal >= 0.999
    assert row.seconds.median > 0


@EVERYBODY
def test_the_files_say_the_same(a_contest, peer):
    if peer.why_not(CPU, files=True):
        pytest.skip(peer.why_not(CPU, files=True))
    row = only_row_of(a_contest.end_to_end([peer]), peer)
    assert row.agreement.equal >= 0.999
    assert row.seconds.median > 0


def test_small_slices_go_through_a_network_together(a_contest):
    setting, slices = a_contest.setting, torch.rand(20, 1, 64, 64)
    parts = list(setting.parts(slices))
    assert [len(part) for part in parts] == [16, 16]  # as many pixels as a slice of 256x256
    torch.testing.assert_close(torch.cat(parts)[:20], slices)


def test_a_shipped_models_slices_are_as_it_sees_them():
    spec = find_model("eccamunet-left_atrium-mr")
    case = inputs.as_seen(spec, 2)
    slices = case.slices()
    assert slices.shape == (2, 1, *case.organ.shape[1:])
    np.testing.assert_allclose(slices[:, 0], case.volume.voxels, atol=1e-6)
    assert 0 < case.organ.mean() < 0.2


def test_each_number_format_is_a_table_of_its_own(a_contest):
    bfloat16 = peers.in_bfloat16(peers.PAPERS)
    table = a_contest.network_alone([peers.PAPERS, dataclasses.replace(bfloat16, devices=("cuda",))])
    titles = [line for line in table.lines() if line.startswith("Network alone")]
    assert [title.rsplit(", ", 1)[1] for title in titles] == ["float32", "bfloat16"]


def test_an_output_that_differs_gets_no_time(a_contest, monkeypatch):
    def opposite(network, setting):
        logits = peers.PAPERS.network_alone(network, setting)
        return lambda slices: -logits(slices)

    monkeypatch.setattr("Testing.benchmarks.others.peers.ours.network_alone", opposite)
    table = a_contest.network_alone([peers.PAPERS, peers.OURS])
    row = only_row_of(table, peers.OURS)
    assert row.seconds is None
    assert any(line.startswith("  AttnSeg") and "differs" in line for line in table.lines())


def test_a_peer_that_can_not_be_run_so_gets_no_time(a_contest, monkeypatch):
    def refused(_network, _setting):
        def logits(_slices):
            raise peers.Refused("torch computed instead")

        return logits

    monkeypatch.setattr("Testing.benchmarks.others.peers.ours.network_alone", refused)
    table = a_contest.network_alone([peers.PAPERS, peers.OURS])
    assert only_row_of(table, peers.OURS).seconds is None
    assert only_row_of(table, peers.PAPERS).seconds is not None
    assert any(line.startswith("  AttnSeg") and "torch computed instead" in line for line in table.lines())


def test_a_peer_that_is_not_installed_is_in_the_table(a_contest):
    absent = Peer("somebody", "nowhere", needs=("no_such_module",))
    table = a_contest.network_alone([peers.PAPERS, absent])
    assert any("somebody" in line and "not installed: no_such_module" in line for line in table.lines())


def test_a_peer_of_another_device_is_in_the_table_too(a_contest):
    absent = Peer("somebody", "nowhere", devices=("cuda",))
    table = a_contest.network_alone([peers.PAPERS, absent])
    assert table.title.startswith("Network alone: ANU-Net, MR 64x64x3")
    assert any("somebody" in line and "compared on CUDA only" in line for line in table.lines())
    assert Peer("another", "nowhere", devices=("cpu",)).why_not(torch.device("cuda")) == "compared on the CPU only"


def test_agreement_counts_voxels_and_the_change_of_dice():
    organ = np.zeros((1, 10, 10), bool)
    organ[0, :5] = True
    labels = organ.copy()
    labels[0, 4] = False
    agreement = Agreement.of(labels, organ, organ)
    assert agreement.equal == pytest.approx(0.9)
    assert agreement.dice_change == pytest.approx(1 - 80 / 90)
    assert not agreement.enough


@pytest.mark.slow
@pytest.mark.parametrize("name", inputs.NETWORKS)
def test_the_made_up_networks_find_the_made_up_organ(name):
    """So that equal label maps mean something."""
    case = inputs.mr(2)
    network = inputs.a_network(name, width=4)
    with torch.inference_mode():
        labels = network(case.slices()).logits.argmax(1).numpy()
    share = labels.mean()
    assert 0.01 < share < 0.7
    assert labels[case.organ].mean() > 1.5 * labels[~case.organ].mean()


def test_turns_change_who_is_first_and_call_the_rare_once():
    called = []
    calls = {name: lambda name=name: called.append(name) for name in "abc"}
    times = in_turns(calls, 3, CPU, rare=["c"])
    assert called == [*"abc", *"ba", *"ab"]
    assert [len(times[name].runs) for name in "abc"] == [3, 3, 1]


def test_the_roofline_counts_what_the_cost_counts():
    found = roofline.operations("anunet", 64, torch.float32)
    macs = cost.measure_network("anunet", 64, num_classes=inputs.CLASSES).macs
    assert sum(operation.flops for operation in found) == 2 * macs


def test_floors_are_in_order():
    found = [roofline.Operation(flops=100, nbytes=10), roofline.Operation(flops=1, nbytes=100)]
    by_operations, by_layers = roofline.floors(found, roofline.Machine(peak=10.0, bandwidth=10.0))
    assert by_operations == pytest.approx(10.1)
    assert by_layers == pytest.approx(10 + 10)


def test_the_time_of_the_network_is_part_of_the_prediction(a_contest, tmp_path):
    file = tmp_path / "image.nii.gz"
    a_contest.case.write(file)
    predictor = SlicePredictor(copy.deepcopy(a_contest.network), a_contest.case.preprocessing, Compute("cpu"))
    steps = around.steps(predictor, file)
    assert 0 < steps["network"] < steps["predict"]
    assert (tmp_path / "image.nii.seg.nrrd").exists()


def test_every_network_has_an_extent():
    for name, quick, full in itertools.product(inputs.NETWORKS, (False, True), (False, True)):
        assert compare.extent(name, quick=quick, full=full).alone > 0


def test_the_plot_is_written(a_contest, tmp_path):
    plot.speeds([a_contest.network_alone([peers.PAPERS, peers.OURS])], "a machine", tmp_path / "speeds.png")
    assert (tmp_path / "speeds.png").stat().st_size > 1000
