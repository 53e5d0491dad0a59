"""`attnseg cohort --ray`: shares of a cluster, what is told if it can't be, and two real nodes of which one is lost."""

import os
import socket
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from made_up.cohorts import assert_whole, write_scan

from AttnSegLib.__main__ import main
from AttnSegLib.cohort import on_ray, run
from AttnSegLib.cohort.cohort_folder import SETTINGS, CohortFolder, CohortSettings
from AttnSegLib.cohort.on_ray import ClusterWork
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.pipeline import CaseOutcome
from AttnSegLib.cohort.run import CohortRequest, run_cohort
from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.models.card_file import CARD, load_card

needs_ray = pytest.mark.skipif(on_ray.find_spec("ray") is None, reason="needs Ray")
SETTINGS_ = CohortSettings(attention=("none",))


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / "scans" / "a.nii.gz")


@pytest.fixture
def work(tmp_path, the_model_folder):
    spec = load_card(the_model_folder / CARD)
    out = tmp_path / "out"
    out.mkdir()
    CohortFolder(out).agree(SETTINGS_, [spec])
    return ClusterWork(out, (spec,), SETTINGS_, Compute("cpu"))


@pytest.mark.parametrize(
    ("nodes", "device", "shares"),
    [
        ([{"CPU": 8.0}, {"CPU": 4.0}, {"memory": 1e9}], "auto", (3, {"num_cpus": 4}, "cpu")),
        ([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}], "auto", (2, {"num_gpus": 1, "num_cpus": 1}, "cuda")),
        ([{"CPU": 1.0, "GPU": 2.0}, {"GPU": 4.0}], "cuda", (1, {"num_gpus": 1, "num_cpus": 1}, "cuda")),
        ([{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}], "cpu", (3, {"num_cpus": 4}, "cpu")),
    ],
)
def test_an_actor_has_a_gpu_or_as_many_cpus_as_the_smallest_node(nodes, device, shares):
    assert on_ray._shares(nodes, Compute(device)) == shares


def test_labels_in_8_bits_are_for_cpus_also_where_there_are_gpus():
    nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}]
    assert on_ray._shares(nodes, Compute(precision="int8")) == (3, {"num_cpus": 4}, "cpu")


@pytest.mark.parametrize(
    ("device", "told"), [("cuda", "has no GPU"), ("cuda:1", "Ray chooses which"), ("cpu", "no CPU")]
)
def test_a_device_that_the_cluster_has_not_is_refused(device, told):
    with pytest.raises(InputError, match=told):
        on_ray._shares([{"CPU": 4.0} if device == "cuda" else {}], Compute(device))


@pytest.mark.parametrize(("node", "device"), [({"CPU": 4.0}, "cpu"), ({"CPU": 4.0, "GPU": 1.0}, "cuda")])
def test_an_actor_computes_on_what_ray_gave_it(work, scan, monkeypatch, node, device):
    ray, crew = MagicMock(), MagicMock()
    ray.nodes.return_value = [{"Alive": True, "Resources": node}]
    monkeypatch.setattr(on_ray, "import_ray", lambda: ray)
    monkeypatch.setattr(on_ray, "_cluster", lambda _address: nullcontext(ray))
    monkeypatch.setattr(on_ray, "_Crew", crew)
    on_ray.run_on_ray("auto", replace(work, compute=Compute("auto", 4)), [CohortCase("a", scan)], print, print)
    hire = crew.call_args.args[1]
    assert hire.args[0].compute == Compute(device, 4)


