"""Read damaged and hostile files by the thousand: python -m mutated_inputs --count 1000 (with Testing on the path).

Whole files of each format are changed at random: bits, blocks, lengths, fields of headers. Each is read in a child
process with a limit of time and memory, which names the file that it is at, so that a crash is known, too. What was
read is compared with the voxels of the whole file: where bytes under a checksum or a length were changed, nothing else
may come out.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from made_up.mutations import Mutation, a_ball, mutations, originals

HERE = Path(__file__).resolve().parent
SECONDS = 20.0  # of a processor, for one file
MEGABYTES = 64  # more than before, for one file: the whole ones hold 0.3
OUTCOMES = (
    "read as it was",
    "read otherwise",
    "refused",
    "accepted although damaged",
    "traceback",
    "crash",
    "hang",
    "memory",
)
BAD = OUTCOMES[3:]


CHILD = """
import json, os, resource, sys, time
from pathlib import Path
import numpy as np
import pydicom.pixels  # not to be counted as memory of the first file
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume
expected = np.load(sys.argv[1])
limit = int(sys.argv[2]) << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

def read(path):
    if path.suffix != ".zip":
        return read_volume(path).voxels
    from mutated_models import label_map
    return label_map(path)

for warm_up in sys.argv[3:]:  # what is loaded once is not to be counted as memory of the first file
    read(Path(warm_up))
for line in sys.stdin:
    path = Path(line.rstrip("\\n"))
    print(json.dumps({"begins": path.name}), flush=True)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    said = ""
    try:
        outcome = "same" if np.array_equal(read(path), expected) else "other"
    except InputError as error:
        outcome, said = "refused", str(error)
    except BaseException as error:
        outcome, said = "traceback", repr(error)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds = time.process_time() - start
    print(json.dumps({"ends": outcome, "said": said, "megabytes": grown, "seconds": seconds}), flush=True)
"""


@dataclass(frozen=True)
class Trial:
    """What whole files hold, and how much more memory, in MB, a changed one may need. address_space: GiB, of all;
    warm_up: names of files to read first."""

    expected: np.ndarray
    megabytes: int = MEGABYTES
    address_space: int = 4
    warm_up: tuple[str, ...] = ()


def outcomes(found: list[Mutation], trial: Trial | None = None) -> list[tuple[str, str]]:
    """What became of each mutation, one of `OUTCOMES`, and what was said."""
    trial = trial or Trial(a_ball())
    results: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "expected.npy", trial.expected)
        for mutation in found:
            (folder / mutation.name).write_bytes(mutation.content)
        while len(results) < len(found):
            results += _read_in_child(found[len(results) :], folder, trial)
    return results


def _read_in_child(found: list[Mutation], folder: Path, trial: Trial) -> list[tuple[str, str]]:
    """Of as many as a child gets through: it ends with a crash or a hang."""
    names = "".join(f"{folder / mutation.name}\n" for mutation in found)
    command = [sys.executable, "-c", CHILD, str(folder / "expected.npy"), str(trial.address_space)]
    command += [str(folder / name) for name in trial.warm_up]
    paths = os.pathsep.join((str(HERE), str(HERE.parent)))
    with (folder / "names").open("w+") as source:
        source.write(names)
        source.seek(0)
        pipe = subprocess.PIPE
        surroundings = os.environ | {"PYTHONPATH": paths, "ATTNSEG_MODELS": str(folder / "Models")}
        child = subprocess.Popen(command, stdin=source, stdout=pipe, stderr=pipe, text=True, env=surroundings)
    results: list[tuple[str, str]] = []
    hung = threading.Event()
    watch = _Watch(child, hung)
    for line in child.stdout or ():
        watch.seen()
        message = json.loads(line)
        if "ends" in message:
            results.append(_outcome(message, found[len(results)], trial))
    watch.stop()
    said = child.communicate()[1]
    if child.returncode and len(results) < len(found):
        results.append(("hang", "") if hung.is_set() else ("crash", f"exit code {child.returncode}: {said[-500:]}"))
    elif said.strip():
        results[-1] = ("traceback", f"on standard error: {said[-500:]}")
    return results


class _Watch:
    """Ends a child that says nothing for too long."""

    def __init__(self, child: subprocess.Popen, hung: threading.Event):
        self._child, self._hung = child, hung
        self._timer = self._started()

    def _started(self) -> threading.Timer:
        timer = threading.Timer(100 + SECONDS, self._end)  # the first seconds are for the imports
        timer.daemon = True
        timer.start()
        return timer

    def _end(self) -> None:
        self._hung.set()
        self._child.kill()

    def seen(self) -> None:
        self._timer.cancel()
        self._timer = self._started()

    def stop(self) -> None:
        self._timer.cancel()


def _outcome(message: dict, mutation: Mutation, trial: Trial) -> tuple[str, str]:
    said = message["said"]
    if message["seconds"] > SECONDS:
        return "hang", f"{message['seconds']:.0f} s"
    if message["megabytes"] > trial.megabytes:
        return "memory", f"{message['megabytes']:.0f} MB"
    if message["ends"] == "refused" and ("\n" in said or not said.endswith(".")):
        return "traceback", said
    if message["ends"] == "other" and mutation.is_told:
        return "accepted although damaged", ""
    return {"same": "read as it was", "other": "read otherwise"}.get(message["ends"], message["ends"]), said


def main() -> int:
    """Command line; returns how many outcomes are bad, at most 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="files in all (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print_header()
    bad = 0
    for whole in (wholes := originals()):
        bad += print_outcomes(whole.name, list(mutations(whole, -(-options.count // len(wholes)), options.seed)))
    return min(bad, 1)


def print_header() -> None:
    """Of the table of outcomes."""
    print(f"{'':20}" + "".join(f"{outcome:>27}" for outcome in OUTCOMES))


def print_outcomes(name: str, found: list[Mutation], trial: Trial | None = None) -> int:
    """A row of the table, and what went wrong; returns how much."""
    results = outcomes(found, trial)
    counts = collections.Counter(outcome for outcome, _ in results)
    print(f"{name:20}" + "".join(f"{counts[outcome]:27}" for outcome in OUTCOMES))
    for mutation, (outcome, said) in zip(found, results, strict=True):
        if outcome in BAD:
            print(f"  {mutation.name}: {outcome} {said}")
    return sum(counts[outcome] for outcome in BAD)


if __name__ == "__main__":
    raise SystemExit(main())
