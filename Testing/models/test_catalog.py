"""Model cards: those that are shipped, and damaged ones."""

import dataclasses
import json
import subprocess
import sys

import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models import catalog
from AttnSegLib.models.catalog import CARD, Code, Label, find_model, load_card, load_models, resource_folder, sha256_of

SHIPPED = load_models(resource_folder("Models"))


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.id)
def test_shipped_models_are_whole(spec):
    assert spec.id == spec.folder.name == f"{spec.network}-{spec.organ.replace(' ', '_')}-{spec.modality.lower()}"
    assert sha256_of(spec.weights_path) == spec.sha256
    assert spec.weights_path.stat().st_size < 10e6
    assert [label.value for label in spec.labels] == list(range(1, len(spec.labels) + 1))
    assert spec.licence in (spec.folder / "ATTRIBUTION.md").read_text()
    assert not set(spec.training["training_cases"]) & set(spec.training["test_cases"])
    assert list(dict.fromkeys(score["case"] for score in spec.scores["cases"])) == spec.training["test_cases"]


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.id)
def test_shipped_models_can_be_run(spec):
    predictor = SlicePredictor.from_model(spec)
    assert set(spec.attention) <= set(predictor.attention_titles)


def test_listing_models_imports_no_torch():
    code = (
        "import sys; from AttnSegLib.__main__ import main; main(['models']); "
        "sys.exit(bool({'torch', 'numpy', 'SimpleITK'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_an_unknown_id_lists_the_right_ones():
    with pytest.raises(InputError, match=r"'anunet-liver-ct'.*anunet-left_atrium-mr"):
        find_model("anunet-liver-ct")


def test_where_no_model_is_installed_an_unknown_id_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setattr(catalog, "resource_folder", lambda _: tmp_path / "none")
    with pytest.raises(InputError, match=r"'anunet-liver-ct'\. No model is installed yet; import one"):
        find_model("anunet-liver-ct")


def test_a_model_folder_anywhere_can_be_used(a_model_folder):
    assert find_model(str(a_model_folder)).folder == a_model_folder


@pytest.mark.parametrize(
    "damage",
    [
        "truncated",
        "a field is missing",
        "a field is unknown",
        "a label lacks its code",
        "there are no labels",
        "labels are not numbered from 1",
        "a title is no text",
        "a plane is no text",
        "the training is no list of facts",
        "a Dice is no number",
        "a length is no number",
        "the weights lie elsewhere",
        "the id leads elsewhere",
        "the SHA-256 is cut",
        "the url is not https",
        "the size is no number",
    ],
)
def test_a_damaged_card_is_one_sentence(a_model_folder, damage):
    path = a_model_folder / CARD
    card = json.loads(path.read_text())
    if damage == "a field is missing":
        del card["sha256"]
    elif damage == "a field is unknown":
        card["colour"] = "red"
    elif damage == "a label lacks its code":
        del card["labels"][0]["type"]
    elif damage == "there are no labels":
        card["labels"] = []
    elif damage == "labels are not numbered from 1":
        card["labels"][0]["value"] = 3
    card |= {
        "a title is no text": {"title": 3},
        "a plane is no text": {"preprocessing": {"plane": ["sagittal"]}},
        "the training is no list of facts": {"training": "long"},
        "a Dice is no number": {"scores": {"summary": "good", "mean_dice": "0.9"}},
        "a length is no number": {"training": {"largest_slice_mm": "52"}},
        "the weights lie elsewhere": {"weights": "../other.safetensors"},
        "the id leads elsewhere": {"id": ".."},
        "the SHA-256 is cut": {"sha256": card.get("sha256", "")[:63]},
        "the url is not https": {"url": "http://example.org/weights.safetensors"},
        "the size is no number": {"size_bytes": "large"},
    }.get(damage, {})
    text = json.dumps(card)
    path.write_text(text[:-20] if damage == "truncated" else text)
    with pytest.raises(InputError, match="card of model 'tiny' is damaged"):
        load_card(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"preprocessing": {"plan": "axial"}},
        {"preprocessing": {"plane": "axial", "percentiles": "high"}},
        {"preprocessing": {"plane": "axial", "percentiles": [99, 1]}},
        {"preprocessing": {"plane": "axial"}},
        {"options": {"width": "wide"}},
        {"options": {"width": 3}},
        {"options": {"depth": 3}},
        {"network": "unknown"},
    ],
)
def test_a_card_that_does_not_fit_its_model_is_one_sentence(a_model_folder, changes):
    spec = dataclasses.replace(load_card(a_model_folder / CARD), **changes)
    with pytest.raises(InputError, match=r"^[^\n]+\.$"):
        SlicePredictor.from_model(spec)


def test_a_model_says_what_it_finds(a_model_folder):
    spec = load_card(a_model_folder / CARD)
    kidney = Code("SCT", "64033007", "Kidney")
    anatomy = spec.labels[0].category
    labels = tuple(Label(n, f"Kidney {n}", (1, 2, 3), anatomy, kidney) for n in (1, 2))
    assert spec.finds == "Left atrium in MR"
    assert dataclasses.replace(spec, organ="abdomen", labels=labels).finds == "Abdomen in MR: kidney"
    assert (
        dataclasses.replace(spec, organ="abdomen", labels=(*labels, *spec.labels)).finds
        == "Abdomen in MR: kidney, left atrium"
    )
