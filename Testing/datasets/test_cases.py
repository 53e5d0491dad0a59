"""Cases: of the sample, of a Decathlon task, and what every reader refuses."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.balls import a_ball, write_task

from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume
from training import datasets
from training.sample_case import cut
from training.slices.case import Case, Labelled


def test_a_sample_keeps_its_place_in_the_patient():
    voxels, labels = a_ball(1)
    affine = np.array([[0, 0, -2.0, 3], [1.5, 0, 0, -7], [0, -1, 0, 50], [0, 0, 0, 1]])
    images = cut(Labelled(Volume(voxels, affine), labels), margin=2.0)
    corner = images["image"].GetOrigin()
    first = np.argwhere(voxels == sitk.GetArrayFromImage(images["image"])[0, 0, 0])
    places = [(affine @ [*index[::-1], 1])[:3] * [-1, -1, 1] for index in first]
    assert any(np.allclose(place, corner) for place in places)
    assert sitk.GetArrayFromImage(images["labels"]).sum() == labels.sum()
    with pytest.raises(InputError, match="no labels"):
        cut(Labelled(Volume(voxels, affine), labels * 0), margin=2.0)


def test_a_decathlon_task_without_its_description(a_decathlon_task):
    cases = datasets.cases_of("msd", a_decathlon_task)
    assert [(case.id, case.patient) for case in cases] == [(f"case_{n}",) * 2 for n in range(4)]
    voxels, labels = a_ball(2)
    volume, label_map = cases[2].read()
    np.testing.assert_array_equal(volume.voxels, voxels)
    np.testing.assert_array_equal(label_map, labels)
    assert volume.spacing == pytest.approx((1.5, 1.5, 4.0))


def test_a_decathlon_task_with_its_description_has_the_cases_that_it_lists(tmp_path):
    root = write_task(tmp_path / "task", count=3)
    entries = [{"image": f"./imagesTr/case_{n}.nii.gz", "label": f"./labelsTr/case_{n}.nii.gz"} for n in (2, 0)]
    (root / "dataset.json").write_text(json.dumps({"training": entries}))
    assert [case.id for case in datasets.cases_of("msd", root)] == ["case_0", "case_2"]
    (root / "dataset.json").write_text("{}")
    with pytest.raises(InputError, match="not the description of a Decathlon task"):
        datasets.cases_of("msd", root)


def test_wrong_roots_names_and_options_are_one_sentence(a_decathlon_task, tmp_path):
    with pytest.raises(InputError, match=r"No cases in .*medicaldecathlon\.com.*imagesTr"):
        datasets.cases_of("msd", tmp_path)
    with pytest.raises(InputError, match=r"no folder .*medicaldecathlon\.com"):
        datasets.cases_of("msd", tmp_path / "nowhere")
    with pytest.raises(InputError, match="no data set 'mds'.*msd"):
        datasets.cases_of("mds", tmp_path)
    with pytest.raises(InputError, match="no option 'sequence'"):
        datasets.cases_of("msd", a_decathlon_task, sequence="T2")


def test_an_image_without_labels_is_refused(tmp_path):
    root = write_task(tmp_path / "task", count=2)
    (root / "labelsTr/case_1.nii.gz").unlink()
    with pytest.raises(InputError, match="'case_1' lacks its image or its label map"):
        datasets.cases_of("msd", root)


@pytest.mark.parametrize("name", datasets.dataset_names())
def test_every_reader_says_where_to_get_its_data(name):
    reader = datasets.reader(name)
    assert reader.SOURCE.endswith(".")
    assert all(isinstance(value, int) and isinstance(meaning, str) for value, meaning in reader.LABELS.items())


def test_a_case_twice_is_refused(tmp_path, monkeypatch):
    twice = Case("a", "a", tuple)
    monkeypatch.setattr(datasets.reader("msd"), "cases", lambda _root: iter([twice, twice]))
    with pytest.raises(InputError, match="'a' lies in .* more than once"):
        datasets.cases_of("msd", tmp_path)
