"""`attnseg` as users run it: a folder of results. What it refuses: test_command_refusals.py."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from AttnSegLib.__main__ import main
from AttnSegLib.commands.segment import SegmentRequest, segment_to_folder
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import read_volume, to_image
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.places import resource_folder

SAMPLE = resource_folder("Samples") / "left_atrium_mr"
SHIPPED = "anunet-left_atrium-mr"


@pytest.fixture
def a_scan(tmp_path):
    """A small MR-like volume, oblique, 7 slices of 9 x 11."""
    voxels = np.random.default_rng(0).integers(0, 1000, (7, 9, 11)).astype(np.int16)
    affine = np.array([[0.8, -0.9, 0, -12.5], [0.6, 1.2, 0, 40.25], [0, 0, -2.5, 7], [0, 0, 0, 1]])
    path = tmp_path / "scan.nrrd"
    sitk.WriteImage(to_image(voxels, affine), str(path))
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def run(a_model_folder, out):
    """Run `attnseg segment IMAGE ...` with the tiny model."""

    def run(image, *options, model=a_model_folder):
        return main(["segment", str(image), "--model", str(model), "--out", str(out), "--device", "cpu", *options])

    return run


def assert_one_sentence(capsys, *words):
    printed = capsys.readouterr()
    errors = [line for line in printed.err.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert printed.err.strip().count("\n") == printed.err.count("Warning:")
    for word in words:
        assert word in errors[0]


def assert_nothing_left(folder: Path, *known: str):
    assert sorted(p.name for p in folder.iterdir()) == sorted(known)


@pytest.mark.slow
def test_shipped_model_finds_the_left_atrium_of_the_sample(out, capsys):
    arguments = ["--model", SHIPPED, "--out", str(out), "--reference", str(SAMPLE / "labels.nrrd")]
    assert main(["segment", str(SAMPLE / "image.nrrd"), *arguments]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["agreement_with_reference"]["left_atrium"]["dice"] > 0.85
    assert set(report["attention"]) == {"gate 0,3", "gate 2,0"}
    printed = capsys.readouterr()
    assert "Dice 0." in printed.out
    assert report["notices"] == []
    assert "Warning" not in printed.err
    assert report["slices"] == {"plane": "sagittal", "plane_was_chosen": False, "stored_axis_kji": 0}


def test_an_empty_result_is_told(run, a_scan, out, capsys, monkeypatch):
    monkeypatch.setattr(
        "AttnSegLib.inference.predictor.labels_of", lambda logits: torch.zeros_like(logits[:, 0]).to(torch.uint8)
    )
    assert run(a_scan) == 0
    assert "Warning: Nothing was found: is it the right scan for 'tiny'" in capsys.readouterr().err
    assert "Nothing was found" in json.loads((out / "report.json").read_text())["notices"][-1]


def test_writes_everything_it_promises(run, a_scan, out):
    assert run(a_scan) == 0
    assert_nothing_left(out, "segmentation.seg.nrrd", "attention-gate-0-0.nrrd", "report.json", "overview.png")
    scan = read_volume(a_scan)
    for name in ("segmentation.seg.nrrd", "attention-gate-0-0.nrrd"):
        written = sitk.ReadImage(str(out / name))
        given = sitk.ReadImage(str(a_scan))
        for geometry in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(written, geometry)(), getattr(given, geometry)(), rtol=0, atol=1e-12)
        assert sitk.GetArrayFromImage(written).shape == scan.voxels.shape
    coefficients = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "attention-gate-0-0.nrrd")))
    assert 0 <= coefficients.min() < coefficients.max() <= 1


def test_the_picture_is_drawn_while_maps_are_packed(run, a_scan, monkeypatch):
    both = threading.Barrier(2, timeout=60)  # or it would wait forever where it fails
    for name in ("pictures.overview.write_overview", "run_files.write_heat_map_file"):
        monkeypatch.setattr(f"AttnSegLib.results.{name}", lambda *_: both.wait())
    assert run(a_scan) == 0


def test_a_picture_that_can_not_be_written_is_an_error(run, a_scan, out, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("AttnSegLib.results.pictures.overview.write_overview", full)
    assert run(a_scan) == 2
    assert_one_sentence(capsys, "No space left on device")
    assert not out.exists()


def test_report_agrees_with_the_segmentation(run, a_scan, out, a_model_folder):
    assert run(a_scan) == 0
    report = json.loads((out / "report.json").read_text())
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "segmentation.seg.nrrd")))
    scan = read_volume(a_scan)
    [part] = report["segments"]
    assert labels.any()
    assert part["volume_ml"] == pytest.approx(labels.sum() * 1.0 * 1.5 * 2.5 / 1000, abs=1e-3)
    assert part["mean_intensity"] == pytest.approx(scan.voxels[labels == 1].mean(), abs=1e-3)
    areas = labels.sum(axis=(1, 2)) * 1.0 * 1.5
    assert part["slice_area_mm2"] == pytest.approx(areas, abs=0.01)  # as stored; the network counts the other way round
    assert part["sd_intensity"] == pytest.approx(scan.voxels[labels == 1].std(), abs=1e-3)
    card = json.loads((a_model_folder / "card.json").read_text())
    assert (report["model"]["id"], report["model"]["sha256"]) == ("tiny", card["sha256"])
    assert report["format"] == 1
    lie = {"plane": "axial", "plane_was_chosen": False, "stored_axis_kji": 0}
    assert report["slices"] == lie
    assert report["input"]["shape_kji"] == [7, 9, 11]
    assert {"read", "predict", "write"} == set(report["seconds"])


@pytest.mark.parametrize(("filled", "told"), [([2], "in 1 slice\n"), ([2, 3], "in 2 slices\n")])
def test_the_number_of_slices_is_told(run, a_scan, capsys, monkeypatch, filled, told):
    asked = count()

    def only(logits):
        return torch.full_like(logits[:, 0], next(asked) in filled).to(torch.uint8)

    monkeypatch.setattr("AttnSegLib.inference.predictor.labels_of", only)
    assert run(a_scan, "--batch-size", "1") == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("filled", "told", "empty"),
    [
        ([], "3 of 7 slices to check (3 of them without any segment): 1, 6, 3, counted", [1, 6, 3]),
        (range(7), "4 of 7 slices to check: 1, 0, 6, 3, counted from 0, the most doubtful first.", []),  # jumps at ends
        ([3, 4, 5, 6], "4 of 7 slices to check (2 of them without any segment): 1, 2, 3, 6, counted", [1, 2]),
    ],
)
def test_slices_to_check_are_told(run, a_scan, out, capsys, monkeypatch, filled, told, empty):
    """By their indices in the file, where slices lie the other way round than the network gets them."""
    errors = torch.tensor([0.05, 0.9, 0.0, 0.3, 0.0, 0.0, 0.5])
    asked = iter(errors.flip(0))  # k runs towards inferior, and slices come from there
    labels = iter([k in filled for k in reversed(range(7))])
    monkeypatch.setattr("AttnSegLib.inference.predictor.expected_error", lambda _: next(asked)[None])
    monkeypatch.setattr(
        "AttnSegLib.inference.predictor.labels_of",
        lambda logits: torch.full_like(logits[:, 0], next(labels)).to(torch.uint8),
    )
    assert run(a_scan, "--batch-size", "1") == 0
    found = {one["index"]: one for one in json.loads((out / "report.json").read_text())["slices_to_check"]}
    assert [found[index]["expected_dice"] for index in (1, 6, 3)] == [0.1, 0.5, 0.7]
    assert [index for index, one in found.items() if one["is_empty"]] == empty
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        (["none"], []),
        (["gate 1,0", "gate 0,1"], ["gate-0-1", "gate-1-0"]),
        pytest.param(["all"], [f"gate-{i}-{k}" for i in range(4) for k in range(4 - i)], marks=pytest.mark.slow),
    ],
)
def test_attention_maps_can_be_chosen(run, a_scan, out, wanted, files):
    assert run(a_scan, *[part for title in wanted for part in ("--attention", title)]) == 0
    assert sorted(p.name for p in out.glob("attention-*")) == [f"attention-{name}.nrrd" for name in sorted(files)]


@pytest.mark.slow
@pytest.mark.parametrize("worker", [[], pytest.param(["--worker"], marks=pytest.mark.slow)])
@pytest.mark.parametrize(("plane", "axis"), [("sagittal", 2), ("coronal", 1)])
def test_another_plane_can_be_chosen(run, a_scan, out, a_model_folder, plane, axis, worker):
    assert run(a_scan, "--plane", plane, *worker) == 0
    report = json.loads((out / "report.json").read_text())
    lie = {"plane": plane, "plane_was_chosen": True, "stored_axis_kji": axis}
    assert report["slices"] == lie
    predictor = SlicePredictor.from_model(load_card(a_model_folder / CARD).in_plane(plane), Compute("cpu"))
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "segmentation.seg.nrrd")))
    np.testing.assert_array_equal(labels, predictor.predict(read_volume(a_scan)).label_map)


def test_there_are_three_planes_to_choose(run, a_scan, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(a_scan, "--plane", "oblique")
    assert "choose from" in capsys.readouterr().err
    with pytest.raises(InputError, match="no slice plane 'oblique'"):
        segment_to_folder(SegmentRequest(a_scan, SHIPPED, tmp_path / "results", plane="oblique"))
    assert_nothing_left(tmp_path, "scan.nrrd", "tiny")


def test_a_pruned_network_leaves_its_level_in_the_report(run, a_scan, out):
    assert run(a_scan, "--level", "1") == 0
    assert json.loads((out / "report.json").read_text())["model"]["level"] == 1


@pytest.mark.parametrize(("wanted", "count"), [(["gate 0,0", "gate 1,2"], 2), (["all"], 10)])
def test_attention_can_be_switched_off(run, a_scan, out, capsys, wanted, count):
    assert run(a_scan, "--attention", "none", *[part for title in wanted for part in ("--without", title)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["model"]["without"] == wanted
    assert report["notices"][-1].count("'gate ") == count
    assert "Warning: Attention was changed for this run (switched off: 'gate 0,0', " in capsys.readouterr().err


@pytest.mark.slow
def test_the_worker_says_the_same(run, a_scan, out, tmp_path):
    options = ["--attention", "gate 0,0", "--flips", "--batch-size", "2", "--without", "gate 0,1"]
    assert run(a_scan, *options) == 0
    kept = out.rename(tmp_path / "kept")
    assert run(a_scan, *options, "--worker") == 0
    reports = [json.loads((folder / "report.json").read_text()) for folder in (out, kept)]
    assert reports[0]["slices_to_check"] == reports[1]["slices_to_check"] != []
    assert {path.name for path in out.iterdir()} == {path.name for path in kept.iterdir()}
    for name in ("segmentation.seg.nrrd", "attention-gate-0-0.nrrd"):
        ours, theirs = (sitk.GetArrayFromImage(sitk.ReadImage(str(folder / name))) for folder in (out, kept))
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_a_failing_worker_is_one_sentence_too(run, a_scan, tmp_path, capsys):
    assert run(a_scan, "--worker", "--precision", "float7") == 2
    assert_one_sentence(capsys, "float7")
    assert_nothing_left(tmp_path, "scan.nrrd", "tiny")


@pytest.mark.slow
def test_a_pruned_network_in_the_worker(run, a_scan, out):
    assert run(a_scan, "--worker", "--level", "1") == 0
    assert json.loads((out / "report.json").read_text())["model"]["level"] == 1


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_behind(a_scan, tmp_path, a_model_folder):
    """A limit on the size of files stands in for the full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    command = [sys.executable, "-m", "AttnSegLib", "segment", str(a_scan), "--model", str(a_model_folder)]
    result = subprocess.run(
        [*command, "--out", str(tmp_path / "results")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert result.returncode == 2
    assert "Can't write to" in result.stderr
    assert "Traceback" not in result.stderr
    assert_nothing_left(tmp_path, "tiny", "scan.nrrd")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no process there can be sent these")
@pytest.mark.parametrize("kill", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_leaves_nothing_half_written(tmp_path, kill):
    """A real interrupt in the middle of a real run."""
    shutil.copy(SAMPLE / "image.nrrd", tmp_path)
    command = [sys.executable, "-m", "AttnSegLib", "segment", str(tmp_path / "image.nrrd"), "--model", SHIPPED]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "results"), "--batch-size", "1"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    while not list(tmp_path.glob(".attnseg-*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.Signals[kill])
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.strip().endswith("Cancelled; nothing was written.")
    assert_nothing_left(tmp_path, "image.nrrd")
