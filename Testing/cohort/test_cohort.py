"""`attnseg cohort` as users run it: every case done once, failures are rows, the same command goes on."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_up.cohorts import CASES, assert_whole, table_of, write_scan

from AttnSegLib.__main__ import main
from AttnSegLib.cohort import pipeline
from AttnSegLib.cohort.cohort_folder import CohortFolder, CohortSettings
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.errors import InputError
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.results import results_folder

ROOT = Path(__file__).parents[2]


def stamps(out):
    """When each report was written; those of unfinished folders do not count."""
    reports = (out / "cases").glob("[!.]*/*/report.json")
    return {path: path.stat().st_mtime_ns for path in reports}


def test_every_case_has_its_results_and_its_row(cohort, scans, out, capsys):
    assert cohort(scans) == 0
    assert_whole(out, CASES)
    row = table_of(out)[1]
    report = json.loads((out / "cases" / "b" / "tiny" / "report.json").read_text())
    [segment] = report["segments"]
    assert float(row["volume_ml"]) == segment["volume_ml"] > 0
    assert float(row["extent_k_mm"]) == segment["extent_ijk_mm"][2] == int(row["slices"]) * 2.5
    assert (row["model_sha256"], row["segment"]) == (report["model"]["sha256"], "left_atrium")
    assert float(row["trust"]) == report["expected_dice"]
    assert row["image"] == str(scans / "b.nii.gz")
    assert row["slices_to_check"].split() == [str(one["index"]) for one in report["slices_to_check"]]
    printed = capsys.readouterr().out
    assert "[4/4] d: Left atrium" in printed
    assert " left)" in printed
    assert "4 done now, 0 failed." in printed
    count = len(report["notices"])
    assert (f"({count} notice{'s' * (count > 1)}: see the table)" in printed) == bool(count)
    assert len((out / "cohort.log").read_text().splitlines()) >= 4


def test_a_narrower_command_says_that_the_table_leaves_the_others_out(cohort, scans, out, capsys):
    assert cohort(scans) == 0
    assert "other case" not in capsys.readouterr().out
    assert cohort(scans / "b.nii.gz") == 0
    assert "Results of 3 other case(s) are here; they stay, and table and page" in capsys.readouterr().out
    assert [row["case"] for row in table_of(out)] == ["b"]
    assert cohort(scans) == 0
    assert_whole(out, CASES)


def test_a_case_that_fails_is_a_row_with_its_sentence(cohort, scans, out, capsys):
    (scans / "b.nii.gz").write_bytes(b"noise")
    assert cohort(scans) == 1
    done = [row for row in table_of(out) if row["status"] == "done"]
    assert [row["case"] for row in done] == ["a", "c", "d"]
    assert "'b.nii.gz' is damaged" in table_of(out)[1]["sentence"]
    assert "1 failed; the same command tries those again." in capsys.readouterr().out
    before = stamps(out)
    write_scan(scans / "b.nii.gz")
    assert cohort(scans) == 0
    assert_whole(out, CASES)
    assert before.items() <= stamps(out).items()  # nothing was done twice


def test_an_error_of_our_own_is_a_row_too(cohort, scans, out, monkeypatch):
    def read(case, **kind):
        if case.name == "c":
            raise ZeroDivisionError("oops")
        return keep(case, **kind)

    keep = pipeline.read_scan
    monkeypatch.setattr(pipeline, "read_scan", read)
    assert cohort(scans) == 1
    assert table_of(out)[2]["sentence"] == "The computation failed (ZeroDivisionError: oops); the log has the details."
    assert "Traceback" in (out / "cohort.log").read_text()


def test_two_models_read_a_scan_once(scans, out, a_model_folder, tmp_path, monkeypatch):
    card = json.loads((a_model_folder / "card.json").read_text()) | {"id": "other"}
    other = tmp_path / "other"
    other.mkdir()
    (other / "card.json").write_text(json.dumps(card))
    (other / "weights.safetensors").write_bytes((a_model_folder / "weights.safetensors").read_bytes())
    read = []
    keep = pipeline.read_scan
    monkeypatch.setattr(pipeline, "read_scan", lambda case, **kind: read.append(case.name) or keep(case, **kind))
    options = ["--model", str(other), "--model", str(a_model_folder), "--attention", "none"]
    assert main(["cohort", str(scans), *options, "--out", str(out), "--device", "cpu"]) == 0
    assert read == CASES
    assert [(row["case"], row["model"]) for row in table_of(out)][:2] == [("a", "other"), ("a", "tiny")]
    assert main(["cohort", str(scans), *options[:3], str(other), "--out", str(out)]) == 2


def test_a_further_model_is_done_beside_what_is_there(cohort, scans, out, a_model_folder):
    assert cohort(scans) == 0
    before = stamps(out)
    other = a_model_folder.with_name("other")
    other.mkdir()
    for path in a_model_folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes().replace(b'"id": "tiny"', b'"id": "other"'))
    options = ["--model", str(a_model_folder), "--model", str(other), "--attention", "none"]
    assert main(["cohort", str(scans), *options, "--out", str(out), "--device", "cpu"]) == 0
    assert before.items() <= stamps(out).items()
    assert len(stamps(out)) == 2 * len(before)


def test_parts_make_one_table(scans, out, a_model_folder):
    options = ["--model", str(a_model_folder), "--out", str(out), "--device", "cpu", "--attention", "none"]
    assert main(["cohort", str(scans), *options, "--part", "2/3"]) == 0
    assert [row["status"] for row in table_of(out)] == ["waiting", "done", "waiting", "waiting"]
    assert main(["cohort", str(scans), *options, "--part", "1/3"]) == 0
    assert main(["cohort", str(scans), *options, "--part", "3/3"]) == 0
    assert_whole(out, CASES)


def test_writing_and_predicting_take_short_turns(cohort, scans, monkeypatch):
    before, seen = sys.getswitchinterval(), []
    step = pipeline.predicted
    monkeypatch.setattr(pipeline, "predicted", lambda *given: seen.append(sys.getswitchinterval()) or step(*given))
    assert cohort(scans) == 0
    assert sys.getswitchinterval() == before > max(seen)


@pytest.mark.parametrize("part", ["0/3", "4/3", "3", "a/b", "-1/2"])
def test_a_part_that_is_none_is_refused(scans, out, a_model_folder, part, capsys):
    options = ["--model", str(a_model_folder), "--out", str(out)]
    assert main(["cohort", str(scans), *options, f"--part={part}"]) == 2
    assert "is no part" in capsys.readouterr().err
    assert not out.exists()


def test_other_settings_or_weights_are_not_mixed(cohort, scans, out, a_model_folder, capsys):
    assert cohort(scans) == 0
    options = ["--model", str(a_model_folder), "--out", str(out), "--device", "cpu"]
    assert main(["cohort", str(scans), *options]) == 2
    assert "by other settings (attention)" in capsys.readouterr().err
    card = json.loads((a_model_folder / "card.json").read_text()) | {"sha256": "0" * 64}
    (a_model_folder / "card.json").write_text(json.dumps(card))
    assert cohort(scans) == 2
    assert "other weights of 'tiny'" in capsys.readouterr().err


def test_weights_of_every_model_before_count(out, a_model_folder):
    out.mkdir()
    folder, spec = CohortFolder(out), load_card(a_model_folder / CARD)
    for name in ("first", "second"):
        folder.agree(CohortSettings(), [replace(spec, id=name)])
    with pytest.raises(InputError, match="other weights of 'first'"):
        folder.agree(CohortSettings(), [replace(spec, id="first", sha256="0" * 64)])


def test_names_of_files_can_be_left_out(scans, out, a_model_folder, tmp_path):
    (scans / "b.nii.gz").write_bytes(b"noise")
    (tmp_path / "list.csv").write_text("case,image\nP1,scans/a.nii.gz\nP2,scans/b.nii.gz\n")
    options = ["--model", str(a_model_folder), "--out", str(out), "--device", "cpu", "--no-names"]
    assert main(["cohort", str(tmp_path / "list.csv"), *options]) == 1
    assert table_of(out)[0]["image"] == ""
    for path in [path for path in out.rglob("*") if path.is_file()]:
        for name in (b"a.nii", b"b.nii", b"scans"):
            assert name not in path.read_bytes(), path


def test_one_run_at_a_time(cohort, scans, out, capsys):
    with pipeline.CohortFolder(out).at_work("cohort.log"):
        assert cohort(scans) == 2
    assert "Another run is at work" in capsys.readouterr().err
    assert cohort(scans) == 0


def test_locks_are_those_that_windows_has_on_files_of_their_own(out, monkeypatch):
    """There, a file that is locked can't be written to, not even by who locked it."""
    asked, answers = [], [True, False, False, True]
    monkeypatch.setattr(
        "AttnSegLib.locks.take_lock_anywhere", lambda file: asked.append(Path(file.name).name) or answers.pop(0)
    )
    folder = CohortFolder(out)
    with folder.at_work("cohort.log"):
        pass
    with pytest.raises(InputError, match="Another run"), folder.at_work("cohort.log"):
        pass
    with folder.alone():  # which waits
        assert asked == [".cohort.log.lock"] * 2 + [".lock"] * 2


