"""Reads and writes `card.json`, the file of a model's card.

A card may come from anyone. So every field is checked when it is read, and one sentence says what is wrong.
Standard library only, so that listing models is instant.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from AttnSegLib.errors import InputError
from AttnSegLib.models.card import Label, ModelSpec, are_numbered, fit_classes
from AttnSegLib.typed_json import from_json, to_json

CARD = "card.json"
FORMAT = 1  # of the file; increase it for a change that an older reader would misunderstand
_LONGEST = 10 * 2**20  # bytes; a card with the scores of a thousand cases is far smaller
_LONGEST_REASON = 200  # characters
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")  # on no system a path to another folder
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode categories of characters that control a terminal or break lines
_OF_TERMINOLOGIES = set("^~|")  # Slicer separates codes by these
_MOST_OF_AN_OPTION = 1024  # levels, steps or channels of a network


def load_card(path: Path, called: str = "") -> ModelSpec:
    """Read a card. Keys that are not known are left out.

    Args:
        path: the file.
        called: how messages name the card, such as "in 'model.zip'"; by default, they name its folder.

    Raises:
        InputError: if the card can't be read, is damaged, or has a newer format.
    """
    called = called or f"of model '{path.parent.name}'"
    try:
        content = _content(path)
        if content["format"] > FORMAT:
            spec = None
        else:
            spec = from_json(ModelSpec, content, folder=path.parent)
            _check(spec)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"The card {called} is damaged ({_reason(error)}); get the model again.") from error
    if spec is None:
        raise InputError(f"The card {called} has a newer format than this AttnSeg can read; update AttnSeg.")
    if spec.size_bytes is None and spec.is_available:
        return replace(spec, size_bytes=spec.weights_path.stat().st_size)
    return spec


def write_card(spec: ModelSpec, folder: Path) -> None:
    """Write a model's card into a folder."""
    text = json.dumps({"format": FORMAT} | to_json(spec), indent=2, allow_nan=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def _content(path: Path) -> dict[str, Any]:
    """The JSON of a card. Raises `OSError` if it can't be read, and `ValueError` if the file is no card."""
    if path.stat().st_size > _LONGEST:
        raise ValueError("it is too large")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(content, dict) or type(content.get("format")) is not int or content["format"] < 1:
        raise ValueError("it has no format number")
    return content


def _reason(error: Exception) -> str:
    """The reason to put into the message, without a full stop."""
    if isinstance(error, OSError):
        return "it can't be read"
    reason = str(error)[:_LONGEST_REASON]
    return reason if reason.endswith("...") else reason.removesuffix(".")


def _check(spec: ModelSpec) -> None:
    """Raises `ValueError` for values that have the right type but make no sense."""
    if not all(map(_can_be_shown, _texts(to_json(spec)))):  # first, since the messages below show some of these texts
        raise ValueError("a text in it holds characters that can't be shown")
    _check_places(spec)
    check_labels(spec.labels)
    _check_network(spec)


def _check_places(spec: ModelSpec) -> None:
    """Raises `ValueError` if a name leads out of the model's folder, or if the address is not https."""
    if not _PLAIN_NAME.fullmatch(spec.id) or not _PLAIN_NAME.fullmatch(spec.weights):
        raise ValueError("its id and its weights must be plain names")
    if not re.fullmatch(r"[0-9a-f]{64}", spec.sha256):
        raise ValueError("its sha256 must be 64 hexadecimal digits")
    if spec.url and not (re.fullmatch(r"https://[!-~]+", spec.url) and urlsplit(spec.url).hostname):
        raise ValueError("its url must be an https one")


def check_labels(labels: Sequence[Label]) -> None:
    """Raises `ValueError` for labels that a card or a collection can't have."""
    if not are_numbered(labels):
        raise ValueError("its labels must be numbered 1, 2, ...")
    if len({label.id for label in labels}) < len(labels) or not all(label.name.strip() for label in labels):
        raise ValueError("its labels must have names, each another one")
    for label in labels:
        for code in (label.category, label.type, label.modifier):
            if code and _OF_TERMINOLOGIES & {*code.scheme, *code.value, *code.meaning}:
                raise ValueError("the codes of its labels must be without ^, ~ and |")


def _check_network(spec: ModelSpec) -> None:
    if not all(1 <= value <= _MOST_OF_AN_OPTION for value in spec.options.values() if type(value) is int):
        raise ValueError(f"whole numbers in the options of its network must be from 1 to {_MOST_OF_AN_OPTION}")
    classes = spec.options.get("num_classes", 1)
    if not fit_classes(spec.labels, classes):
        raise ValueError(f"it has {len(spec.labels)} label(s), and its network {classes!r} class(es)")
    given, taken = spec.preprocessing.in_channels, spec.options.get("in_channels", 1)
    if given != taken:
        raise ValueError(f"its preprocessing gives slices of {given} channel(s), and its network takes {taken!r}")
    if not {*spec.attention, *spec.facts.queries} <= {*spec.facts.maps}:
        raise ValueError("its attention or its queries are not among its maps")
    if spec.influence and not {one.map for one in spec.influence.maps} <= {*spec.facts.maps}:
        raise ValueError("its influence is of maps that it does not have")


def _can_be_shown(text: str) -> bool:
    """Whether a text can be printed on one line, and does not control the terminal."""
    return text.isprintable() or not any(unicodedata.category(character) in _UNPRINTABLE for character in text)


def _texts(content: Any) -> Iterator[str]:
    """All texts in a result of `to_json`, including keys."""
    if isinstance(content, str):
        yield content
    if isinstance(content, dict):
        yield from content
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _texts(part)
