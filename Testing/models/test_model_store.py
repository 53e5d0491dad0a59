"""The user's own models: where they lie, and deleting them. Importing: test_model_import.py."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from AttnSegLib.errors import InputError
from AttnSegLib.models import catalog
from AttnSegLib.models import store as model_store
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import find_model, load_models, sha256_of
from AttnSegLib.models.places import resource_folder

BUNDLED = "anunet-left_atrium-mr"
ALL_BUNDLED = sorted(path.parent.name for path in resource_folder("Models").glob(f"*/{CARD}"))
SENTENCE = r"^[^\n]+\.$"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user's folder, which does not exist yet."""
    folder = tmp_path / "home" / "Models"
    monkeypatch.setenv("ATTNSEG_MODELS", str(folder))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return folder


@pytest.fixture
def a_model_folder(tmp_path):
    """A sound model folder but for the content of its weights, which nobody looks at here."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 40)
    card = json.loads((resource_folder("Models") / BUNDLED / CARD).read_text())
    card |= {"id": "tiny", "title": "Tiny", "sha256": sha256_of(folder / "weights.safetensors")}
    (folder / CARD).write_text(json.dumps(card))
    return folder


def everything_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def change_card(folder, **changes):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | changes))


# --- Where models lie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "HOME/.local/share/AttnSeg/Models"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/AttnSeg/Models"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "HOME/.local/share/AttnSeg/Models"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, "HOME/Library/Application Support/AttnSeg/Models"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/AttnSeg/Models"),
        ("win32", {}, "HOME/AppData/Local/AttnSeg/Models"),
        ("linux", {"ATTNSEG_MODELS": "/mine", "XDG_DATA_HOME": "/data"}, "/mine"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of the others")
def test_the_users_folder_is_where_the_platform_keeps_such_things(tmp_path, monkeypatch, platform, variables, expected):
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("ATTNSEG_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (variables | {"HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    assert model_store.user_folder() == Path(expected.replace("HOME", str(tmp_path)))
    assert not any(tmp_path.iterdir())


def test_a_user_without_a_home_can_list_models(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ATTNSEG_MODELS")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert BUNDLED in [spec.id for spec in load_models()]


def test_bundled_and_own_models_are_listed_together(a_model_folder, home):
    assert [spec.id for spec in load_models()] == ALL_BUNDLED
    assert not home.exists()
    spec = model_store.import_model(a_model_folder)
    assert [spec.id for spec in load_models()] == [*ALL_BUNDLED, "tiny"]
    assert find_model("tiny") == spec
    assert find_model("tiny").folder == home / "tiny"
    assert spec.size_bytes == spec.weights_path.stat().st_size
    with pytest.raises(InputError, match=rf"'nothing'; choose one of: {', '.join(ALL_BUNDLED)}, tiny\."):
        find_model("nothing")


def test_a_bundled_model_wins_over_one_of_the_user_with_its_id(a_model_folder, home):
    """As after an update of AttnSeg that brings a model which the user had imported before."""
    change_card(a_model_folder, id=BUNDLED)
    shutil.copytree(a_model_folder, home / BUNDLED)
    assert [spec.id for spec in load_models()] == ALL_BUNDLED
    assert find_model(BUNDLED).folder == resource_folder("Models") / BUNDLED
    model_store.delete(find_model(BUNDLED))  # only the user's can go
    assert not home.exists()
    assert not model_store.can_delete(find_model(BUNDLED))


def test_a_damaged_model_of_the_user_hides_no_others(a_model_folder, home, caplog):
    model_store.import_model(a_model_folder)
    (home / "broken").mkdir()
    (home / "broken" / CARD).write_text("{")
    assert [spec.id for spec in load_models()] == [*ALL_BUNDLED, "tiny"]
    assert "card of model 'broken' is damaged" in caplog.text
    assert str(home / "broken") in caplog.text
    with pytest.raises(InputError, match="'broken' is damaged"):
        find_model("broken")


def test_a_damaged_bundled_model_hides_no_others_either(a_model_folder, tmp_path, monkeypatch):
    shutil.copytree(a_model_folder, tmp_path / "bundled" / "tiny")
    (tmp_path / "bundled" / "broken").mkdir()
    (tmp_path / "bundled" / "broken" / CARD).write_text("{")
    monkeypatch.setattr(catalog, "resource_folder", lambda _name: tmp_path / "bundled")
    models, [sentence] = catalog.readable_models()
    assert [spec.id for spec in models] == ["tiny"]
    assert "card of model 'broken' is damaged" in sentence
    assert str(tmp_path / "bundled" / "broken") in sentence
    with pytest.raises(InputError, match="'broken' is damaged"):  # who asks for this folder wants all of it
        load_models(tmp_path / "bundled")


def test_an_unfinished_import_is_no_model(a_model_folder, home):
    shutil.copytree(a_model_folder, home / ".import-x")
    assert [spec.id for spec in load_models()] == ALL_BUNDLED


# --- Delete -------------------------------------------------------------------------------------------------------


def test_deleting(a_model_folder, home):
    spec = model_store.import_model(a_model_folder)
    assert model_store.can_delete(spec)
    model_store.delete(spec)
    assert not home.exists()
    for spec, reason in ((find_model(BUNDLED), "is part of AttnSeg"), (load_card(a_model_folder / CARD), "lies in")):
        assert not model_store.can_delete(spec)
        with pytest.raises(InputError, match=f"{reason}.*can be deleted here"):
            model_store.delete(spec)
        assert spec.is_available


def test_a_model_in_use_stays_whole(a_model_folder, home, monkeypatch):
    spec = model_store.import_model(a_model_folder)

    def in_use(*_arguments):
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(Path, "replace", in_use)
    with pytest.raises(InputError, match="can't be deleted"):
        model_store.delete(spec)
    assert everything_in(home) == ["tiny/card.json", "tiny/weights.safetensors"]


def test_the_store_needs_the_standard_library_only():
    code = (
        "import sys; from AttnSegLib.models import store; from AttnSegLib.commands import models; "
        "sys.exit(bool({'torch', 'numpy', 'SimpleITK', 'tqdm'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
