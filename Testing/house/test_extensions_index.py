"""What Slicer's Extensions Index looks at: the extension's entry, its icons, its licence."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_entry_for_the_extensions_index():
    text = (ROOT / "AttnSeg.json").read_bytes()
    entry = json.loads(text)
    assert b"\r" not in text
    assert set(entry) <= {
        "$schema",
        "build_dependencies",
        "build_subdirectory",
        "category",
        "scm_revision",
        "scm_url",
        "tier",
    }
    assert {"$schema", "category", "scm_url"} <= set(entry)
    assert entry["scm_url"].startswith("https://github.com/")
    assert entry["build_dependencies"] == ["PyTorch"]


@pytest.mark.parametrize(
    ("name", "size"), [("AttnSeg.png", (128, 128)), ("left_atrium_mr.png", (260, 280)), ("abdomen_mr.png", (260, 280))]
)
def test_icons_have_the_usual_size(name, size):
    header = (ROOT / "Resources" / "Icons" / name).read_bytes()[16:24]
    assert (int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")) == size


def test_the_licence_is_where_the_index_looks():
    assert "Apache License" in (ROOT / "LICENSE.txt").read_text()
