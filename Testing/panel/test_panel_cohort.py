"""A cohort in the panel: case by case, by doubt; decisions go into its table, corrections beside its results."""

import json

import numpy as np
import pytest
from made_up.cohorts import AFFINE, table_of, write_scan
from made_up.dicom import VOXELS, write_series
from panel_at_work import said

from AttnSegLib.cohort.cohort_folder import CohortFolder
from AttnSegLib.cohort.one_case import CohortCase
from AttnSegLib.cohort.records import CaseRecord
from AttnSegLib.cohort.table import table_rows, table_text
from AttnSegLib.models.catalog import find_model
from AttnSegLib.results.segmentation_file import write_segmentation_file

MODEL = "anunet-left_atrium-mr"
TRUST = {"a": 0.9, "b": 0.4, "c": 0.7}


@pytest.fixture
def cohort(tmp_path):
    """Three cases that are done, with their scans."""
    spec, folder, records = find_model(MODEL), CohortFolder(tmp_path / "out"), []
    labels = np.zeros((5, 16, 16), np.uint8)
    labels[2, 4:8, 4:8] = 1
    for seed, (name, trust) in enumerate(TRUST.items()):
        case = CohortCase(name, write_scan(tmp_path / f"{name}.nrrd", seed))
        segment = {"id": "left_atrium", "volume_ml": 1.0, "mean_intensity": 2.0, "sd_intensity": 3.0, "slices": 1}
        report = {
            "segments": [segment | {"slice_area_mm2": [1.0]}],
            "seconds": {},
            "notices": [],
            "expected_dice": trust,
        }
        report |= {"segmentation": ["segmentation.seg.nrrd"], "slices": {"stored_axis_kji": 0}}
        report |= {"slices_to_check": [{"index": 3}]}
        place = folder.results(case, spec.id)
        place.mkdir(parents=True)
        (place / "report.json").write_text(json.dumps(report))
        write_segmentation_file(place / "segmentation.seg.nrrd", labels, AFFINE, spec.labels)
        records.append(CaseRecord(case, spec, report))
    (tmp_path / "out" / "cohort.csv").write_text(table_text(table_rows(records, names=True)), encoding="utf-8")
    return tmp_path / "out"


@pytest.fixture
def opened(ui, cohort):
    import slicer

    slicer.app.file_answers.append(str(cohort))
    ui.openCohortButton.click()
    return cohort


def names(scene, kind):
    return [scene.GetNthNodeByClass(n, kind).GetName() for n in range(scene.GetNumberOfNodesByClass(kind))]


def test_cases_come_by_doubt_one_at_a_time(opened, ui, scene, parameters):
    assert ui.cohortLabel.text == f"Case 1 of 3, 0 decided. b ({MODEL}): trust 0.400"
    assert parameters.inputVolume.GetName() == "b"
    assert parameters.segmentation.GetSegmentation().GetNumberOfSegments() == 1
    assert not ui.previousInCohortButton.enabled
    ui.nextInCohortButton.click()
    ui.nextInCohortButton.click()
    assert "Case 3 of 3, 0 decided. a" in ui.cohortLabel.text
    assert not ui.nextInCohortButton.enabled
    assert names(scene, "vtkMRMLScalarVolumeNode") == ["scan", "a"]  # what was there stays, the other cases went
    assert len(names(scene, "vtkMRMLSegmentationNode")) == 1
    ui.previousInCohortButton.click()
    assert parameters.inputVolume.GetName() == "c"
    assert table_of(opened)[0]["decision"] == ""


@pytest.mark.usefixtures("opened")
def test_the_most_doubtful_slice_is_in_view(scene):
    offsets = [scene.GetNthNodeByClass(n, "vtkMRMLSliceNode").GetSliceOffset() for n in range(3)]
    assert 3 * 2.5 in offsets


def test_what_is_accepted_goes_into_the_table_and_the_next_comes(opened, ui):
    ui.acceptCaseButton.click()
    assert [row["decision"] for row in table_of(opened)] == ["", "accepted", ""]
    assert "Case 2 of 3, 1 decided. c" in ui.cohortLabel.text
    ui.previousInCohortButton.click()
    assert ui.cohortLabel.text.endswith("trust 0.400, accepted")
    import slicer

    slicer.app.file_answers.append(str(opened))
    ui.openCohortButton.click()  # goes on with what is not decided
    assert "Case 2 of 3" in ui.cohortLabel.text


