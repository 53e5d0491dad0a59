"""The folder of results: whole or not at all, and nothing of the user's is lost."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.results import results_folder as module
from AttnSegLib.results.results_folder import results_folder, writing

NAMES = ("segmentation.seg.nrrd", "report.json", "overview.png", "attention-gate-0-0.nrrd")


def write_results(out, text="new", maps=("attention-gate-0-0.nrrd",), **options):
    """A run that writes what every run does."""
    with results_folder(out, **{"overwrite": False} | options) as scratch:
        report = {"attention": {f"map {number}": name for number, name in enumerate(maps)}, "text": text}
        (scratch / "report.json").write_text(json.dumps(report))
        for name in ("segmentation.seg.nrrd", "overview.png", *maps):
            (scratch / name).write_text(text)


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results"


def test_results_appear_together(out, tmp_path):
    write_results(out)
    assert listing(out) == sorted(NAMES)
    assert listing(tmp_path) == ["results"]


def test_overwriting_removes_what_the_last_report_lists_and_nothing_else(out):
    write_results(out, maps=("attention-gate-0-0.nrrd", "attention-gate-0-1.nrrd"))
    (out / "attention-mine.nrrd").write_text("mine")
    (out / "notes.txt").write_text("mine")
    write_results(out, "newer", overwrite=True)
    assert listing(out) == sorted([*NAMES, "attention-mine.nrrd", "notes.txt"])
    assert (out / "attention-mine.nrrd").read_text() == "mine"
    assert (out / "segmentation.seg.nrrd").read_text() == "newer"


@pytest.mark.parametrize(
    "report",
    [
        "precious",
        "[" * 200_000,
        "[1]",
        '{"attention": 3}',
        '{"attention": {"a": "../victim.nrrd", "b": "attention-/../../victim.nrrd", "c": 3}}',
        '{"attention": {"a": "/etc/passwd", "b": "notes.txt"}}',
    ],
)
def test_a_report_that_is_not_ours_lists_nothing(out, tmp_path, report):
    out.mkdir()
    (tmp_path / "victim.nrrd").write_text("mine")
    for name in ("attention-mine.nrrd", "notes.txt"):
        (out / name).write_text("mine")
    (out / "report.json").write_text(report)
    write_results(out, overwrite=True)
    assert listing(out) == sorted([*NAMES, "attention-mine.nrrd", "notes.txt"])
    assert (tmp_path / "victim.nrrd").read_text() == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_place_of_a_result_is_refused_before_the_work(out, name):
    write_results(out)
    (out / name).unlink()
    (out / name).mkdir()
    before = listing(out)
    if name == "report.json":  # nothing is listed any more; but the names of results are known
        name = "report.json"
    begun = []
    with pytest.raises(InputError, match=f"{name}' is a folder, where a result is to be written"):  # noqa: SIM117
        with results_folder(out, overwrite=True):
            begun.append(True)
    assert begun == []
    assert listing(out) == before


def test_a_folder_in_place_of_a_new_map_leaves_the_old_results_whole(out):
    write_results(out, "old", maps=())
    (out / "attention-gate-0-0.nrrd").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_results(out, "new", overwrite=True)
    assert (out / "segmentation.seg.nrrd").read_text() == "old"
    assert (out / "report.json").read_text().count("old") == 1


def test_a_move_that_fails_puts_everything_back(out, monkeypatch):
    write_results(out, "old")
    replace, moved = Path.replace, []

    def failing(self, target):
        moved.append(self)
        if len(moved) == 6:  # four old ones went aside, one new one is in
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(InputError, match="Can't write to .*: No space left on device; free some space"):
        write_results(out, "new", overwrite=True, maps=())
    assert {(out / name).read_text() for name in NAMES if name != "report.json"} == {"old"}
    assert json.loads((out / "report.json").read_text())["text"] == "old"


def refused_before_the_work(out, match, **options):
    begun = []
    with pytest.raises(InputError, match=match), results_folder(out, **{"overwrite": False} | options):
        begun.append(True)
    assert begun == []


def test_folders_that_can_not_be_made_are_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    refused_before_the_work(tmp_path / "file", "Can't write to")
    refused_before_the_work(tmp_path / "file" / "results", "Can't write to")
    refused_before_the_work(tmp_path / "nowhere", "is a link to a folder that does not exist")
    refused_before_the_work(tmp_path / "nowhere" / "results", "Can't write to")
    refused_before_the_work(tmp_path / ("x" * 300), "Can't write to .*: File name too long")
    refused_before_the_work(tmp_path / "a" / "b" / ("x" * 300), "Can't write to .*: File name too long")
    assert listing(tmp_path) == ["file", "nowhere"]


@pytest.mark.skipif(sys.platform == "darwin" or os.name == "nt", reason="has no such names")
def test_a_folder_whose_name_is_no_text_is_refused_before_the_work(tmp_path):
    refused_before_the_work(tmp_path / "Gr\udcf6\udcdfe", r"'.*Gr\\udcf6\\udcdfe' is not valid UTF-8")
    assert listing(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="whoever may do everything")
def test_a_folder_that_may_not_be_written_is_refused_before_the_work(out):
    out.mkdir(mode=0o500)
    refused_before_the_work(out, "Can't write to .*: Permission denied")


def test_links_to_nowhere_in_place_of_results_are_taken_for_results(out):
    out.mkdir()
    (out / "overview.png").symlink_to("gone.png")
    refused_before_the_work(out, "already holds results")
    write_results(out, overwrite=True)
    assert (out / "overview.png").read_text() == "new"


def test_maps_of_anybody_are_not_replaced_unasked(out):
    out.mkdir()
    (out / "attention-mine.nrrd").write_text("mine")
    refused_before_the_work(out, "already holds results")


def test_an_input_is_not_replaced_and_one_that_can_not_be_looked_at_is_for_its_reader(out, tmp_path):
    write_results(out)
    refused_before_the_work(out, "would be overwritten", overwrite=True, inputs=[out / "attention-gate-0-0.nrrd"])
    write_results(out, overwrite=True, inputs=[tmp_path / ("x" * 300)])


def test_only_writing_is_blamed_on_the_folder(out, tmp_path):
    def fails(error):
        with results_folder(out, overwrite=False):
            raise error

    with pytest.raises(InputError) as caught:
        fails(FileNotFoundError(2, "No such file or directory", "/somewhere/else"))
    assert str(caught.value) == "The run failed: No such file or directory ('/somewhere/else'); nothing was written."
    with pytest.raises(InputError) as caught:
        fails(OSError("100 requested and 7 written"))  # as numpy says it of a full disk
    assert str(caught.value) == "The run failed: 100 requested and 7 written; nothing was written."
    with pytest.raises(InputError) as caught, results_folder(out, overwrite=False), writing(out):
        raise OSError(28, "No space left on device")
    assert str(caught.value).startswith(f"Can't write to '{out}': No space left on device; free some space")
    assert listing(tmp_path) == []


# what was left behind by processes that were killed

KILLED = """
import os, sys
from pathlib import Path
from AttnSegLib.results.results_folder import results_folder
with results_folder(Path(sys.argv[1]), overwrite=False) as scratch:
    (scratch / "report.json").write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


