"""`attnseg collect`: a collection from the command line."""

import numpy as np
import pytest
import SimpleITK as sitk

from AttnSegLib.__main__ import main
from AttnSegLib.collections.collection import open_collection


@pytest.fixture
def files(tmp_path):
    """Writes a scan and its labels, and returns their paths: two segments, in slices 1 and 2 of 4."""

    def write(name):
        rng = np.random.default_rng(len(name))
        labels = np.zeros((4, 6, 5), np.uint8)
        labels[1:3, 1:3], labels[1:3, 4] = 1, 2
        paths = []
        for kind, voxels in (("scan", rng.integers(0, 900, labels.shape).astype(np.int16)), ("labels", labels)):
            image = sitk.GetImageFromArray(voxels)
            image.SetSpacing((1, 1, 3))
            paths.append(tmp_path / f"{name}-{kind}.nrrd")
            sitk.WriteImage(image, str(paths[-1]))
        return paths

    return write


def test_a_collection_is_made_filled_listed_and_emptied(files, tmp_path, capsys):
    def collect(*arguments):
        assert main(["collect", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    folder = tmp_path / "kidneys"
    collect("new", folder, "--name", "Kidneys", "--modality", "MR", "--segment", "Left", "--segment", "Right=9846003")
    assert "Added case_001." in collect("add", folder, *files("anna"))
    collect("add", folder, *files("bert_b"), "--slices", "1-2")
    collect("replace", folder, 1, *files("anna_again"))
    listed = collect("list", folder)
    assert "Kidneys in MR: Left, Right; 2 cases" in listed
    assert "case_002  5 x 6 x 4 voxels, slices 1 to 2 labelled" in listed
    assert "anna" not in (folder / "collection.json").read_text() + listed
    assert "attnseg teach" in collect("zip", folder, tmp_path / "kidneys.zip")
    collect("remove", folder, 2)
    assert "Left, Right; 1 case\n" in collect("list", folder)
    left, right = open_collection(folder).segments
    assert (left.type.meaning, right.type.value) == ("Tissue", "9846003")
    assert [case.id for case in open_collection(folder).cases] == ["case_001"]


def test_scan_and_labels_in_the_wrong_order_are_told(files, tmp_path, capsys):
    main(["collect", "new", str(tmp_path / "a"), "--name", "A", "--modality", "MR", "--segment", "B", "--segment", "C"])
    scan, labels = files("x")
    assert main(["collect", "add", str(tmp_path / "a"), str(labels), str(scan)]) == 2
    assert "give the labels, not the scan" in capsys.readouterr().err


def test_labelled_slices_in_the_wrong_order_are_told(files, tmp_path, capsys):
    main(["collect", "new", str(tmp_path / "a"), "--name", "A", "--modality", "MR", "--segment", "B", "--segment", "C"])
    assert main(["collect", "add", str(tmp_path / "a"), *map(str, files("x")), "--slices", "2-1"]) == 2
    assert "slices end at 1, before 2" in capsys.readouterr().err


def test_a_collection_can_have_the_segments_of_a_model(tmp_path):
    model = "eccamunet-hippocampus-mr"
    assert main(["collect", "new", str(tmp_path / "a"), "--name", "A", "--modality", "MR", "--like", model]) == 0
    assert len(open_collection(tmp_path / "a").segments) == 2


@pytest.mark.parametrize("slices", ["5", "a-b", "-3"])
def test_a_range_that_is_none_is_one_sentence(files, tmp_path, capsys, slices):
    main(["collect", "new", str(tmp_path / "a"), "--name", "A", "--modality", "MR", "--segment", "B", "--segment", "C"])
    assert main(["collect", "add", str(tmp_path / "a"), *map(str, files("x")), f"--slices={slices}"]) == 2
    assert "not a range of slices" in capsys.readouterr().err


def test_teach_is_that_of_training_with_all_its_options(tmp_path, capsys, monkeypatch):
    given = []
    monkeypatch.setattr("training.teach.main", lambda arguments: given.append(arguments) or 7)
    assert main(["teach", "balls", "--resume", "--suggest", "scans", "-h"]) == 7
    assert given == [["balls", "--resume", "--suggest", "scans", "-h"]]
    monkeypatch.undo()
    assert main(["teach", str(tmp_path / "balls"), "--time", "1m"]) == 2
    assert "There is no collection" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "teach a model from your own segmentations" in " ".join(capsys.readouterr().out.split())


def test_what_teaching_lacks_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr("AttnSegLib.commands.teach.lacking", lambda: ["lightning>=2.6", "monai>=1.5"])
    assert main(["teach", "balls"]) == 2
    assert capsys.readouterr().err == (
        "Error: Teaching needs packages that are missing: pip install 'lightning>=2.6' 'monai>=1.5'\n"
    )