def test_a_disk_that_is_full_stops_the_run_and_loses_nothing(cohort, scans, out, monkeypatch, capsys):
    def publish(scratch, folder):
        if folder.parent.name == "c":
            raise OSError(28, "No space left on device")
        keep(scratch, folder)

    keep = results_folder._publish
    with monkeypatch.context() as patch:
        patch.setattr(results_folder, "_publish", publish)
        assert cohort(scans) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert [row["status"] for row in table_of(out)] == ["done", "done", "waiting", "waiting"]
    assert cohort(scans) == 0
    assert_whole(out, CASES)


def test_ctrl_c_keeps_what_is_done(cohort, scans, out, monkeypatch, capsys):
    def predict(scan, model):
        if len(stamps(out)) == 2:
            raise KeyboardInterrupt
        return keep(scan, model)

    keep = pipeline.predicted
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "predicted", predict)
        assert cohort(scans) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert {row["status"] for row in table_of(out)} == {"done", "waiting"}
    assert cohort(scans) == 0
    assert_whole(out, CASES)


def test_what_ended_the_process_is_tried_last(cohort, scans, out, monkeypatch):
    (out / "unfinished").mkdir(parents=True)
    (out / "unfinished" / "a.json").write_text('{"case": "a"}')
    order = []
    keep = pipeline.read_scan
    monkeypatch.setattr(pipeline, "read_scan", lambda case, **kind: order.append(case.name) or keep(case, **kind))
    assert cohort(scans) == 0
    assert order == ["b", "c", "d", "a"]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "segments": []}'])
