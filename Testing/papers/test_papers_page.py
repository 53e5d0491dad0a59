"""docs/papers.md: every table has its command, every command is one, and references are those of the networks."""

import re
import shlex
from pathlib import Path

import pytest

from AttnSegLib.networks.references import reference_of
from training import reproduce
from training.papers.printed import DATASETS, printed
from training.papers.systems import table_names

PAGE = (Path(__file__).parents[2] / "docs" / "papers.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`python -m training\.reproduce ([^`]+)`", PAGE)


def parsed(command):
    return reproduce._parser().parse_args(shlex.split(command))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_makes_a_table(command):
    options = parsed(command)
    if options.root is not None:
        assert printed(options.paper, options.table, options.dataset).rows


def test_every_table_has_a_command():
    listed = {(options.paper, options.table) for options in map(parsed, COMMANDS)}
    assert listed == {(paper, table) for paper in DATASETS for table in table_names(paper)}


@pytest.mark.parametrize("network", ["afnet", "anunet", "eccamunet", "msdualguided", "omeganet"])
def test_references_are_those_of_the_networks(network):
    assert f"\n{reference_of(network).text}.\n" in PAGE


def test_figures_and_tables_are_numbered_without_a_gap():
    """What each paper has, by its text: figures, tables."""
    last = {"AF-Net": (8, 5), "ANU-Net": (13, 6), "EC-CaM-UNet": (6, 5), "MS-Dual-Guided": (5, 2), "Omega-Net": (2, 1)}
    for paper, (figures, tables) in last.items():
        part = PAGE.partition(f"\n## {paper}\n")[2].partition("\n## ")[0]
        shown = re.findall(r"^\| Fig\. ([\d, -]+) \|", part, re.MULTILINE)
        numbers = [int(n) for text in shown for n in re.findall(r"\d+", text)]
        assert (numbers[0], max(numbers)) == (1, figures)
        assert len(re.findall(r"^\| Table ", part, re.MULTILINE)) == tables
