"""Model cards: those that are shipped, and damaged ones."""

import dataclasses
import os
import subprocess
import sys

import pytest

from AttnSegLib.__main__ import main
from AttnSegLib.errors import InputError
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models import catalog
from AttnSegLib.models.card import Code, Label
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import find_model, load_models, sha256_of
from AttnSegLib.models.places import resource_folder
from AttnSegLib.models.store import can_delete

SHIPPED = load_models(resource_folder("Models"))


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.id)
def test_shipped_models_are_whole(spec):
    assert spec.id == spec.folder.name == f"{spec.network}-{spec.organ.replace(' ', '_')}-{spec.modality.lower()}"
    assert sha256_of(spec.weights_path) == spec.sha256
    assert spec.weights_path.stat().st_size < 10e6
    assert [label.value for label in spec.labels] == list(range(1, len(spec.labels) + 1))
    assert spec.licence in (spec.folder / "ATTRIBUTION.md").read_text()
    assert not set(spec.training.training_cases) & set(spec.training.test_cases)
    assert tuple(dict.fromkeys(score.case for score in spec.scores.cases)) == spec.training.test_cases


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


# A home that is not the user's, as in a container that runs as another one


def test_models_of_a_home_that_cannot_be_read_are_one_sentence(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "file" / "Models"))
    sentence = (
        f"Your own models in '{tmp_path / 'file' / 'Models'}' can't be read (Not a directory); set ATTNSEG_MODELS to a "
        "folder that you may read and write."
    )
    assert catalog.readable_models() == (SHIPPED, [sentence])
    assert find_model(SHIPPED[0].id) == SHIPPED[0]
    with pytest.raises(InputError) as caught:
        find_model("mine")
    assert str(caught.value).endswith(f". {sentence}")
    assert main(["models"]) == 0
    assert capsys.readouterr().err == f"Warning: {sentence}\n"


def test_a_home_without_permissions_hides_no_bundled_model(monkeypatch, tmp_path):
    """Whoever runs the tests as root may look anywhere: the system's refusal is played."""
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path))

    def refusing(real):
        def called(path, *arguments, **options):
            if str(path).startswith(str(tmp_path)):
                raise PermissionError(13, "Permission denied")
            return real(path, *arguments, **options)

        return called

    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    monkeypatch.setattr(os, "stat", refusing(os.stat))
    models, [sentence] = catalog.readable_models()
    assert models == SHIPPED
    assert "can't be read (Permission denied)" in sentence
    remote = dataclasses.replace(SHIPPED[0], url="https://example.org/w", folder=tmp_path / "other")
    assert not remote.is_available
    assert not can_delete(SHIPPED[0])
