"""Pictures, and volumes of one slice, where the model was trained on such; a sentence where it was not."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from made_up.cohorts import table_of
from made_up.pictures import write, write_volume

import AttnSegLib
from AttnSegLib.__main__ import main
from AttnSegLib.errors import InputError
from AttnSegLib.images.volume import Volume, read_volume
from AttnSegLib.models.card import TrainingFacts
from AttnSegLib.models.card_file import CARD
from AttnSegLib.models.preprocessing import Preprocessing
from training import export

PIXELS = np.random.default_rng(0).integers(0, 250, (32, 48)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _no_picture(monkeypatch):
    """It takes longer than all the rest."""
    monkeypatch.setattr("AttnSegLib.results.run_files.no_picture", lambda: ["No picture."])


@pytest.fixture
def model(a_model_folder):
    """That was trained on pictures."""
    card = json.loads((a_model_folder / CARD).read_text())
    (a_model_folder / CARD).write_text(json.dumps(card | {"training": {"pictures": True}}))
    return str(a_model_folder)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.JPEG"])
def test_a_picture_gives_a_label_map_of_its_size(tmp_path, model, name):
    write(tmp_path / name, PIXELS)
    assert main(["segment", str(tmp_path / name), "--model", model, "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "segmentation.seg.nrrd")))
    assert labels.shape == (1, 32, 48)
    assert report["segments"][0]["volume_ml"] == pytest.approx(labels.sum() / 1000, abs=1e-3)
    assert labels.any()
    assert any("how large its pixels are (taken as 1 mm)" in notice for notice in report["notices"])


def test_a_volume_of_one_slice_gives_the_same_as_its_picture(tmp_path, model):
    write(tmp_path / "a.png", PIXELS)
    write_volume(tmp_path / "a.nrrd", PIXELS[None], (1.0, 1.0, 1.0))
    of_picture, of_volume = (AttnSegLib.segment(tmp_path / name, model).label_map for name in ("a.png", "a.nrrd"))
    np.testing.assert_array_equal(of_picture, of_volume)
    assert 0 < of_picture.mean() < 1


def test_an_array_of_two_axes_has_a_label_map_of_two(tmp_path, model):
    result = AttnSegLib.segment(PIXELS, model)
    write(tmp_path / "a.png", PIXELS)
    np.testing.assert_array_equal(result.label_map, AttnSegLib.segment(tmp_path / "a.png", model).label_map[0])
    assert result.attention["gate 0,0"].shape == PIXELS.shape


def test_every_picture_of_a_folder_is_a_case(tmp_path, model):
    for number in range(2):
        write(tmp_path / "pictures" / f"{number}.png", np.roll(PIXELS, number, axis=0))
    (tmp_path / "pictures" / "2.jpg").write_bytes(b"noise")
    assert main(["cohort", str(tmp_path / "pictures"), "--model", model, "--out", str(tmp_path / "out")]) == 1
    rows = table_of(tmp_path / "out")
    assert [(row["case"], row["status"]) for row in rows] == [("0", "done"), ("1", "done"), ("2", "failed")]


def test_a_model_of_volumes_takes_no_picture(tmp_path, a_model_folder, capsys):
    write(tmp_path / "a.png", PIXELS)
    out = tmp_path / "out"
    assert main(["segment", str(tmp_path / "a.png"), "--model", str(a_model_folder), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "'a.png' is a picture; give a whole volume, or a model that was trained on pictures." in said
    assert main(["cohort", str(tmp_path), "--model", str(a_model_folder), "--out", str(out)]) == 2
    with pytest.raises(InputError, match="needs three dimensions"):
        AttnSegLib.segment(PIXELS, str(a_model_folder))


def test_a_line_of_voxels_is_no_picture(tmp_path):
    write_volume(tmp_path / "a.nrrd", PIXELS[None, :1])
    with pytest.raises(InputError, match="line of voxels"):
        read_volume(tmp_path / "a.nrrd", pictures=True)


@pytest.mark.parametrize(("depth", "pictures"), [(1, True), (2, False)])
def test_the_card_tells_what_the_cases_were(depth, pictures):
    volume = Volume(np.stack([PIXELS] * depth), np.diag([-1.0, -1, 1, 1]))
    recipe = SimpleNamespace(preprocessing=Preprocessing("axial", window=(0, 255)), card={"modality": "MR"})
    case = SimpleNamespace(read=lambda: SimpleNamespace(volume=volume))
    facts = export._with_extent(TrainingFacts(), recipe, [case])
    assert facts.pictures is pictures
