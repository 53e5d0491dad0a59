"""Looking through a cohort: the most doubtful case first, and decisions go back into the table and stay there."""

import json

import pytest
from made_up.cohorts import table_of

from AttnSegLib.cohort.cohort_folder import CohortFolder
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.records import CaseRecord
from AttnSegLib.cohort.review import CORRECTED, CohortReview
from AttnSegLib.cohort.table import table_rows, table_text
from AttnSegLib.errors import InputError
from AttnSegLib.models.card_file import CARD, load_card

TRUST = {"a": 0.9, "b": 0.4, "c": None, "d": 0.7}


@pytest.fixture
def cohort_folder(tmp_path, the_model_folder):
    """Of four cases that are done, and one that is not."""
    spec, folder = load_card(the_model_folder / CARD), CohortFolder(tmp_path / "out")
    records = []
    for name, trust in TRUST.items():
        segment = {"id": "left_atrium", "volume_ml": 1.0, "mean_intensity": 2.0, "sd_intensity": 3.0, "slices": 1}
        report = {
            "segments": [segment | {"slice_area_mm2": [1.0]}],
            "slices_to_check": [],
            "seconds": {},
            "notices": [],
        }
        report |= {"expected_dice": trust, "segmentation": ["segmentation.seg.nrrd"]}
        case = CohortCase(name, tmp_path / f"{name}.nii.gz", "4" if name == "b" else None)
        place = folder.results(case, spec.id)
        place.mkdir(parents=True)
        (place / "report.json").write_text(json.dumps(report))
        (place / "segmentation.seg.nrrd").write_bytes(b"voxels")
        records.append(CaseRecord(case, spec, report))
    records.append(CaseRecord(CohortCase("e", tmp_path / "e.nii.gz"), spec, None, "It is damaged."))
    (tmp_path / "out" / "cohort.csv").write_text(table_text(table_rows(records, names=True)), encoding="utf-8")
    return tmp_path / "out"


def test_the_most_doubtful_comes_first(cohort_folder):
    review = CohortReview(cohort_folder)
    assert [case.name for case in review.cases] == ["c", "b", "d", "a"]  # c: nothing was found
    assert [case.trust for case in review.cases] == [None, 0.4, 0.7, 0.9]
    assert review.cases[1].image == str(cohort_folder.parent / "b.nii.gz")
    assert [case.series for case in review.cases] == ["", "4", "", ""]


def test_a_decision_is_in_the_table_and_stays(cohort_folder):
    before = table_of(cohort_folder)
    review = CohortReview(cohort_folder)
    review.decide(1, "accepted")
    review.decide(3, "corrected")
    assert [row["decision"] for row in table_of(cohort_folder)] == ["corrected", "accepted", "", "", ""]
    assert [row | {"decision": ""} for row in table_of(cohort_folder)] == before
    assert [case.decision for case in CohortReview(cohort_folder).cases] == ["", "accepted", "", "corrected"]
    assert CohortFolder(cohort_folder).decision("b", "tiny") == "accepted"  # for the tables that later runs make


def test_a_correction_is_what_is_shown_later(cohort_folder):
    case = CohortReview(cohort_folder).cases[0]
    assert case.segmentation().name == "segmentation.seg.nrrd"
    (case.results / CORRECTED).write_bytes(b"voxels")
    assert case.segmentation().name == CORRECTED
    for path in case.results.glob("*.nrrd"):
        path.unlink()
    with pytest.raises(InputError, match="--format seg.nrrd"):
        case.segmentation()


@pytest.mark.parametrize("text", [None, "x,y\n1,2\n", "case,status,model,results,image,trust\ne,failed,tiny,,,\n"])
def test_what_is_no_cohort_is_one_sentence(tmp_path, text):
    if text is not None:
        (tmp_path / "cohort.csv").write_text(text)
    with pytest.raises(InputError, match=r"attnseg cohort"):
        CohortReview(tmp_path)


def test_the_command_keeps_decisions(cohort, scans, out):
    assert cohort(scans / "a.nii.gz") == 0
    CohortReview(out).decide(0, "accepted")
    (out / "cohort.csv").unlink()
    assert cohort(scans / "a.nii.gz") == 0
    assert [row["decision"] for row in table_of(out)] == ["accepted"]
