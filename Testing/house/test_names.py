"""One word for one thing: no public class or function has the name of another one."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOUSES = ("AttnSegLib", "AttnSeg", "training")
# Names that a protocol demands of several files: where they may be, and why. Methods are not counted.
DEMANDED = {
    "main": ("", "what a command or a process begins with"),
    "cases": ("training/datasets/", "every reader of a data set has it; `training.datasets.cases_of` calls it"),
}


def definitions(root):
    """Public classes and functions of all modules in a checkout: from name to the places where it is defined."""
    found = defaultdict(list)
    for house in HOUSES:
        for path in sorted((root / house).rglob("*.py")):
            for name in public_names(ast.parse(path.read_text(encoding="utf-8")).body):
                found[name].append(path.relative_to(root).as_posix())
    return found


def public_names(statements):
    """Those that a module defines, also under `if`, `try` and `with`; what stands in both branches counts once."""
    names = set()
    for statement in statements:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names |= {statement.name}
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            for branch in ("body", "orelse", "finalbody"):
                names |= public_names(getattr(statement, branch, []))
    return {name for name in names if not name.startswith("_")}


def repeated(root):
    """Names that are defined more than once though no protocol demands it, each with the places."""
    found = {}
    for name, places in definitions(root).items():
        allowed = name in DEMANDED and all(place.startswith(DEMANDED[name][0]) for place in places)
        if len(places) > 1 and not allowed:
            found[name] = places
    return found


def test_no_public_name_is_defined_twice():
    assert repeated(ROOT) == {}


def test_a_name_that_is_allowed_to_repeat_does():
    places = definitions(ROOT)
    assert all(len(places[name]) > 1 for name in DEMANDED)


def test_a_second_definition_is_noticed(tmp_path):
    for path, code in {
        "AttnSegLib/one.py": "class Thing: pass\ndef _own(): pass\nif True:\n    def help_out(): pass",
        "AttnSegLib/room/two.py": "def Thing(): pass\ndef _own(): pass\ndef main(): pass",
        "training/three.py": "def help_out(): pass\ndef main(): pass\nclass Other:\n    def Thing(self): pass",
        "training/datasets/a.py": "def cases(): pass",
        "training/datasets/b.py": "def cases(): pass",
        "AttnSeg/four.py": "def alone(): pass",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(code)
    assert repeated(tmp_path) == {
        "Thing": ["AttnSegLib/one.py", "AttnSegLib/room/two.py"],
        "help_out": ["AttnSegLib/one.py", "training/three.py"],
    }
    (tmp_path / "AttnSeg/four.py").write_text("def cases(): pass")
    assert "cases" in repeated(tmp_path)
