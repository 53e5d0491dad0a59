"""Cases of one's own: exact, without names, whole or not at all, one process at a time."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from AttnSegLib.collections import cases, changing
from AttnSegLib.collections.cases import NewCase, add_case, joined, make_collection, replace_case, take_out
from AttnSegLib.collections.collection import COLLECTION, LabelledSlices, open_collection
from AttnSegLib.collections.elsewhere import unzip_collection, zip_collection
from AttnSegLib.collections.matching import matched
from AttnSegLib.collections.voxel_file import write_voxels_file
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, read_volume
from AttnSegLib.models.card import Code, Label
from training.datasets import cases_of

ROOT = Path(__file__).parents[2]
STRUCTURE, TISSUE = Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "85756007", "Tissue")
LIVER = Label(1, "Liver", (200, 100, 100), STRUCTURE, Code("SCT", "10200004", "Liver"))
SPLEEN = Label(2, "Spleen", (100, 200, 100), STRUCTURE, Code("SCT", "78961009", "Spleen"))
AFFINE = np.array([[0, 0.7, 0.1, -12.3456789], [-0.7, 0, 0, 1 / 3], [0.02, 0, 3.1, 1e-5], [0, 0, 0, 1.0]])
AFFINE[:3, :3] = np.linalg.qr(AFFINE[:3, :3])[0] * [0.7, 0.7, 3.1]


def a_case(seed=0, **changes):
    """A scan of 6 slices with a liver in slices 1 to 4, and a spleen in 2 to 4."""
    voxels = np.random.default_rng(seed).integers(-100, 1000, (6, 9, 8)).astype(np.int16)
    label_map = np.zeros(voxels.shape, np.uint8)
    label_map[1:5, 2:5, 2:6] = 1
    label_map[2:5, 6:8, 3:6] = 2
    return replace(NewCase(Volume(voxels, AFFINE, "MR"), label_map), **changes)


@pytest.fixture
def folder(tmp_path):
    """Of a collection with one case."""
    made = make_collection(tmp_path / "abdomen", "Abdomen", "MR", (LIVER, SPLEEN)).folder
    add_case(made, a_case())
    return made


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left(folder):
    """Names of all files but the lock."""
    return sorted(name for name in content(folder) if name != ".lock")


def refusal(act, *arguments):
    """The one sentence that something is refused with; the collection is as it was."""
    with pytest.raises(InputError) as raised:
        act(*arguments)
    sentence = str(raised.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# What is kept


@pytest.mark.parametrize("kind", ["i1", "u1", ">i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", ">f8"])
def test_voxels_and_their_place_come_back_to_the_last_digit(tmp_path, kind):
    voxels = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(kind)
    write_voxels_file(tmp_path / "a.nrrd", voxels, AFFINE)
    volume = read_volume(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(volume.voxels, voxels)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.notices == ()


def test_a_case_comes_back_exactly(folder):
    new = a_case(1, volume=replace(a_case(1).volume, padding=-100.0))
    add_case(folder, new)
    collection = open_collection(folder)
    volume, label_map = collection.read(collection.case(2))
    np.testing.assert_array_equal(volume.voxels, new.volume.voxels)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    np.testing.assert_array_equal(label_map, new.label_map)
    assert (volume.modality, volume.padding) == ("MR", -100.0)
    assert [segment.name for segment in collection.segments] == ["Liver", "Spleen"]


def test_the_folder_says_no_more_than_numbers_and_segments(folder):
    assert left(folder) == [COLLECTION, "images/case_001_r1.nrrd", "labels/case_001_r1.nrrd"]
    [case] = json.loads((folder / COLLECTION).read_text())["cases"]
    assert set(case) == {"number", "revision", "shape", "digest", "labelled", "absent", "padding"}


def test_both_readers_of_training_take_the_folder(folder):
    for name in ("collection", "folder"):
        [case] = cases_of(name, folder)
        np.testing.assert_array_equal(case.read().label_map, a_case().label_map)


def test_cases_are_replaced_and_taken_out_and_no_number_comes_again(folder):
    better = a_case(0, label_map=np.where(a_case().label_map == 2, 1, 2).astype(np.uint8))
    assert replace_case(folder, 1, better).file == "case_001_r2.nrrd"
    collection = open_collection(folder)
    np.testing.assert_array_equal(collection.read(collection.case(1))[1], better.label_map)
    take_out(folder, 1)
    assert left(folder) == [COLLECTION]
    assert [add_case(folder, a_case(seed)).id for seed in (2, 3)] == ["case_002", "case_003"]


def test_of_a_partly_labelled_scan_only_those_slices_are_given(folder):
    new = a_case(3, labelled=LabelledSlices(0, 2, 4))
    add_case(folder, new)
    volume, label_map = cases_of("collection", folder)[1].read()
    np.testing.assert_array_equal(label_map, new.label_map[2:5])
    np.testing.assert_array_equal(volume.voxels, new.volume.voxels[2:5])
    np.testing.assert_array_equal(volume.whole, new.volume.voxels)  # of which percentiles are taken
    np.testing.assert_allclose(volume.affine @ [0, 0, 0, 1], AFFINE @ [0, 0, 2, 1])


# What is refused


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_map": np.zeros((6, 9, 8), np.uint8)}, "Nothing is labelled in it"),
        ({"labelled": LabelledSlices(0, 0, 0)}, "Nothing is labelled in the slices that count"),
        ({"labelled": LabelledSlices(0, 4, 6)}, "Slices 4 to 6 are not among the scan's 0 to 5"),
        ({"labelled": LabelledSlices(0, 1, 1)}, "'Spleen' is empty"),
        ({"label_map": np.minimum(a_case().label_map, 1)}, "'Spleen' is empty"),
        ({"label_map": a_case().label_map * 2}, "value 4"),
        ({"label_map": np.zeros((6, 9, 9), np.uint8)}, "another grid"),
        ({"label_map": a_case().label_map * (np.arange(6) == 3)[:, None, None]}, "Only slice 3 has labels"),
        ({"absent": ("Spleen",)}, "'Spleen' is labelled"),
        ({"absent": ("Heart",)}, "no segment 'Heart'"),
        ({"volume": a_case().volume}, "case_001 of the collection already"),
        ({"volume": replace(a_case(1).volume, modality="CT")}, "is CT and the collection"),
        ({"volume": Volume(np.full((6, 9, 8), 7), AFFINE)}, "constant"),
        ({"volume": Volume(np.full((6, 9, 8), np.nan), AFFINE)}, "NaN"),
    ],
)
def test_what_can_not_be_learnt_from_is_one_sentence_and_changes_nothing(folder, changes, said):
    before = content(folder)
    assert said in refusal(add_case, folder, replace(a_case(1), **changes))
    assert content(folder) == before


def test_a_segment_that_a_scan_lacks_can_be_said_to_be_absent(folder):
    add_case(folder, a_case(1, label_map=np.minimum(a_case().label_map, 1), absent=("Spleen",)))
    assert open_collection(folder).case(2).absent == ("spleen",)


def test_overlapping_segments_are_refused():
    masks = {"Liver": np.ones((2, 2, 2), bool), "Spleen": np.eye(2, dtype=bool)[None].repeat(2, 0)}
    assert "'Liver' and 'Spleen' overlap in 4 voxels" in refusal(joined, masks, (LIVER, SPLEEN))
    masks["Liver"] = ~masks["Spleen"]
    assert np.unique(joined(masks, (LIVER, SPLEEN))).tolist() == [1, 2]


@pytest.mark.parametrize("number", [0, 2])
def test_a_case_that_is_not_there_is_refused(folder, number):
    assert f"no case {number}" in refusal(take_out, folder, number)
    assert f"no case {number}" in refusal(replace_case, folder, number, a_case(1))


def test_a_collection_is_made_in_an_empty_folder_with_fitting_names(tmp_path):
    (tmp_path / "file").touch()
    assert "not empty" in refusal(make_collection, tmp_path, "A", "MR", (LIVER,))
    new = tmp_path / "new"
    assert "not 'US'" in refusal(make_collection, new, "A", "US", (LIVER,))
    assert "names, each another one" in refusal(make_collection, new, "A", "MR", (LIVER, replace(SPLEEN, name="liver")))
    assert "can't be shown" in refusal(make_collection, new, "A", "MR", (replace(LIVER, name="a\nb"),))
    assert not new.exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "There is no collection"),
        (lambda path: path.write_text("{"), "damaged (it is not JSON)"),
        (lambda path: path.write_text("{}"), "no format number"),
        (lambda path: path.write_text(path.read_text().replace('"format": 1', '"format": 2')), "update AttnSeg"),
        (lambda path: path.write_text(path.read_text().replace('"next_number": 2', '"next_number": 1')), "numbers"),
    ],
)
def test_a_damaged_or_moved_collection_is_one_sentence(folder, damage, said):
    damage(folder / COLLECTION)
    assert said in refusal(add_case, folder, a_case(1))


# Full disks, killed processes, two processes


@pytest.mark.parametrize("place", [(cases, "write_voxels_file"), (cases, "write_collection")])
def test_on_a_full_disk_the_collection_is_as_it_was(folder, monkeypatch, place):
    before = open_collection(folder)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*place, full)
        assert "No space left on device" in refusal(add_case, folder, a_case(1))
        assert "No space left on device" in refusal(replace_case, folder, 1, a_case(2))
    assert open_collection(folder) == before
    assert before.read(before.case(1))[1].any()
    assert add_case(folder, a_case(1)).id == "case_002"
    assert len(left(folder)) == 5  # what was half done is gone


def test_a_disk_that_fills_while_a_file_is_written_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_voxels_file(tmp_path / "a.nrrd", a_case().volume.voxels, AFFINE)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_change_a_collection_at_once(folder):
    code = (
        "from pathlib import Path; import sys\n"
        "from AttnSegLib.collections.cases import take_out\n"
        "from AttnSegLib.errors import InputError\n"
        "try: take_out(Path(sys.argv[1]), 1)\n"
        "except InputError as error: print(error)"
    )
    with changing.changing(folder):
        ended = subprocess.run(
            [sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert "changes the collection" in ended.stdout
    assert len(open_collection(folder).cases) == 1
    take_out(folder, 1)  # the lock ends with its holder


# Which segment is which; on another computer


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ([replace(SPLEEN, name="spleen"), replace(LIVER, name="Leber")], {"Liver": "Leber", "Spleen": "spleen"}),
        ([replace(LIVER, name="a"), replace(LIVER, name="b")], {}),  # either may be it
        ([replace(SPLEEN, name="Liver")], {"Liver": "Liver"}),  # what the user calls it counts
        ([replace(LIVER, name="x", type=TISSUE)], {}),
    ],
)
def test_segments_are_matched_by_name_and_then_by_codes(found, answer):
    assert matched((LIVER, SPLEEN), found) == answer


def test_segments_without_codes_are_never_matched_by_them():
    assert matched((replace(LIVER, type=TISSUE),), [replace(SPLEEN, type=TISSUE)]) == {}


def test_a_segment_whose_codes_two_of_the_collection_have_is_asked_about():
    halves = (replace(LIVER, name="Left lobe"), replace(LIVER, name="Right lobe"))
    assert matched(halves, [replace(LIVER, name="Leber")]) == {}


def test_a_collection_travels_as_one_zip(folder, tmp_path):
    path = tmp_path / "away" / "abdomen.zip"
    path.parent.mkdir()
    command = zip_collection(folder, path)
    assert command == "attnseg teach abdomen.zip --time 2h --out ."
    there = unzip_collection(path)
    assert open_collection(there) == open_collection(folder)
    assert command in (there / "HOW-TO-TRAIN.txt").read_text()
    assert unzip_collection(path) == there
    assert "already" in refusal(zip_collection, folder, path)
    path.with_name("b.zip").write_bytes(b"none")
    assert "damaged" in refusal(unzip_collection, path.with_name("b.zip"))
    assert sorted(one.name for one in path.parent.iterdir()) == ["abdomen", "abdomen.zip", "b.zip"]


def test_a_collection_that_can_only_be_read_travels_too(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("AttnSegLib.collections.elsewhere.os.access", lambda *_: False)
    monkeypatch.setattr("AttnSegLib.collections.elsewhere.changing", None)  # whose lock would be written into it
    zip_collection(folder, tmp_path / "abdomen.zip")
    assert open_collection(unzip_collection(tmp_path / "abdomen.zip")) == open_collection(folder)


def test_a_zip_that_can_not_be_written_or_filled_is_told_as_such(folder, tmp_path):
    assert "a.zip' can't be written (No such" in refusal(zip_collection, folder, tmp_path / "nowhere" / "a.zip")
    (folder / "labels" / "case_001_r1.nrrd").unlink()
    assert "lacks its file 'labels/case_001_r1.nrrd'" in refusal(zip_collection, folder, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_a_name_with_a_blank_is_one_word_of_the_command(folder, tmp_path):
    command = zip_collection(folder, tmp_path / "my liver.zip")
    assert command == 'attnseg teach "my liver.zip" --time 2h --out .'
    assert command in (unzip_collection(tmp_path / "my liver.zip") / "HOW-TO-TRAIN.txt").read_text()