def test_a_correction_is_kept_beside_the_results(opened, ui, parameters):
    import slicer

    ui.correctCaseButton.click()
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    assert editor.segmentationNode() is parameters.segmentation
    edited = np.zeros((5, 16, 16), np.uint8)
    edited[1:3, 2:6, 2:6] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        edited, parameters.segmentation, "left_atrium", parameters.inputVolume
    )
    ui.keepCorrectionButton.click()
    assert [row["decision"] for row in table_of(opened)] == ["", "corrected", ""]
    assert (opened / "cases" / "b" / MODEL / "segmentation.seg.nrrd").is_file()
    ui.previousInCohortButton.click()
    shown = slicer.util.arrayFromSegmentBinaryLabelmap(parameters.segmentation, "left_atrium", parameters.inputVolume)
    np.testing.assert_array_equal(shown, edited)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("leaves", [True, False])
def test_an_edited_case_is_not_left_unasked(ui, parameters, monkeypatch, leaves):
    import slicer

    asked = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, **_: asked.append(text) or leaves)
    ui.nextInCohortButton.click()
    assert asked == []
    mask = np.ones((5, 16, 16), np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        mask, parameters.segmentation, "left_atrium", parameters.inputVolume
    )
    ui.nextInCohortButton.click()
    assert len(asked) == 1
    assert f"Case {3 if leaves else 2} of 3" in ui.cohortLabel.text


def test_a_saved_scene_goes_on_where_it_was(opened, ui, widget, scene, tmp_path, monkeypatch):
    import slicer

    # a scene does not tell whether a segmentation was edited before it was saved
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda _text, **_: True)
    ui.nextInCohortButton.click()
    told = ui.cohortLabel.text
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"), {})
    scene.Clear(0)
    assert ui.cohortLabel.text == ""
    buttons = (ui.previousInCohortButton, ui.nextInCohortButton, ui.acceptCaseButton, ui.keepCorrectionButton)
    assert not any(button.enabled for button in buttons)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert ui.cohortLabel.text == told
    assert "Case 2 of 3, 0 decided. c" in told
    ui.correctCaseButton.click()
    assert widget.panel.parameters.inputVolume.GetName() == "c"
    ui.acceptCaseButton.click()
    assert [row["decision"] for row in table_of(opened)] == ["", "", "accepted"]
    assert names(scene, "vtkMRMLScalarVolumeNode") == ["scan", "a"]
    assert len(names(scene, "vtkMRMLSegmentationNode")) == 1


def test_a_scene_whose_cohort_is_gone_says_so(opened, ui, parameters, tmp_path):
    opened.rename(tmp_path / "moved")
    parameters.cohortFolder = str(tmp_path / "elsewhere")
    assert "can't be read" in ui.cohortLabel.text
    assert not ui.nextInCohortButton.enabled
    parameters.cohortFolder = str(tmp_path / "moved")
    assert "Case 1 of 3" in ui.cohortLabel.text
    rows = table_of(tmp_path / "moved")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cohort.csv").write_text(table_text([rows[0]]), encoding="utf-8")
    parameters.cohortFolder = str(tmp_path / "other")
    assert "not in the table any more" in ui.cohortLabel.text
    assert not ui.acceptCaseButton.enabled


def test_of_a_folder_with_several_series_the_segmented_one_is_shown(cohort, ui, widget, parameters, tmp_path):
    import slicer

    (tmp_path / "two").mkdir()
    (tmp_path / "two" / ".DS_Store").write_bytes(b"of the Finder")
    write_series(tmp_path / "two", prefix="a")
    write_series(tmp_path / "two", prefix="b", plus=100, SeriesInstanceUID="1.2.3.2", SeriesNumber=4)
    rows = table_of(cohort)
    rows[0] |= {"image": str(tmp_path / "two"), "series": "4", "trust": "0.2"}
    rows[2] |= {"image": str(tmp_path / "two"), "trust": "0.3"}
    (cohort / "cohort.csv").write_text(table_text(rows), encoding="utf-8")
    slicer.app.file_answers.append(str(cohort))
    ui.openCohortButton.click()
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(parameters.inputVolume), VOXELS + 100)
    assert parameters.inputVolume.GetName() == "a"
    ui.nextInCohortButton.click()  # nothing tells which series that was
    assert "number 3 (5 slices), number 4 (5 slices)" in said(widget)
    assert not ui.acceptCaseButton.enabled


def test_what_can_not_be_opened_is_one_sentence(cohort, ui, widget, tmp_path):
    import slicer

    slicer.app.file_answers.append(str(tmp_path))
    ui.openCohortButton.click()
    assert "choose a folder that 'attnseg cohort' wrote" in said(widget)
    (tmp_path / "b.nrrd").unlink()
    slicer.app.file_answers.append(str(cohort))
    ui.openCohortButton.click()
    assert "can't be loaded" in said(widget)
    assert not ui.acceptCaseButton.enabled
    ui.nextInCohortButton.click()
    assert ui.acceptCaseButton.enabled
