"""`attnseg models`, `networks` and `check`: what there is, and whether it is in order."""

import json
import re
from pathlib import Path

import pytest
from made_up.commands import run_here

from AttnSegLib.__main__ import main
from AttnSegLib.models import catalog
from AttnSegLib.models.card_file import CARD
from AttnSegLib.networks import baseline_names
from training.papers.comparison import title_of

SHIPPED = "anunet-left_atrium-mr"


def test_models_are_listed_for_programs(capsys):
    assert main(["models", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    [shipped] = [model for model in models if model["id"] == SHIPPED]
    assert shipped["labels"][0]["type"]["value"] == "82471001"


def test_models_are_listed_for_people(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    groups = [line for line in lines if not line.startswith(" ")]
    assert groups == sorted(set(groups))
    group = lines.index("Left atrium in MR")
    below = [line.split()[0] for line in lines[group + 1 : group + 6]]
    assert SHIPPED in below


def test_what_a_model_does_not_find_stands_in_the_list(a_model_folder, monkeypatch, capsys):
    card = json.loads((a_model_folder / CARD).read_text())
    card["scores"] = {"summary": "Dice 0.000 on 2 test patients", "found_in_no_case": ["Ball"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    monkeypatch.setattr(catalog, "resource_folder", lambda _name: a_model_folder.parent)
    assert main(["models"]) == 0
    assert "; Dice 0.000 on 2 test patients, finds nothing, or almost nothing, of 'Ball'; " in capsys.readouterr().out


def test_maps_are_listed_by_influence(a_model_folder, monkeypatch, capsys):
    card = json.loads((a_model_folder / CARD).read_text())
    measured = {"influence_sd": None, "dice_change": 0.0, "dice_change_sd": None, "stride": 1}
    maps = [{"map": title, "influence": share, **measured} for title, share in (("gate 0,0", 0.004), ("gate 2,0", 0.3))]
    card["influence"] = {"maps": maps, "together": maps[1] | {"map": "all maps"}, "cases": ["a"]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    monkeypatch.setattr(catalog, "resource_folder", lambda _name: a_model_folder.parent)
    assert main(["models", "--maps"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("gate"))
    assert lines[first] == "gate 2,0  influence 0.30"
    assert lines[first + 1] == "gate 0,0  influence 0.004: changes next to nothing (default)"
    assert lines[first + 2].endswith("influence not measured")


def test_a_long_list_of_maps_is_shortened(a_model_folder, monkeypatch, capsys):
    """But for the maps that are shown by default."""
    card = json.loads((a_model_folder / CARD).read_text())
    nothing = {"influence_sd": None, "dice_change": 0.0, "dice_change_sd": None, "stride": 1}
    maps = [{"map": f"m{n}", "influence": (50 - n) / 1000, **nothing} for n in range(40)]
    maps[30]["map"] = "gate 0,0"
    card["influence"] = {"maps": maps, "together": maps[0] | {"map": "all maps"}, "cases": ["a"]}
    card["facts"] = card.get("facts", {}) | {"maps": [one["map"] for one in maps]}
    (a_model_folder / CARD).write_text(json.dumps(card))
    monkeypatch.setattr(catalog, "resource_folder", lambda _name: a_model_folder.parent)
    listed = {}
    for option in ("--maps", "--all-maps"):
        assert main(["models", option]) == 0
        listed[option] = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("      ")]
    assert [line.split("  ")[0] for line in listed["--maps"][:5]] == ["m0", "m1", "m2", "m3", "m4"]
    assert listed["--maps"][5:] == [
        "gate 0,0  influence 0.02 (default)",
        "34 more, influence at most 0.045; --all-maps lists them",
    ]
    assert len(listed["--all-maps"]) == 40
    card["influence"]["maps"] = [*maps[:6], maps[30]]
    card["facts"]["maps"] = ["gate 0,0", *(one["map"] for one in maps[:6])]
    (a_model_folder / CARD).write_text(json.dumps(card))
    main(["models", "--maps"])
    assert "m5 " in capsys.readouterr().out  # a single one more


def test_a_damaged_card_is_told_beside_the_list(a_model_folder, monkeypatch, capsys):
    (a_model_folder.parent / "broken").mkdir()
    (a_model_folder.parent / "broken" / CARD).write_text("{")
    monkeypatch.setattr(catalog, "resource_folder", lambda _name: a_model_folder.parent)
    assert main(["models", "--json"]) == 0
    printed = capsys.readouterr()
    assert [model["id"] for model in json.loads(printed.out)] == ["tiny"]
    assert printed.err.startswith("Warning: The card of model 'broken' is damaged (it is not JSON); get")
    assert main(["check"]) == 2
    assert "PROBLEM models: The card of model 'broken' is damaged" in capsys.readouterr().out


@pytest.fixture(scope="module")
def networks_listed():
    """What `attnseg networks` prints."""
    ended = run_here(main, "networks")
    assert ended.code == 0
    return ended.printed


def test_networks_are_listed_with_their_counts(networks_listed):
    rows = {line.split()[0]: line for line in networks_listed.splitlines()}
    for name, parameters in {"anunet": "8,950,594", "afnet": "30,734,369", "eccamunet": "55,759,635"}.items():
        assert parameters in rows[name]


def test_baselines_are_listed_if_they_are_asked_for(networks_listed, capsys):
    assert main(["networks", "--baselines"]) == 0
    *rows, note = capsys.readouterr().out.splitlines()
    *own, _note = networks_listed.splitlines()
    assert rows[: len(own)] == own
    assert [row.split()[0] for row in rows[len(own) :]] == baseline_names()
    assert "At the paper's width" in note


def test_docs_networks_md_says_what_the_command_does(networks_listed):
    numbers = r" +([\d,.]+)" * 5
    printed = re.findall(rf"^(\w+) .*?{numbers}  \S", networks_listed, re.MULTILINE)
    page = (Path(__file__).parents[2] / "docs/networks.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.count("|") == 7]
    found = {
        title: [size.partition(";")[0], *macs.split(", "), memory.removesuffix(" MB"), maps]
        for title, size, _published, macs, memory, maps in rows[2:]
    }
    assert found == {title_of(name): numbers for name, *numbers in printed}
    assert len(found) == 5


def test_check_names_what_is_wrong(monkeypatch, capsys):
    def unavailable(_array):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr("torch.from_dlpack", unavailable)
    assert main(["check"]) == 2
    printed = capsys.readouterr().out
    assert "PROBLEM numpy and torch: Numpy is not available" in printed
    assert "cure: install builds of numpy and torch that fit each other" in printed


def test_check_finds_this_installation_in_order(capsys):
    assert main(["check"]) == 0
    printed = capsys.readouterr().out
    assert "PROBLEM" not in printed
    for part in ("torch", "numpy", "SimpleITK", "pydicom", "CPU", "GPU", "models"):
        assert f"{part}" in printed
