"""Dataclasses to JSON and back. What comes back is checked by the types of its fields, so that nothing else gets in.

Needs only the standard library.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

OUTSIDE = {"outside": True}  # metadata of a field that is not in the JSON: whoever reads it gives its value
_DEEPEST = 20  # lists and objects in one another, where the type says nothing of the content
_LARGEST_WHOLE = 2**63

T = TypeVar("T")


@dataclass(frozen=True)
class Between:
    """What a number must keep to: `Annotated[int, Between(0, 255)]`. Both ends belong to it."""

    low: float
    high: float

    def check(self, value: float | None, where: str) -> None:
        """Raises `ValueError` for a number that is not within."""
        if value is not None and not self.low <= value <= self.high:
            raise ValueError(f"{where} must be from {self.low:g} to {self.high:g}")


def to_json(value: Any) -> Any:
    """What `json.dumps` takes: tuples become lists, and dataclasses objects without those fields that are `OUTSIDE`."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    kind: Any = type(value)
    return {one.name: to_json(getattr(value, one.name)) for one in _inside(kind)}


def from_json(kind: type[T], value: Any, **outside: Any) -> T:
    """The dataclass that `to_json` made this of; keys that it does not know are left out.

    Args:
        kind: the dataclass. Its fields may be of None, bool, int, float, str, other such dataclasses, tuples, dicts
            with texts or whole numbers as keys, `Any` for whatever JSON can hold, unions of these, and numbers within
            `Between`.
        value: what `json.loads` gave.
        outside: values of the fields that are `OUTSIDE`.

    Raises:
        ValueError: names the first field that is missing or not of its type. Nothing of the value is in the message.
    """
    made: T = _read_object(kind, value, "", outside)
    return made


def _read(kind: Any, value: Any, where: str) -> Any:
    if kind in _SIMPLE:
        return _SIMPLE[kind](value, where)
    origin = get_origin(kind)
    if origin is Annotated:
        kind, *limits = get_args(kind)
        made = _read(kind, value, where)
        for limit in limits:
            limit.check(made, where)
        return made
    if origin in (Union, types.UnionType):
        return _read_one_of(get_args(kind), value, where)
    if origin is tuple:
        return _read_tuple(get_args(kind), value, where)
    if origin is dict:
        return _read_dict(get_args(kind), value, where)
    return _read_object(kind, value, where, {})


def _read_object(kind: Any, value: Any, where: str, outside: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where or 'the whole'} must be an object")
    types_of_fields, found = _types(kind), dict(outside)
    for one in _inside(kind):
        place = f"{where}.{one.name}" if where else one.name
        if one.name in value:
            found[one.name] = _read(types_of_fields[one.name], value[one.name], place)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{place} is missing")
    return kind(**found)


def _read_one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    *others, last = [kind for kind in kinds if kind is not types.NoneType]
    for kind in others:
        try:
            return _read(kind, value, where)
        except ValueError:
            continue
    return _read(last, value, where)


def _read_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} must be a list")
    if kinds[1:] == (...,):
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{where} must be a list of {len(kinds)}")
    return tuple(
        _read(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _read_dict(kinds: tuple[Any, ...], value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object")
    key_of = _whole_key if kinds[0] is int else _text
    found = {}
    for number, (key, item) in enumerate(value.items()):
        found[key_of(key, where)] = _read(kinds[1], item, f"{where}[{number}]")
    return found


def _whole_key(value: Any, where: str) -> int:
    """JSON has only texts as keys."""
    if not re.fullmatch(r"-?[0-9]{1,18}", _text(value, where)):
        raise ValueError(f"{where} must have whole numbers as keys")
    return int(value)


def _truth(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise ValueError(f"{where} must be true or false")
    return value


def _whole(value: Any, where: str) -> int:
    if type(value) is not int or abs(value) >= _LARGEST_WHOLE:
        raise ValueError(f"{where} must be a whole number")
    return value


def _number(value: Any, where: str) -> float:
    if type(value) is int:
        return float(_whole(value, where))
    if type(value) is not float or not math.isfinite(value):
        raise ValueError(f"{where} must be a number")
    return value


def _text(value: Any, where: str) -> str:
    if type(value) is not str:
        raise ValueError(f"{where} must be a text")
    return value


def _whatever(value: Any, where: str, depth: int = 0) -> Any:
    """Of any type, with tuples in place of lists."""
    if depth > _DEEPEST:
        raise ValueError(f"{where} has too many things in one another")
    if isinstance(value, dict):
        return {_text(key, where): _whatever(item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_whatever(item, where, depth + 1) for item in value)
    if value is None or isinstance(value, bool | str):
        return value
    return _whole(value, where) if isinstance(value, int) else _number(value, where)


_SIMPLE: dict[Any, Callable[[Any, str], Any]] = {
    bool: _truth,
    int: _whole,
    float: _number,
    str: _text,
    Any: _whatever,
}


@cache
def _types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _inside(kind: Any) -> tuple[Field[Any], ...]:
    return tuple(one for one in fields(kind) if not one.metadata.get("outside"))
