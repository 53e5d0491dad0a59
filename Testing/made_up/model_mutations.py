"""Changed copies of a model, zipped as they are imported: fields of its card, bytes of card, weights and zip file."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from made_up.mutations import HOSTILE, Mutation
from made_up.tiny_model import write_model

CARD, WEIGHTS = "card.json", "weights.safetensors"
_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        7,
        255,
        2**31,
        2**63,
        2**70,
        0.5,
        -0.0,
        1e-300,
        1e308,
        float("nan"),
        float("inf"),
    ),
    *(
        [],
        {},
        [[]],
        [0],
        [1, 2],
        [1, 2, 3],
        {"a": 1},
        {"width": 2},
        "anunet",
        "axial",
        "../tiny",
        "tiny/..",
        "C:\\tiny",
    ),
    *("\x1b[31mred", "<b>bold</b>", "$x$", "a\nb", "é" * 300, "https://example.org/w", "file:///etc/passwd", *HOSTILE),
)

Files = dict[str, bytes]
_Change = Callable[[Files, random.Random], tuple[Files, bool]]


def model_mutations(count: int, seed: int) -> Iterable[Mutation]:
    """So many changed models, the first as it was. `is_told`: a checksum says that something is not what it was."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_model(Path(scratch) / "tiny")
        whole = {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS)}
    chance = random.Random(f"{seed} model")
    yield Mutation("0000_whole.zip", _zipped(whole), is_told=False)
    for number in range(1, count):
        change = chance.choices([_field, _two_fields, _card_bytes, _weights, _signed_weights], [9, 2, 2, 2, 5])[0]
        changed, is_told = change(dict(whole), chance)
        content = _zipped(changed)
        if chance.random() < 0.1:
            content, is_told = _bytes(content, chance), False  # the zip's own headers hold much that means nothing
        yield Mutation(f"{number:04}_{change.__name__[1:]}.zip", content, is_told)


def _zipped(files: Files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(f"tiny/{name}"), content)
    return packed.getvalue()


def _field(files: Files, chance: random.Random) -> tuple[Files, bool]:
    """One value of the card is another, or gone, or twice as many."""
    card = json.loads(files[CARD])
    holder, key = chance.choice(list(_places(card)))
    match chance.randrange(8):
        case 0:
            del holder[key]
        case 1:
            holder[key] = [holder[key]] * chance.choice([0, 2, 1000])
        case 2:
            holder[key] = _deep(holder[key], chance.choice([30, 200]))
        case _:
            holder[key] = chance.choice(_VALUES)
    return files | {CARD: json.dumps(card).encode()}, False


def _two_fields(files: Files, chance: random.Random) -> tuple[Files, bool]:
    return _field(_field(files, chance)[0], chance)


def _places(value: Any) -> Iterable[tuple[Any, Any]]:
    """Each object or list inside, with each of its keys or indices."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _deep(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def _card_bytes(files: Files, chance: random.Random) -> tuple[Files, bool]:
    return files | {CARD: _bytes(files[CARD], chance)}, False


def _weights(files: Files, chance: random.Random) -> tuple[Files, bool]:
    """Weights that are not those of the card."""
    changed = _bytes(files[WEIGHTS], chance)
    return files | {WEIGHTS: changed}, changed != files[WEIGHTS]


def _signed_weights(files: Files, chance: random.Random) -> tuple[Files, bool]:
    """Weights whose bytes or header were changed by whoever wrote the card, too."""
    weights = files[WEIGHTS]
    changed = _other_header(weights, chance) if chance.random() < 0.7 else _bytes(weights, chance)
    card = json.loads(files[CARD]) | {"sha256": hashlib.sha256(changed).hexdigest()}
    return {CARD: json.dumps(card).encode(), WEIGHTS: changed}, False


def _other_header(weights: bytes, chance: random.Random) -> bytes:
    (length,) = struct.unpack_from("<Q", weights)
    header = json.loads(weights[8 : 8 + length])
    holder, key = chance.choice(list(_places(header)))
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice([*_VALUES, "I8", "BF16", "I64", [0, 2**62], [2**62, 2**62], [4, 0], [-8, 8]])
    text = json.dumps(header).encode()
    return struct.pack("<Q", chance.choice([len(text)] * 6 + [0, 2**63, 2**64 - 1])) + text + weights[8 + length :]


def _bytes(content: bytes, chance: random.Random) -> bytes:
    """Some are others, or gone."""
    place = chance.randrange(len(content))
    match chance.randrange(4):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + content[place + chance.choice([1, 64]) :]
        case 2:
            return content[:place] + chance.randbytes(chance.choice([1, 4, 64])) + content[place:]
        case _:
            changed = bytearray(content)
            changed[place] ^= 1 << chance.randrange(8)
            return bytes(changed)
