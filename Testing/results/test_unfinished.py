"""What takes its place only when it is whole."""

import shutil
import sys
from pathlib import Path

import pytest

from AttnSegLib import unfinished
from AttnSegLib.locks import take_lock
from AttnSegLib.unfinished import move_all, replace_folder, scratch_folder, whole_file


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names_in(tmp_path) == ["file"]


def test_of_a_file_that_fails_nothing_stays(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def cut_off():
        with whole_file(path) as file:
            file.write(b"half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file"]


def test_two_who_write_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with whole_file(path) as first:
        first.write(b"the first")
        with whole_file(path) as second:
            second.write(b"the second")
        assert path.read_text() == "the second"
    assert path.read_text() == "the first"


@pytest.mark.skipif(sys.platform == "win32", reason="there, what is open can't be removed")
def test_a_folder_of_a_killed_process_is_nobodys_while_it_is_removed(tmp_path, monkeypatch):
    """Whoever has just made it could take its lock otherwise, and lose it under its hands."""
    abandoned = tmp_path / ".attnseg-abcdefgh"
    abandoned.mkdir()
    (abandoned / "lock").write_text("")
    taken = []

    def removing(path, **options):
        if path == abandoned:
            with (abandoned / "lock").open("r+") as lock:
                taken.append(take_lock(lock))
        rmtree(path, **options)

    rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", removing)
    with whole_file(tmp_path / "file"):
        assert not abandoned.exists()
    assert taken == [False]


@pytest.mark.skipif(sys.platform == "win32", reason="there, what is open can't be removed")
def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    swept = []

    def too_late(file):
        if not swept:
            swept.append(Path(file.name).parent)
            shutil.rmtree(swept[0])
        return take_lock(file)

    monkeypatch.setattr(unfinished, "take_lock", too_late)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
    assert swept[0] not in folder.parents
    assert names_in(tmp_path) == []


def test_a_folder_takes_the_place_of_another(tmp_path):
    target = tmp_path / "model"
    for content in ("old", "new"):
        with scratch_folder(tmp_path) as scratch:
            (scratch / "made").mkdir()
            (scratch / "made" / content).write_text("")
            replace_folder(scratch / "made", target)
    assert names_in(target) == ["new"]
    assert names_in(tmp_path) == ["model"]


def test_all_is_moved_or_nothing(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    a, b, there = tmp_path / "a", tmp_path / "b", tmp_path / "there"
    with pytest.raises(FileNotFoundError):
        move_all([(a, there), (b, a), (tmp_path / "missing", b)])
    assert (names_in(tmp_path), a.read_text(), b.read_text()) == (["a", "b"], "a", "b")
    move_all([(a, there), (b, a)])
    assert (names_in(tmp_path), a.read_text(), there.read_text()) == (["a", "there"], "b", "a")