@needs_ray
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nowhere", "is no address"),
        ("127.0.0.1:{port}", "There is no Ray cluster at"),
        ("auto", "There is no Ray cluster"),
    ],
)
def test_an_address_without_a_cluster(scan, tmp_path, a_model_folder, address, told, capsys, monkeypatch):
    def init(**_options):
        raise ConnectionError("Could not find any running Ray instance.\nMore.")

    import ray

    monkeypatch.setattr(ray, "init", init)
    with socket.socket() as unused:  # bound, and so nobody else's, but not listening
        unused.bind(("127.0.0.1", 0))
        address = address.format(port=unused.getsockname()[1])
        options = ["--model", str(a_model_folder), "--out", str(tmp_path / "out"), "--ray", address]
        assert main(["cohort", str(scan), *options]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1


def test_without_ray_nothing_is_begun(scan, tmp_path, a_model_folder, capsys, monkeypatch):
    monkeypatch.setattr(on_ray, "find_spec", lambda _name: None)
    options = ["--model", str(a_model_folder), "--out", str(tmp_path / "out"), "--ray", "auto"]
    assert main(["cohort", str(scan), *options]) == 2
    assert "pip install ray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_actor_does_cases_and_keeps_its_models(scan, work, monkeypatch):
    loaded = []
    keep = on_ray.WarmModel.of
    monkeypatch.setattr(on_ray.WarmModel, "of", lambda *given: loaded.append(given) or keep(*given))
    monkeypatch.setattr("AttnSegLib.results.run_files.no_picture", lambda: ["No picture."])
    actor = on_ray._CaseActor(work)
    actor.begin()
    first, second = (actor.work_on(CohortCase(name, scan)) for name in ("a", "b"))
    assert first.found == second.found != []
    assert len(loaded) == 1
    assert actor.work_on(CohortCase("c", scan.with_name("missing.nii.gz"))).failures.keys() == {""}


def test_a_node_without_the_model_or_the_folder_is_told_by_name(work, tmp_path):
    elsewhere = replace(work, specs=(replace(work.specs[0], folder=tmp_path / "nowhere"),))
    with pytest.raises(InputError, match=f"On node '{socket.gethostname()}': .*weights"):
        on_ray._CaseActor(elsewhere).begin()
    (work.out / SETTINGS).unlink()
    with pytest.raises(InputError, match="all nodes find them"):
        on_ray._CaseActor(work).begin()


class MadeUpRay:
    """What a crew needs of Ray, in this process. An actor that has the case "poison" takes all that it has with it."""

    class exceptions:
        RayError = type("RayError", (Exception,), {})
        RayTaskError = type("RayTaskError", (RayError,), {})

    def __init__(self, *, has_room=True):
        self.running, self.dead, self.waits, self.has_room = {}, set(), [], has_room

    def hire(self):
        actor = MagicMock()
        for method in (actor.begin, actor.work_on):
            method.remote.side_effect = lambda *cases: self.reference(actor, *cases)
        return actor

    def reference(self, actor, case=None):
        self.running[reference := object()] = actor, case
        if case is not None and case.name == "poison":
            self.dead.add(actor)
        return reference

    def wait(self, references, timeout):
        self.waits.append(timeout)
        if self.has_room or timeout is None:
            return references[:1], references[1:]
        return [], references

    def get(self, reference):
        actor, case = self.running.pop(reference)
        if actor in self.dead:
            raise self.exceptions.RayError
        return None if case is None else CaseOutcome(case)

    def kill(self, actor):
        assert actor in self.dead


@pytest.mark.parametrize("actors", [1, 2])
def test_a_case_that_ends_its_process_takes_no_other_with_it(actors):
    ray, outcomes = MadeUpRay(), []
    cases = [CohortCase(name, Path(name)) for name in ("a", "poison", "b", "c")]
    on_ray._Crew(ray, ray.hire, print, actors).run(cases, outcomes.append)
    assert sorted(one.case.name for one in outcomes) == ["a", "b", "c", "poison"]
    assert [one.case.name for one in outcomes if one.failures] == ["poison"]
    assert len(ray.dead) == 3


@pytest.mark.parametrize("has_room", [True, False])
def test_that_a_cluster_has_no_room_is_told_once(has_room):
    ray, outcomes, told = MadeUpRay(has_room=has_room), [], []
    cases = [CohortCase(name, Path(name)) for name in ("a", "poison", "b")]  # its one actor is lost three times
    on_ray._Crew(ray, ray.hire, told.append, 1).run(cases, outcomes.append)
    assert len(outcomes) == 3
    assert told == [on_ray._NO_ROOM] * (not has_room)
    assert ray.waits[0] == on_ray._LONG  # and for a case, however long it takes, nothing is told
    assert ray.waits[1] is None


class SlowWork(ClusterWork):
    """Predicting takes a while, so that a node has cases when it is lost."""

    def begin(self):
        work_on = super().begin()

        def slowly(case):
            time.sleep(0.4)
            return work_on(case)

        return slowly


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ray's clusters for tests are for Linux and macOS")
@pytest.mark.filterwarnings("ignore")
def test_two_nodes_of_which_one_is_lost(tmp_path, a_model_folder, monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 by default: on a busy machine the test would take minutes
    ray = on_ray.import_ray()
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(run, "ClusterWork", SlowWork)
    names = [f"case{number}" for number in range(10)]
    for seed, name in enumerate(names):
        write_scan(tmp_path / "scans" / f"{name}.nii.gz", seed)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other = cluster.add_node(num_cpus=1)
        told = []

        def tell(line):
            told.append(line)
            if line.startswith("[3/"):
                cluster.remove_node(other, allow_graceful=False)

        request = CohortRequest(
            (tmp_path / "scans",),
            (str(a_model_folder),),
            tmp_path / "out",
            ray=cluster.address,
            compute=Compute("cpu"),
            settings=SETTINGS_,
        )
        count = run_cohort(request, tell)
    finally:
        cluster.shutdown()
    assert (count.done, count.failed) == (10, 0)
    assert_whole(tmp_path / "out", names)
    ended = [line for line in told if line.startswith("[")]  # on a busy machine, nodes that begin late are told, too
    assert sorted(line.split()[1] for line in ended) == [f"{name}:" for name in names]
