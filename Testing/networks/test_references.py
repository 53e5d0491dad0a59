"""References: in one place, and the same wherever they are repeated."""

import ast
import json
from pathlib import Path

import pytest
import yaml

from AttnSegLib import networks
from AttnSegLib.__main__ import main
from AttnSegLib.errors import InputError
from AttnSegLib.networks.references import REFERENCES, reference_of

ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "Resources" / "Models").glob("*/card.json"))


def document_of(network):
    """What the file of a network says at its top, in one line."""
    [path] = (ROOT / "AttnSegLib" / "networks").glob(f"*/**/{network}.py")
    return " ".join(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split())


def test_every_network_has_one():
    assert sorted(REFERENCES) == networks.network_names()


@pytest.mark.parametrize("network", sorted(REFERENCES))
def test_the_file_of_a_network_names_it(network):
    reference, document = reference_of(network), document_of(network)
    assert reference.title in document or reference.venue in document
    assert reference.authors[0] in document
    assert reference.volume in document


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_a_shipped_model_gives_that_of_its_network(card):
    content = json.loads(card.read_text(encoding="utf-8"))
    text = reference_of(content["network"]).text
    assert content["reference"] == text
    assert json.loads(card.with_name("metadata.json").read_text(encoding="utf-8"))["references"] == [text]
    assert f"Network: {text}.\n" in card.with_name("ATTRIBUTION.md").read_text(encoding="utf-8")


def test_the_citation_file_repeats_those_of_the_five():
    listed = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["references"]
    five = [reference_of(name) for name in networks.network_names() if name not in networks.baseline_names()]
    assert [entry["title"] for entry in listed] == [reference.title for reference in five]
    for entry, reference in zip(listed, five, strict=True):
        names = [f"{a.get('given-names', '')} {a.get('family-names', a.get('name'))}".strip() for a in entry["authors"]]
        issue = f"({entry['issue']})" if "issue" in entry else ""
        assert tuple(names) == reference.authors
        assert (entry["journal"], entry["year"]) == (reference.venue, reference.year)
        assert f"{entry.get('volume', '')}{issue}" == reference.volume
        assert f"{entry.get('start', '')}-{entry.get('end', '')}".strip("-") == reference.pages
        assert (entry.get("doi") or entry["url"].rpartition("/")[2]) == reference.identifier.rpartition(" ")[2]


def test_it_is_short_in_a_column_and_whole_in_a_line():
    assert [reference_of(name).short for name in ("afnet", "msdualguided", "omeganet", "attentionr2unet")] == [
        *("Hou et al. 2021", "Sinha and Dolz 2021", "Wang et al. 2020", "LeeJunHyun 2018")
    ]
    assert reference_of("eccamunet").text.endswith("Engineering 11(2), 1857-1871 (2024), doi 10.1109/TNSE.2023.3332810")
    assert reference_of("omeganet").text.startswith('B. Wang et al.: "w-Net')
    assert reference_of("omeganet").text.endswith('convolution" (2020), arXiv 2012.03674')


def test_bibtex_is_printed_for_all(capsys):
    assert main(["networks", "--bibtex"]) == 0
    entries = capsys.readouterr().out.split("\n\n")
    assert len(entries) == len(REFERENCES)
    assert entries[0].splitlines()[:5] == [
        "@article{afnet,",
        "  author = {G. Hou and J. Qin and X. Xiang and Y. Tan and N. N. Xiong},",
        "  title = {{AF-Net: A medical image segmentation network based on attention mechanism and feature fusion}},",
        r"  journal = {Computers, Materials \& Continua},",
        "  volume = {69},",
    ]
    assert all("others" not in line or " and others}" in line for entry in entries for line in entry.splitlines())


def test_another_name_is_refused():
    with pytest.raises(InputError, match="There is no network 'vnet'; choose one of: afnet, anunet"):
        reference_of("vnet")
