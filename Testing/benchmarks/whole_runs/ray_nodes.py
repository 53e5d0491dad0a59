"""Two nodes of a Ray cluster against one: python -m Testing.benchmarks.whole_runs.ray_nodes

Promised: 1.8 times as many cases. A model sleeps half a second a case, so that any machine has cores enough for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from AttnSegLib.cohort.cohort_folder import CohortSettings
from AttnSegLib.cohort.on_ray import ClusterWork, import_ray, run_on_ray
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.pipeline import CaseOutcome
from AttnSegLib.inference.device import Compute

_SECONDS = 0.5


class _Sleep(ClusterWork):
    def begin(self) -> Callable[[CohortCase], CaseOutcome]:
        turn = Lock()

        def work_on(case: CohortCase) -> CaseOutcome:
            with turn:
                time.sleep(_SECONDS)
            return CaseOutcome(case)

        return work_on


def main() -> None:
    """Print seconds from the first case that ended to the last, of one node and of two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=60)
    cases = parser.parse_args().cases
    one, two = (_seconds(nodes, cases) for nodes in (1, 2))
    print(f"{cases} cases of {_SECONDS} s: one node {one:.1f} s, two nodes {two:.1f} s, {one / two:.2f} times as fast")


def _seconds(nodes: int, count: int) -> float:
    import_ray()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1)
    ended: list[float] = []
    work = _Sleep(Path(), (), CohortSettings(), Compute("cpu"))
    cases = [CohortCase(f"case{number}", Path()) for number in range(count)]
    try:
        run_on_ray(cluster.address, work, cases, lambda _outcome: ended.append(time.perf_counter()), print)
    finally:
        cluster.shutdown()
    return ended[-1] - ended[0]


if __name__ == "__main__":
    main()
