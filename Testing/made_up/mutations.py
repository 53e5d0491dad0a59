"""Changed copies of whole NIfTI, NRRD, MetaImage and DICOM files: bits, blocks, lengths, fields of headers."""

from __future__ import annotations

import gzip
import random
import struct
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from made_up import dicom, files

HOSTILE = (
    *("", "0", "-1", "1", "2", "255", "65536", "4294967295", "18446744073709551616", "1e308", "-1e308", "nan", "inf"),
    *("x" * 2000, "9" * 400, "(nan,0,0)", "none", "LOCAL", "LIST", "../..", "/dev/zero", "%s%s%n", "\0", "\udcf6", ";"),
)


@dataclass(frozen=True)
class Whole:
    """A file to change. protected: first byte from which on a checksum tells of every change."""

    name: str
    content: bytes
    protected: int


@dataclass(frozen=True)
class Mutation:
    """A changed file. is_told: whether a checksum or a length says that its voxels are not what they were."""

    name: str
    content: bytes
    is_told: bool


def a_ball() -> np.ndarray:
    """A ball in noise, (40, 60, 60)."""
    k, j, i = np.ogrid[:40, :60, :60]
    ball = 200 * np.exp(-((i - 25) ** 2 + (j - 20) ** 2 + (k - 15) ** 2) / 120)
    return (ball + np.random.default_rng(0).normal(50, 5, (40, 60, 60))).astype("<i2")


def originals() -> list[Whole]:
    """One file of each format and packing."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, whole = Path(scratch), a_ball()
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
        for is_packed in (False, True):
            path = folder / f"packed_{is_packed}.dcm"
            dicom.write_enhanced(path, [(2 * k, {}) for k in range(len(whole))], whole)
            if is_packed:
                dicom.pack(path)
            found.append(Whole(path.name, path.read_bytes(), sys.maxsize))
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
    if whole.name.endswith("dcm"):
        return _dicom_bytes(whole, chance)
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
    changed = bytearray(files.nifti(a_ball(), version, **usual))
    place = (files.FIRST if version == 1 else files.SECOND)[name][0]
    struct.pack_into(f"<{form}", changed, place, *(value if isinstance(value, tuple) else (value,)))
    return (gzip.compress(changed) if whole.name.endswith("gz") else bytes(changed)), -1


def _dicom_bytes(whole: Whole, chance: random.Random) -> tuple[bytes, int]:
    """Lengths, tags and values that can't be, somewhere in the header."""
    end = whole.content.index(b"\xe0\x7f\x10\0")  # where the pixels begin
    content = bytearray(whole.content)
    for _ in range(chance.choice([1, 1, 2])):
        place = chance.randrange(132, end)
        hostile = chance.choice(
            [b"\xff\xff\xff\xff", b"\xf0\xff\xff\xff", b"\xff\x7f", b"\0\0", b"nan ", b"1e308", b"\\-9"]
        )
        content[place : place + len(hostile)] = hostile
    return bytes(content), 0
