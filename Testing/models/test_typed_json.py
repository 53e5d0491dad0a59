"""What goes out as JSON comes back as it was, and nothing else comes back."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from AttnSegLib.typed_json import OUTSIDE, Between, from_json, to_json


@dataclass(frozen=True)
class Inner:
    name: str
    pair: tuple[int, float] = (1, 2.0)


@dataclass(frozen=True)
class Outer:
    flag: bool
    many: tuple[Inner, ...] = ()
    one: Inner | None = None
    byte: Annotated[int, Between(0, 255)] = 0
    share: Annotated[float, Between(0, 1)] | None = None
    mixed: bool | int | str | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    anything: Any = None
    place: str = field(default="", metadata=OUTSIDE)


WHOLE = Outer(
    flag=True,
    many=(Inner("a"), Inner("b", (3, 4.5))),
    one=Inner("c"),
    byte=255,
    share=0.25,
    mixed="text",
    numbers={"x": 1.5},
    anything={"list": (1, ("two", None)), "flag": False},
    place="here",
)


def test_what_is_written_comes_back():
    text = json.dumps(to_json(WHOLE))
    assert "here" not in text
    assert from_json(Outer, json.loads(text), place="here") == WHOLE
    assert from_json(Outer, json.loads(text)).place == ""


def test_what_is_not_there_has_its_default_and_what_nobody_knows_is_left_out():
    assert from_json(Outer, {"flag": False, "other": 1, "place": "elsewhere"}) == Outer(flag=False)
    assert from_json(Inner, {"name": "x", "pair": [1, 2]}).pair == (1, 2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flag": 1}, "flag must be true or false"),
        ({"flag": None}, "flag must be true or false"),
        ({"many": {}}, "many must be a list"),
        ({"many": [3]}, "many[0] must be an object"),
        ({"many": [{}]}, "many[0].name is missing"),
        ({"many": [{"name": "x"}, {"name": 3}]}, "many[1].name must be a text"),
        ({"one": {"name": "x", "pair": [1]}}, "one.pair must be a list of 2"),
        ({"one": {"name": "x", "pair": [1.5, 2]}}, "one.pair[0] must be a whole number"),
        ({"one": {"name": "x", "pair": [True, 2]}}, "one.pair[0] must be a whole number"),
        ({"one": {"name": "x", "pair": [1, False]}}, "one.pair[1] must be a number"),
        ({"one": {"name": "x", "pair": [10**30, 2]}}, "one.pair[0] must be a whole number"),
        ({"byte": 256}, "byte must be from 0 to 255"),
        ({"byte": "1"}, "byte must be a whole number"),
        ({"share": -0.1}, "share must be from 0 to 1"),
        ({"share": float("nan")}, "share must be a number"),
        ({"share": float("inf")}, "share must be a number"),
        ({"share": 10**400}, "share must be a whole number"),
        ({"mixed": [1]}, "mixed must be a text"),
        ({"numbers": [1]}, "numbers must be an object"),
        ({"numbers": {"x": "1"}}, "numbers[0] must be a number"),
        ({"numbers": {3: 1.0}}, "numbers must be a text"),
        ({"anything": float("nan")}, "anything must be a number"),
        ({"anything": [[{1}]]}, "anything must be a number"),
        ({"anything": json.loads("[" * 30 + "]" * 30)}, "anything has too many things in one another"),
    ],
)
def test_what_is_of_another_type_is_refused_by_the_name_of_its_field(change, message):
    with pytest.raises(ValueError, match="must|missing|many") as error:
        from_json(Outer, {"flag": True} | change)
    assert str(error.value) == message


@pytest.mark.parametrize("value", [None, 3, "text", [], [["flag", True]]])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(ValueError, match="^the whole must be an object$"):
        from_json(Outer, value)


def test_what_json_does_not_know_is_not_written():
    with pytest.raises(TypeError):
        to_json({1, 2})
