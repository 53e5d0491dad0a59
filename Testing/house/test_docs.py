"""What the pages and comments name is there."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PATH = re.compile(r"(?<![\w/.-])((?:AttnSegLib|AttnSeg|Resources|Testing|docs|training)/[\w./-]*[\w/])(?![\w*<{$-])")
_MADE_UP = re.compile(r"\w+/((room|datasets)/)?(room|one|two|three|four|a|b|new|error)(\.py|\.txt)?")  # by tests


def test_every_path_that_is_named_exists():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    missing = {}
    for name in listed:
        if Path(name).suffix in {".md", ".py", ".txt", ".toml", ".yml"} and name != "CHANGELOG.md":
            text = (ROOT / name).read_text(encoding="utf-8")
            for path in set(_PATH.findall(text)):
                if not ((ROOT / path).exists() or (name.startswith("Testing/house/") and _MADE_UP.fullmatch(path))):
                    missing.setdefault(path, []).append(name)
    assert missing == {}


def test_the_words_are_few():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## The words")[2]
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert 20 < len(rows) <= 40
