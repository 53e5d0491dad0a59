"""What the command line refuses in a sentence, and the results that it leaves alone."""

import json
import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from test_command_line import SHIPPED, assert_nothing_left, assert_one_sentence
from test_command_line import a_scan as a_scan
from test_command_line import out as out
from test_command_line import run as run

from AttnSegLib.__main__ import main
from AttnSegLib.errors import InputError
from AttnSegLib.results.results_folder import results_folder


def test_existing_results_are_kept_unless_told_otherwise(run, a_scan, out, capsys):
    out.mkdir()
    (out / "report.json").write_text("precious")
    (out / "notes.txt").write_text("mine")
    assert run(a_scan) == 2
    assert_one_sentence(capsys, "already holds results", "--overwrite")
    assert (out / "report.json").read_text() == "precious"
    assert_nothing_left(out, "report.json", "notes.txt")


@pytest.mark.slow
def test_overwriting_replaces_results_and_nothing_else(run, a_scan, out):
    assert run(a_scan, "--attention", "all") == 0
    (out / "notes.txt").write_text("mine")
    assert run(a_scan, "--attention", "none", "--overwrite") == 0
    assert_nothing_left(out, "segmentation.seg.nrrd", "report.json", "overview.png", "notes.txt")


def test_the_input_is_never_overwritten(run, a_scan, out, capsys):
    assert run(a_scan) == 0
    heat_map = out / "attention-gate-0-0.nrrd"
    before = heat_map.read_bytes()
    assert run(heat_map, "--overwrite") == 2
    assert_one_sentence(capsys, "would be overwritten")
    assert heat_map.read_bytes() == before


@pytest.mark.parametrize(("options", "told"), [((), "scan.nrrd"), (("--no-names",), None)])
def test_the_name_of_the_image_can_be_left_out(run, a_scan, out, options, told):
    """It may be a patient's, and so may be that of its folder."""
    assert run(a_scan, *options) == 0
    assert json.loads((out / "report.json").read_text())["input"]["file"] == told
    for path in out.iterdir():
        assert (b"scan.nrrd" in path.read_bytes()) == (path.name == "report.json" and told is not None)
        assert a_scan.parent.name.encode() not in path.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin" or os.name == "nt", reason="has no such names")
@pytest.mark.parametrize(
    ("name", "told"),
    [("Gr\udcf6\udcdfe.nrrd", r"Gr\udcf6\udcdfe.nrrd"), ("\x1b[31mred\n.nrrd", r"\x1b[31mred\n.nrrd")],
    ids=["Latin-1, as on old discs", "would colour the terminal"],
)
def test_names_that_are_no_text_are_read_and_written_out(run, a_scan, out, capsys, name, told):
    scan = a_scan.rename(a_scan.with_name(name))
    assert run(scan) == 0
    assert json.loads((out / "report.json").read_text())["input"]["file"] == told
    scan.write_bytes(b"nothing")
    capsys.readouterr()
    assert run(scan, "--overwrite") == 2
    assert_one_sentence(capsys, f"'{told}' is damaged")


def test_results_that_appear_meanwhile_are_kept(out):
    def two_runs_at_once():
        with results_folder(out, overwrite=False) as scratch:
            (scratch / "report.json").write_text("mine")
            out.mkdir()
            (out / "report.json").write_text("theirs")

    with pytest.raises(InputError, match="already holds results"):
        two_runs_at_once()
    assert (out / "report.json").read_text() == "theirs"


def test_agreement_with_an_empty_reference_is_still_json(run, a_scan, out, tmp_path, capsys):
    empty = sitk.ReadImage(str(a_scan)) * 0
    sitk.WriteImage(sitk.Cast(empty, sitk.sitkUInt8), str(tmp_path / "labels.nrrd"))
    assert run(a_scan, "--reference", str(tmp_path / "labels.nrrd")) == 0

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    report = json.loads((out / "report.json").read_text(), parse_constant=refuse)
    assert report["agreement_with_reference"]["left_atrium"]["recall"] == 0
    assert "recall 0.000" in capsys.readouterr().out


def test_a_reference_on_another_grid_is_refused(run, a_scan, tmp_path, capsys):
    reference = tmp_path / "labels.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.eye(11, dtype=np.uint8)[None, :9].repeat(7, 0)), str(reference))
    assert run(a_scan, "--reference", str(reference)) == 2
    assert_one_sentence(capsys, "labels.nrrd", "grid")
    assert_nothing_left(tmp_path, "scan.nrrd", "labels.nrrd", "tiny")


def test_ct_given_to_an_mr_model_is_said_plainly(run, a_scan, tmp_path, capsys):
    ct = sitk.ReadImage(str(a_scan)) - 1000
    sitk.WriteImage(ct, str(tmp_path / "ct.nrrd"))
    assert run(tmp_path / "ct.nrrd") == 0
    assert "looks like CT" in capsys.readouterr().err


BAD_IMAGES = {
    "missing.nrrd": None,
    "noise.nii.gz": b"\x00\x01noise" * 99,
    "empty.nrrd": b"",
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_unreadable_images_leave_nothing_behind(run, tmp_path, name, capsys):
    content = BAD_IMAGES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run(tmp_path / name) == 2
    assert_one_sentence(capsys, name)
    assert_nothing_left(tmp_path, "tiny", *([name] if content is not None else []))


@pytest.mark.parametrize(
    ("voxels", "word"),
    [
        (np.zeros((5, 6, 7), np.int16), "constant"),
        (np.full((5, 6, 7), np.nan, np.float32), "NaN"),
        (np.arange(42, dtype=np.int16).reshape(1, 6, 7), "single slice"),
    ],
)
def test_images_without_a_volume_in_them_leave_nothing_behind(run, tmp_path, voxels, word, capsys):
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "scan.nrrd"))
    assert run(tmp_path / "scan.nrrd") == 2
    assert_one_sentence(capsys, word)
    assert_nothing_left(tmp_path, "tiny", "scan.nrrd")


def test_an_unknown_model_lists_the_right_ones(run, a_scan, capsys):
    assert run(a_scan, model="unet-liver-ct") == 2
    assert_one_sentence(capsys, "'unet-liver-ct'", SHIPPED)


def test_an_unknown_attention_map_lists_the_right_ones(run, a_scan, tmp_path, capsys):
    assert run(a_scan, "--attention", "gate 9,9") == 2
    assert_one_sentence(capsys, "'gate 9,9'", "gate 0,0")
    assert_nothing_left(tmp_path, "tiny", "scan.nrrd")


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing"])
def test_damaged_weights_are_never_run(run, a_scan, tmp_path, a_model_folder, damage, capsys):
    weights = a_model_folder / "weights.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    if damage != "missing":
        weights.write_bytes(content[:-9] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    assert run(a_scan) == 2
    assert_one_sentence(capsys, "weights", "again")
    assert_nothing_left(tmp_path, "tiny", "scan.nrrd")


def test_a_folder_that_can_not_be_written_is_refused_before_the_work(a_scan, tmp_path, a_model_folder, capsys):
    (tmp_path / "file").write_text("not a folder")
    out = str(tmp_path / "file" / "results")
    assert main(["segment", str(a_scan), "--model", str(a_model_folder), "--out", out]) == 2
    assert_one_sentence(capsys, "Can't write to")
    assert_nothing_left(tmp_path, "tiny", "scan.nrrd", "file")
