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
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from made_up import files

HERE = Path(__file__).resolve().parent
SECONDS = 20.0  # for one file
MEGABYTES = 64  # more than before, for one file: the whole ones hold 0.3
HOSTILE = (
    *("", "0", "-1", "1", "2", "255", "65536", "4294967295", "18446744073709551616", "1e308", "-1e308", "nan", "inf"),
    *("x" * 2000, "9" * 400, "(nan,0,0)", "none", "LOCAL", "LIST", "../..", "/dev/zero", "%s%s%n", "\0", "\udcf6", ";"),
)
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


@dataclass(frozen=True)
class Whole:
    """A file to change. protected: first byte from which on a checksum tells of every change; length_is_told: whether
    the header says how long the file is."""

    name: str
    content: bytes
    protected: int
    beside: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Mutation:
    """A changed file. is_told: whether a checksum or a length says that its voxels are not what they were."""

    name: str
    content: bytes
    is_told: bool


def voxels() -> np.ndarray:
    """A ball in noise, (40, 60, 60)."""
    k, j, i = np.ogrid[:40, :60, :60]
    ball = 200 * np.exp(-((i - 25) ** 2 + (j - 20) ** 2 + (k - 15) ** 2) / 120)
    return (ball + np.random.default_rng(0).normal(50, 5, (40, 60, 60))).astype("<i2")


def originals() -> list[Whole]:
    """One file of each format and packing."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, whole = Path(scratch), voxels()
        for name, version in (("1.nii", 1), ("1.nii.gz", 1), ("2.nii.gz", 2)):
            path = files.write_nifti(folder / name, whole, version, qform_code=1, qoffset=files.SFORM[3::4])
            found.append(Whole(name, path.read_bytes(), 0 if name.endswith("gz") else sys.maxsize))
        for packing in files.PACKERS:
            path = files.write_nrrd(folder / f"{packing}.nrrd", whole, packing)
            start = path.read_bytes().index(b"\n\n") + 2
            found.append(Whole(path.name, path.read_bytes(), sys.maxsize if packing == "raw" else start))
        for is_packed in (False, True):
            path = files.write_meta(folder / f"packed_{is_packed}.mha", whole, is_packed)
            start = path.read_bytes().index(b"LOCAL\n") + 6
            found.append(Whole(path.name, path.read_bytes(), start if is_packed else sys.maxsize))
    return found


def mutations(whole: Whole, count: int, seed: int) -> Iterable[Mutation]:
    """So many changed files."""
    chance = random.Random(f"{seed} {whole.name}")
    kinds: list[Callable[[Whole, random.Random], tuple[bytes, int]]] = [_bits, _block, _cut, _longer, _moved, _header]
    weights = [3, 2, 1, 1, 1, 6]
    for number in range(count):
        content, first = chance.choices(kinds, weights)[0](whole, chance)
        is_told = first >= whole.protected or abs(len(content) - len(whole.content)) > _SLACK
        yield Mutation(f"{number:04}_{whole.name}", content, is_told and content != whole.content)


_SLACK = 4000  # bytes that headers may grow by, and that may follow the voxels; a slice has more


def _bits(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    content = bytearray(whole.content)
    places = [_place(whole, chance) for _ in range(chance.choice([1, 1, 1, 3]))]
    for place in places:
        content[place] ^= 1 << chance.randrange(8)
    return bytes(content), min(places)


def _block(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    place, length = _place(whole, chance), chance.choice([4, 64, 4096])
    filling = chance.choice([bytes(length), b"\xff" * length, chance.randbytes(length)])
    content = whole.content[:place] + filling + whole.content[place + length :]
    return content[: len(whole.content)], place


def _cut(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    place = _place(whole, chance)
    return whole.content[:place], place


def _longer(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    return whole.content + chance.choice([bytes(9000), chance.randbytes(9000), whole.content]), len(whole.content)


def _moved(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    place, lost = _place(whole, chance), chance.choice([1, 2, 512])
    return whole.content[:place] + whole.content[place + lost :], place


def _place(whole: Whole, chance: random.Random) -> int:
    """In the header as often as behind it."""
    return chance.randrange(chance.choice([min(600, len(whole.content)), len(whole.content)]))


def _header(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    if ".nii" in whole.name:
        return _nifti_field(whole, chance)
    start = whole.content.index(b"LOCAL\n" if whole.name.endswith("mha") else b"\n\n")
    lines = whole.content[:start].split(b"\n")
    number = chance.randrange(len(lines))
    words = lines[number].split(b" ")
    hostile = chance.choice(HOSTILE).encode("utf-8", "surrogateescape")
    match chance.randrange(5):
        case 0:
            del lines[number]
        case 1:
            lines.insert(number, lines[number])
        case 2:
            lines[number] += b" " + hostile
        case _:
            words[chance.randrange(len(words))] = hostile
            lines[number] = b" ".join(words)
    return b"\n".join(lines) + whole.content[start:], 0


def _nifti_field(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    version = int(whole.name[0])
    form = (files.FIRST if version == 1 else files.SECOND)[name := chance.choice(sorted(files.FIRST))][1]
    many, kind = int(form[:-1] or 1), form[-1]
    if kind == "s":
        value: object = chance.randbytes(many)
    elif kind in "fd":
        hostile = [0.0, -1.0, 1e-30, 1e30, 3e38, float("nan"), float("inf")]
        value = tuple(chance.choice(hostile) for _ in range(many)) if many > 1 else chance.choice(hostile)
    else:
        hostile = [0, 1, 2, 3, 100, 127] if kind == "B" else [0, 1, -1, 2, 7, 40, 59, 61, 32767]
        value = tuple(chance.choice(hostile) for _ in range(many)) if many > 1 else chance.choice(hostile)
    usual = {"qform_code": 1, "qoffset": files.SFORM[3::4]}
    changed = bytearray(files.nifti(voxels(), version, **usual))
    place = (files.FIRST if version == 1 else files.SECOND)[name][0]
    files.struct.pack_into(f"<{form}", changed, place, *(value if isinstance(value, tuple) else (value,)))
    return (files.gzip.compress(changed) if whole.name.endswith("gz") else bytes(changed)), -1


CHILD = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume
expected = np.load(sys.argv[1])
limit = 4 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for line in sys.stdin:
    path = Path(line.rstrip("\\n"))
    print(json.dumps({"begins": path.name}), flush=True)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    said = ""
    try:
        volume = read_volume(path)
        is_same = np.array_equal(volume.voxels, expected)
        outcome = "same" if is_same else "other"
    except InputError as error:
        outcome, said = "refused", str(error)
    except BaseException as error:
        outcome, said = "traceback", repr(error)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds = time.monotonic() - start
    print(json.dumps({"ends": outcome, "said": said, "megabytes": grown, "seconds": seconds}), flush=True)
"""


