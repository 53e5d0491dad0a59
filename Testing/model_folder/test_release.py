"""Models for upload: what is in the folder can be imported, downloaded and checked."""

import hashlib
import json
import shutil

import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.places import resource_folder
from AttnSegLib.models.store import import_model
from training.release import SUMS, main, release

BUNDLED = "anunet-left_atrium-mr"
ADDRESS = "https://example.org/models"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user's folder, with one model that was exported."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ATTNSEG_MODELS", str(folder))
    own = shutil.copytree(resource_folder("Models") / BUNDLED, folder / "wide")
    card = json.loads((own / CARD).read_text())
    (own / CARD).write_text(json.dumps(card | {"id": "wide"}))
    return folder


def test_what_is_released_is_what_was_exported(tmp_path, home, monkeypatch, capsys):
    out = tmp_path / "assets"
    assert main(["--out", str(out), "--address", ADDRESS]) == 0
    assert "wide.zip" in capsys.readouterr().out
    sums = dict(line.split("  ")[::-1] for line in (out / SUMS).read_text().splitlines())
    assert sorted(sums) == ["wide.safetensors", "wide.zip"]
    for name, digest in sums.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest

    exported = load_card(home / "wide" / CARD)
    monkeypatch.setenv("ATTNSEG_MODELS", str(tmp_path / "another"))
    assert import_model(out / "wide.zip").sha256 == exported.sha256
    card = load_card(out / "cards" / "wide" / CARD)
    assert (card.url, card.size_bytes) == (f"{ADDRESS}/wide.safetensors", exported.weights_path.stat().st_size)
    assert sums["wide.safetensors"] == card.sha256
    assert not (out / "cards" / "wide" / "weights.safetensors").exists()


def test_the_same_model_makes_the_same_file(tmp_path, home):
    spec = load_card(home / "wide" / CARD)
    first, second = (release([spec], tmp_path / name, ADDRESS) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_nothing_is_written_for_damaged_weights_or_an_open_line(tmp_path, home):
    spec, out = load_card(home / "wide" / CARD), tmp_path / "assets"
    with pytest.raises(InputError, match="is not an https address"):
        release([spec], out, "http://example.org")
    spec.weights_path.write_bytes(b"other")
    with pytest.raises(InputError, match="missing or damaged; export the model again"):
        release([spec], out, ADDRESS)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(InputError, match="exists already"):
        release([spec], out, ADDRESS)


def test_without_models_it_says_what_to_do(tmp_path, home, capsys):
    shutil.rmtree(home)
    assert main(["--out", str(tmp_path / "assets"), "--address", ADDRESS]) == 2
    assert "train and export one, or name some" in capsys.readouterr().err