def test_a_report_that_is_not_whole_is_made_again(out, text):
    folder, case = CohortFolder(out), CohortCase("a", out)
    folder.results(case, "tiny").mkdir(parents=True)
    (folder.results(case, "tiny") / "report.json").write_text(text)
    assert folder.missing(case, ["tiny"]) == ["tiny"]


KILLED = """
import os, signal, sys
from AttnSegLib.results import results_folder, run_files
run_files.no_picture = lambda: ["No picture."]
keep, count = getattr({module}, {name!r}), 0
def ends(*arguments, **options):
    global count
    count += 1
    if count == {when}:
        os.kill(os.getpid(), signal.SIGKILL)
    return keep(*arguments, **options)
setattr({module}, {name!r}, ends)
from AttnSegLib.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="has no kill -9")
@pytest.mark.parametrize(
    ("module", "name", "when"),
    [("run_files", "write_segmentation_file", 2), ("results_folder", "_publish", 3)],
    ids=["half-written", "before it is there"],
)
def test_kill_9_loses_nothing(cohort, scans, out, a_model_folder, module, name, when):
    arguments = ["cohort", scans, "--model", a_model_folder, "--out", out, "--device", "cpu", "--attention", "none"]
    command = [sys.executable, "-c", KILLED.format(module=module, name=name, when=when), *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    before = stamps(out)
    assert len(before) == when - 1
    assert cohort(scans) == 0
    assert_whole(out, CASES)
    assert before.items() <= stamps(out).items()
    assert [path for path in (out / "cases").iterdir() if path.name[0] == "."] == []


@pytest.mark.slow
def test_a_folder_that_can_not_be_written(scans, out, a_model_folder):
    """A limit on the size of files stands in for the full disk."""
    command = [sys.executable, "-m", "AttnSegLib", "cohort", scans, "--model", a_model_folder, "--out", out]
    ended = subprocess.run(
        [*map(str, command), "--attention", "none"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "Can't write to" in ended.stderr
    assert "Traceback" not in ended.stderr
