"""Cases on a Ray cluster: actors keep the models warm, Ray places them and repeats what a lost node had begun.

Ray is the extra `cluster`. Sources, models and results must have the same paths on all nodes.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from AttnSegLib.cohort.cohort_folder import SETTINGS, CohortFolder, CohortSettings
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.pipeline import CaseOutcome, Pipeline
from AttnSegLib.cohort.steps import WarmModel
from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import IN_8_BITS
from AttnSegLib.models.card import ModelSpec

T = TypeVar("T")

_AT_ONCE = 2  # cases of an actor: while one is predicted, the other is read or written
_TRIES = 3  # of a case whose process or node is lost
_LOST = f"The process or node that worked on it was lost {_TRIES} times (out of memory?); try the scan alone."
_PATIENCE = 10.0  # seconds until an address that does not answer is given up; Ray itself would take minutes
_LONG = 30.0  # seconds without any actor until that is told
_NO_ROOM = (
    f"No node has begun for {_LONG:.0f} s; others may be using its CPUs or GPUs ('ray status' tells). Still waiting; "
    "after Ctrl-C the same command goes on."
)


@dataclass(frozen=True)
class ClusterWork:
    """What is done with each case; it travels to the nodes. out: the folder of the cohort."""

    out: Path
    specs: tuple[ModelSpec, ...]
    settings: CohortSettings
    compute: Compute

    def begin(self) -> Callable[[CohortCase], CaseOutcome]:
        """Load the models. What it gives may be called by several threads, and predicts one case at a time.

        Raises `InputError` as `WarmModel.of`, and where the folder is another one than the driver's.
        """
        if not (self.out / SETTINGS).is_file():
            raise InputError(f"'{self.out}' is not there; put the results where all nodes find them by this path.")
        turn = Lock()
        models = [replace(WarmModel.of(spec, self.settings, self.compute), turn=turn) for spec in self.specs]

        def work_on(case: CohortCase) -> CaseOutcome:
            outcomes: list[CaseOutcome] = []
            Pipeline(CohortFolder(self.out), models, self.settings, outcomes.append).run([case])
            return outcomes[0]

        return work_on


def run_on_ray(
    address: str,
    work: ClusterWork,
    cases: Sequence[CohortCase],
    ended: Callable[[CaseOutcome], None],
    tell: Callable[[str], None],
) -> None:
    """Do the cases on a cluster, one actor a GPU; where there is none, one for as many CPUs as the smallest node has.

    Args:
        address: "auto" (the cluster of this machine), "local" (a new one, on this machine alone) or HOST:PORT.
        work: what to do.
        cases: which.
        ended: gets the outcome of each, in the thread that calls.
        tell: gets a sentence if the cluster has no room for long.

    Raises:
        InputError: if Ray is missing or can't be reached, and for what concerns all cases, with the node's name.
    """
    import_ray()
    specs = tuple(replace(spec, folder=spec.folder.absolute()) for spec in work.specs)
    todo = [replace(case, image=case.image.absolute()) for case in cases]
    with _cluster(address) as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        count, resources, device = _shares(nodes, work.compute)
        compute = replace(work.compute, device=device)
        away = replace(work, out=work.out.absolute(), specs=specs, compute=compute)
        kind = ray.remote(max_concurrency=_AT_ONCE, scheduling_strategy="SPREAD", **resources)(_CaseActor)
        _Crew(ray, partial(kind.remote, away), tell, min(count, len(todo))).run(todo, ended)


def import_ray() -> Any:
    """The package. Raises `InputError` unless it is installed."""
    if find_spec("ray") is None:
        raise InputError("A cluster needs the Python package ray: pip install ray.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what is to come, which it warns of
    import ray

    return ray


class _CaseActor:
    """On a node, with its models."""

    def __init__(self, work: ClusterWork):
        self._work = work

    def begin(self) -> None:
        self._do = self._naming_node(self._work.begin)

    def work_on(self, case: CohortCase) -> CaseOutcome:
        return self._naming_node(partial(self._do, case))

    @staticmethod
    def _naming_node(step: Callable[[], T]) -> T:
        try:
            return step()
        except InputError as error:
            raise InputError(f"On node '{socket.gethostname()}': {error}") from None


class _Crew:
    """Actors, and what each is at. Ray makes them where there is room; each then has no more than it can work on.

    One that is lost, with its process or its node, is replaced, and its cases come last, one at a time.
    """

    def __init__(self, ray: Any, kind: Callable[[], Any], tell: Callable[[str], None], count: int):
        self._ray, self._kind, self._tell = ray, kind, tell
        self._has_told = False
        self._waits: dict[Any, tuple[Any, CohortCase | None]] = {}  # by reference: an actor and its case, or it begins
        self._free: list[Any] = []  # actors, once for each further case that they can take
        self._lost: set[Any] = set()
        self._losses: Counter[CohortCase | None] = Counter()
        for _ in range(count):
            self._hire()

    def run(self, cases: Sequence[CohortCase], ended: Callable[[CaseOutcome], None]) -> None:
        """As `run_on_ray`."""
        todo = deque(cases)
        while todo or any(case is not None for _, case in self._waits.values()):
            while todo and (actor := self._take_actor(todo[0])) is not None:
                case = todo.popleft()
                self._waits[actor.work_on.remote(case)] = actor, case
            outcome = self._next(todo)
            if outcome is not None:
                ended(outcome)

    def _take_actor(self, case: CohortCase) -> Any | None:
        """One that has room for a case, which is the case's now; None if there is none."""
        room = self._room(case)
        actor = next((one for one in self._free if self._free.count(one) >= room), None)
        if actor is not None:
            for _ in range(room):
                self._free.remove(actor)
        return actor

    def _room(self, case: CohortCase | None) -> int:
        """Of an actor: all when it begins, and for a case that was lost before, lest it take another with it."""
        return _AT_ONCE if case is None or self._losses[case] else 1

    def _next(self, todo: deque[CohortCase]) -> CaseOutcome | None:
        """Wait for whatever comes next; None if that is no outcome. A case that was lost comes last."""
        actor, case = self._waits.pop(reference := self._first())
        try:
            outcome: CaseOutcome | None = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, InputError) else error from None
        except self._ray.exceptions.RayError as error:
            self._replace(actor)
            return self._go_on_without(case, todo, error)
        if actor not in self._lost:
            self._free += [actor] * self._room(case)
        self._losses[case] = 0
        return outcome

    def _first(self) -> Any:
        """The reference that ends first. If no actor is there for long, that is told, once."""
        begins = not self._has_told and all(case is None for _, case in self._waits.values())
        ended, _ = self._ray.wait(list(self._waits), timeout=_LONG if begins else None)
        if not ended:
            self._has_told = True
            self._tell(_NO_ROOM)
            ended, _ = self._ray.wait(list(self._waits), timeout=None)
        return ended[0]

    def _go_on_without(self, case: CohortCase | None, todo: deque[CohortCase], error: Exception) -> CaseOutcome | None:
        self._losses[case] += 1
        if case is None and self._losses[None] >= _TRIES:
            last = str(error).strip().splitlines()[-1]
            raise InputError(f"No node can begin ({last}); is the same AttnSeg installed on all of them?") from error
        if case is not None and self._losses[case] >= _TRIES:
            return CaseOutcome(case, {"": _LOST})
        if case is not None:
            todo.append(case)
        return None

    def _hire(self) -> None:
        actor = self._kind()
        self._waits[actor.begin.remote()] = actor, None

    def _replace(self, actor: Any) -> None:
        """Once: each of its cases tells that an actor is lost."""
        if actor not in self._lost:
            self._lost.add(actor)
            self._free = [other for other in self._free if other != actor]
            self._ray.kill(actor)
            self._hire()


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    ray = import_ray()
    about = f"There is no Ray cluster at '{address}'"
    if address not in ("auto", "local"):
        _check_answers(address, about)
    place: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(address=address, configure_logging=False, log_to_driver=False, **place)
        for number, handler in handlers.items():  # Ray's would end the process before the table is written
            signal.signal(number, handler)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{about} ({first}); start one with 'ray start --head', or give --ray local.") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str, about: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        raise InputError(f"'{address}' is no address of a Ray cluster; give auto, local or HOST:PORT.")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"{about} ({error}); correct the address, or start it with 'ray start --head'.") from error


def _shares(nodes: Sequence[dict[str, float]], compute: Compute) -> tuple[int, dict[str, int], str]:
    """How many actors, what each needs, and the device that it takes: left to itself, it would take a GPU that it was
    not given, or compute on one CPU although it was. nodes: the resources of each. Raises `InputError` if nothing fits.
    """
    device = "cpu" if (compute.device, compute.precision) == ("auto", IN_8_BITS) else compute.device
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"On Ray the device is auto, cpu or cuda, not '{device}'; Ray chooses which.")
    gpus = sum(int(min(node.get("GPU", 0), node.get("CPU", 0))) for node in nodes)  # each needs a CPU, too
    if gpus and device != "cpu":
        return gpus, {"num_gpus": 1, "num_cpus": 1}, "cuda"
    cpus = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if device == "cuda" or not cpus:
        raise InputError(f"The Ray cluster has no {'GPU' if device == 'cuda' else 'CPU'}; give another --device.")
    each = min(cpus)
    return sum(count // each for count in cpus), {"num_cpus": each}, "cpu"