def outcomes(found: list[Mutation]) -> list[tuple[str, str]]:
    """What became of each mutation, one of `OUTCOMES`, and what was said."""
    results: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "expected.npy", voxels())
        for mutation in found:
            (folder / mutation.name).write_bytes(mutation.content)
        while len(results) < len(found):
            results += _read_in_child(found[len(results) :], folder)
    return results


def _read_in_child(found: list[Mutation], folder: Path) -> list[tuple[str, str]]:
    """Of as many as a child gets through: it ends with a crash or a hang."""
    names = "".join(f"{folder / mutation.name}\n" for mutation in found)
    command = [sys.executable, "-c", CHILD, str(folder / "expected.npy")]
    with (folder / "names").open("w+") as source:
        source.write(names)
        source.seek(0)
        pipe = subprocess.PIPE
        child = subprocess.Popen(command, stdin=source, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent)
    results: list[tuple[str, str]] = []
    hung = threading.Event()
    watch = _Watch(child, hung)
    for line in child.stdout or ():
        watch.seen()
        message = json.loads(line)
        if "ends" in message:
            results.append(_outcome(message, found[len(results)]))
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
        timer = threading.Timer(60 + SECONDS, self._end)  # the first seconds are for the imports
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


def _outcome(message: dict, mutation: Mutation) -> tuple[str, str]:
    said = message["said"]
    if message["seconds"] > SECONDS:
        return "hang", f"{message['seconds']:.0f} s"
    if message["megabytes"] > MEGABYTES:
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
    wholes, bad = originals(), 0
    print(f"{'':20}" + "".join(f"{outcome:>27}" for outcome in OUTCOMES))
    for whole in wholes:
        found = list(mutations(whole, -(-options.count // len(wholes)), options.seed))
        results = outcomes(found)
        counts = collections.Counter(outcome for outcome, _ in results)
        print(f"{whole.name:20}" + "".join(f"{counts[outcome]:27}" for outcome in OUTCOMES))
        for mutation, (outcome, said) in zip(found, results, strict=True):
            if outcome in BAD:
                print(f"  {mutation.name}: {outcome} {said}")
        bad += sum(counts[outcome] for outcome in BAD)
    return min(bad, 1)


if __name__ == "__main__":
    raise SystemExit(main())
