"""What the pages tell to type works: commands are understood, cheap ones run, recipes are whole, Python runs."""

import argparse
import importlib
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from AttnSegLib.__main__ import main as attnseg
from AttnSegLib.models.catalog import find_model
from training.learning.recipe import read_recipe

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHEAP = (["models"], ["check"])
_EXAMPLES = {"NETWORK": "afnet", "ROW": "oversampling"}  # for what stands for any
_OF_THE_TUTORIAL = re.compile(r".*-spleen-ct|.*/")  # models that it makes, and a folder of label maps


class Fence(NamedTuple):
    """A block of code on a page."""

    page: str
    language: str
    text: str


class Command(NamedTuple):
    """A command on a page."""

    page: str
    line: str

    def __str__(self):
        return f"{self.page}: {self.line}"


def fences(*languages):
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [Fence(page.name, *match) for page in pages for match in _FENCE.findall(page.read_text(encoding="utf-8"))]
    return [fence for fence in found if fence.language in (languages or [fence.language])]


def commands():
    for fence in fences("sh"):
        text = fence.text.replace("\\\n", " ")
        for name, example in _EXAMPLES.items():
            text = text.replace(name, example)
        for line in text.splitlines():
            if words := shlex.split(line, comments=True):
                yield Command(fence.page, shlex.join(words))


class Understood(Exception):
    """A command got as far as its options."""


@pytest.fixture
def options_of(monkeypatch):
    """The options that a command understands, without doing anything with them."""
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, arguments=None, namespace=None):
        raise Understood(parse(parser, arguments, namespace))

    def understood(main, words):
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(Understood) as caught:
            main(words)
        monkeypatch.undo()
        return caught.value.args[0]

    return understood


@pytest.fixture
def spleen(tmp_path):
    """The recipe that the tutorial of training writes."""
    [recipe] = fences("toml")
    path = tmp_path / "spleen.toml"
    path.write_text(recipe.text, encoding="utf-8")
    return path


def test_every_fence_with_a_language_is_tested():
    assert {fence.language for fence in fences()} == {"sh", "toml", "python"}


@pytest.mark.parametrize("command", list(commands()), ids=str)
def test_a_command_is_understood(command, options_of, spleen, monkeypatch):
    monkeypatch.chdir(ROOT)
    program, *words = shlex.split(command.line)
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in words if "=" not in word} <= set(targets)
    elif Path(program).name == "attnseg":
        options = options_of(attnseg, words)
        assert not hasattr(options, "model") or _OF_THE_TUTORIAL.fullmatch(options.model) or find_model(options.model)
        assert all(find_model(model) for model in getattr(options, "cohort_models", []))
        if words in _CHEAP:
            assert attnseg(words) == 0
    else:
        assert (Path(program).name, words[0]) == ("python", "-m")
        main = importlib.import_module(words[1]).main
        if words[1].startswith("Testing.benchmarks."):  # these have no options
            assert callable(main)
            assert not words[2:]
            return
        options = options_of(main, words[2:])
        models = getattr(options, "models", None)
        for model in models if isinstance(models, list) else []:
            assert _OF_THE_TUTORIAL.fullmatch(model) or find_model(model)
        if hasattr(options, "recipe"):
            assert read_recipe([str(spleen) if name == spleen.name else name for name in options.recipe])


def test_the_recipe_of_the_tutorial_is_whole_for_each_network(spleen):
    for network in ("afnet", "anunet", "eccamunet", "msdualguided", "omeganet"):
        recipe = read_recipe([f"modern/{network}", str(spleen)])
        assert [label.name for label in recipe.labels] == ["Spleen"]


@pytest.mark.parametrize("fence", fences("python"), ids=lambda fence: fence.page)
def test_python_runs(fence, monkeypatch, tmp_path):
    code = compile(fence.text, fence.page, "exec")
    if "AttnSegLogic" in fence.text:
        return  # in Slicer; the self test does the same
    for folder in ("docs", "Resources"):  # what it writes does not stay in the checkout
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    names = {"slices": torch.rand(1, 1, 32, 64)}
    with torch.no_grad():
        exec(code, names)
    if "output.logits" in fence.text:
        assert names["output"].logits.shape == (1, 2, 32, 64)
