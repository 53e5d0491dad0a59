"""Which cases `attnseg cohort` finds, and what they are called."""

import os

import pytest
from made_up.cohorts import write_scan
from made_up.dicom import VOXELS, write_slice

from AttnSegLib.cohort.cases import Search, find_cases
from AttnSegLib.errors import InputError


def names(*sources, **search):
    return [case.name for case in find_cases(sources, Search(**search))]


def refused(*sources, **search):
    with pytest.raises(InputError) as caught:
        find_cases(sources, Search(**search))
    return str(caught.value)


def test_a_folder_is_searched_for_all_formats(tmp_path):
    for name in ("a.nii.gz", "deep/er/b.nrrd", "c.mha", ".hidden/d.nii", "e.seg.nrrd", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "study" / "series").mkdir(parents=True)
    write_slice(tmp_path / "study" / "series" / "1.dcm", VOXELS[0])
    write_slice(tmp_path / "study" / "series" / "2.dcm", VOXELS[1], 2.0)
    found = find_cases([tmp_path])
    assert [case.name for case in found] == ["a", "c", "deep_er_b", "study_series"]
    assert found[3].image == tmp_path / "study" / "series"


def test_one_dicom_file_alone_may_hold_all_frames(tmp_path):
    (tmp_path / "enhanced").mkdir()
    write_slice(tmp_path / "enhanced" / "scan.dcm", VOXELS[0])
    [case] = find_cases([tmp_path])
    assert (case.name, case.image) == ("enhanced_scan", tmp_path / "enhanced" / "scan.dcm")


def test_in_bids_only_raw_anatomy_is_taken(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    for name in ("anat/sub-01_T1w", "func/sub-01_bold", "dwi/sub-01_dwi"):
        write_scan(tmp_path / "sub-01" / f"{name}.nii.gz")
    write_scan(tmp_path / "sub-02" / "ses-1" / "anat" / "sub-02_ses-1_T1w.nii.gz")
    write_scan(tmp_path / "derivatives" / "x" / "anat" / "sub-01_T1w.nii.gz")
    assert names(tmp_path) == ["sub-01_T1w", "sub-02_ses-1_T1w"]


def test_results_are_no_scans(tmp_path):
    write_scan(tmp_path / "a.nii.gz")
    write_scan(tmp_path / "earlier" / "attention-x.nrrd")
    (tmp_path / "earlier" / "report.json").touch()
    (tmp_path / "earlier" / "segmentation.seg.nrrd").touch()
    write_scan(tmp_path / "cohort" / "cases" / "c.nrrd")
    for name in ("cohort.json", "cohort.csv"):
        (tmp_path / "cohort" / name).touch()
    write_scan(tmp_path / "out" / "b.nrrd")
    assert names(tmp_path, without=tmp_path / "out") == ["a"]


def test_a_pattern_chooses(tmp_path):
    for name in ("p1/t1", "p1/t2", "p2/t2"):
        write_scan(tmp_path / f"{name}.nii.gz")
    assert names(tmp_path, match="*t2*") == ["p1_t2", "p2_t2"]
    assert names(tmp_path, match="p2/*") == ["p2_t2"]
    told = refused(tmp_path, match="t2")
    assert told.startswith(
        f"Of 3 scans in '{tmp_path}', such as 'p1/t1.nii.gz', none has a path that fits 't2'; change --match"
    )


def test_where_no_scan_is_the_pattern_is_not_to_blame(tmp_path):
    told = refused(tmp_path, match="*t2*")
    assert told.startswith(f"There is no scan in '{tmp_path}': ")
    assert "match" not in told


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_in_a_circle_end(tmp_path):
    write_scan(tmp_path / "a" / "scan.nii.gz")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert names(tmp_path) == ["a_scan"]


@pytest.mark.parametrize(("suffix", "comma"), [(".csv", ","), (".csv", ";"), (".tsv", "\t")])
def test_a_list_names_cases(tmp_path, suffix, comma):
    lines = [("Case", "image", "series"), ("P 1", "scans/a.nii.gz", ""), ("P2", "/b", "3"), ("", "", "")]
    path = tmp_path / f"list{suffix}"
    path.write_text("\ufeff" + "\n".join(comma.join(line) for line in lines), encoding="utf-8")
    one, two = find_cases([path])
    assert (one.name, one.image, one.series) == ("P2", tmp_path / "/b", "3")
    assert (two.name, two.image, two.series) == ("P_1", tmp_path / "scans/a.nii.gz", None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scan,who\na,b\n", "no column 'image'"),
        ("", "no column 'image'"),
        ("case,image\nx,\n", "Line 2 of the list"),
        ("image\na/scan.nrrd\nb/scan.nrrd\n", "would both be case 'scan'"),
        ("case,image\nA,1\na,2\n", "would both be case 'a'"),
        ('image\n"a', "is no table"),
        ("image\n", "There is no scan"),
    ],
)
def test_a_bad_list_is_one_sentence(tmp_path, text, told):
    path = tmp_path / "list.csv"
    path.write_text(text)
    assert told in refused(path)


def test_a_list_in_another_encoding_or_that_is_missing(tmp_path):
    (tmp_path / "list.csv").write_bytes("image\nMüller".encode("latin-1"))
    assert "UTF-8" in refused(tmp_path / "list.csv")
    assert "can't be read" in refused(tmp_path / "none.csv")
    assert "none' is not there" in refused(tmp_path / "none")


def test_an_empty_folder_and_names_that_clash(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "There is no scan in" in refused(tmp_path / "empty")
    write_scan(tmp_path / "scan.nrrd")
    write_scan(tmp_path / "scan.mha")
    assert "give a list (.csv)" in refused(tmp_path)
