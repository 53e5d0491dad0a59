"""Files that can be read at once, and folders that can be looked over: at most 300 lines, at most 15 files."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSES = ("AttnSegLib", "AttnSeg", "training", "Testing")
LINES, FILES = 300, 15


def python_files(root):
    """All of a checkout."""
    return [path for house in HOUSES for path in sorted((root / house).rglob("*.py"))]


def too_long(root):
    """Python files of more lines than are allowed, with their number."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(root)}
    return {path.relative_to(root).as_posix(): count for path, count in lines.items() if count > LINES}


def too_full(root):
    """Folders with Python in them that have more files of their own, of any kind, than are allowed."""
    folders = sorted({path.parent for path in python_files(root)})
    files = {folder: [one for one in folder.iterdir() if one.is_file() and one.name[0] != "."] for folder in folders}
    return {path.relative_to(root).as_posix(): len(own) for path, own in files.items() if len(own) > FILES}


def test_no_file_is_too_long():
    assert too_long(ROOT) == {}


def test_no_folder_is_too_full():
    assert too_full(ROOT) == {}


@pytest.mark.parametrize(("lines", "long"), [(300, {}), (301, {"training/a.py": 301})])
def test_one_line_more_is_noticed(tmp_path, lines, long):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "a.py").write_text("pass\n" * lines)
    assert too_long(tmp_path) == long


@pytest.mark.parametrize(("files", "full"), [(15, {}), (16, {"Testing/room": 16})])
def test_one_file_more_is_noticed(tmp_path, files, full):
    room = tmp_path / "Testing" / "room"
    room.mkdir(parents=True)
    (room / "a.py").touch()
    for number in range(1, files):
        (room / f"{number}.md").touch()
    (room / ".hidden").touch()
    (room / "inner").mkdir()
    (room / "inner" / "b.py").touch()
    assert too_full(tmp_path) == full
