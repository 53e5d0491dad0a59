"""What takes its place only when it is whole."""

import pytest

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