def started(out):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(module.__file__).parents[2],
    )
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [False, True])
def test_what_a_killed_run_left_goes_with_the_next_run(out, tmp_path, is_there):
    if is_there:
        out.mkdir()
    process = started(out)
    left = [*tmp_path.glob(".attnseg-*"), *out.glob(".attnseg-*")]
    assert len(left) == 1
    write_results(tmp_path / "another")  # beside a run that is alive
    assert left[0].is_dir()
    process.kill()
    process.communicate()
    write_results(out)
    assert not left[0].exists()
    assert listing(out) == sorted(NAMES)


def test_only_old_folders_go_that_nobody_has_locked_and_that_are_called_as_ours(out, tmp_path):
    for name in (".attnseg-12345678", ".attnseg-abcdefgh", ".attnseg-notes", "attnseg-12345678"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    (tmp_path / ".attnseg-87654321").symlink_to(tmp_path / "attnseg-12345678")
    long_ago = time.time() - 3 * 24 * 3600
    for name in (".attnseg-12345678", ".attnseg-notes", "attnseg-12345678"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    write_results(out)
    assert listing(tmp_path) == [
        ".attnseg-87654321",
        ".attnseg-abcdefgh",
        ".attnseg-notes",
        "attnseg-12345678",
        "results",
    ]
