"""Taking over models: folders and zip files, whole, damaged and dangerous ones."""

import errno
import stat
import sys
import zipfile
from pathlib import Path

import pytest
from test_model_store import BUNDLED, SENTENCE, change_card, everything_in
from test_model_store import a_model_folder as a_model_folder
from test_model_store import home as home

from AttnSegLib.errors import InputError
from AttnSegLib.models import store as model_store
from AttnSegLib.models.card_file import CARD, FORMAT
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.places import resource_folder


def zipped(folder, path, top="", extra=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{top}{file.name}")
        for name, content in extra:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("top", ["", "tiny/", "another name/"])
def test_a_zip_file_is_imported(a_model_folder, tmp_path, home, top):
    extra = [("__MACOSX/tiny/._card.json", b"x"), ("__MACOSX/card.json", b"x"), (f"{top}more/LICENSE", b"free")]
    spec = model_store.import_model(zipped(a_model_folder, tmp_path / "tiny.zip", top, extra))
    assert spec.is_available
    assert everything_in(home) == ["tiny/card.json", "tiny/more/LICENSE", "tiny/weights.safetensors"]
    assert (home / "tiny" / CARD).read_bytes() == (a_model_folder / CARD).read_bytes()
    assert (home / "tiny" / "more" / "LICENSE").read_bytes() == b"free"


def test_what_is_imported_obeys_the_umask(a_model_folder):
    spec = model_store.import_model(str(a_model_folder))
    (a_model_folder / "new").mkdir()
    assert spec.folder.stat().st_mode == (a_model_folder / "new").stat().st_mode


def a_link(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ([("../evil", b"x")], "outside"),
        ([("tiny/../../evil", b"x")], "outside"),
        ([("/evil", b"x")], "outside"),
        ([("..\\evil", b"x")], "outside"),
        ([("C:\\evil", b"x")], "outside"),
        ([("tiny/c:evil", b"x")], "outside"),
        ([(a_link("link"), b"/etc/passwd")], "the link 'link'"),
        ([(f"{i}.txt", b"") for i in range(model_store.MOST_FILES)], "more than 100 files"),
        ([("sub/card.json", b"{}")], "2 models"),
        ([("CARD.JSON", b"{}")], "twice"),
    ],
)
def test_a_zip_file_that_means_harm_is_refused(a_model_folder, tmp_path, home, extra, reason):
    path = zipped(a_model_folder, tmp_path / "evil.zip", extra=extra)
    with pytest.raises(InputError, match=f"(?s){SENTENCE}") as error:
        model_store.import_model(path)
    assert reason in str(error.value)
    assert not home.exists()
    assert not list(tmp_path.rglob("evil"))


def test_a_model_that_is_too_large_is_refused_before_it_is_unpacked(a_model_folder, tmp_path, monkeypatch, home):
    path = zipped(a_model_folder, tmp_path / "large.zip", extra=[("zeros", bytes(10**6))])
    assert path.stat().st_size < 10**5  # a bomb
    monkeypatch.setattr(model_store, "LARGEST", 10**6)
    with pytest.raises(InputError, match="holds more than"):
        model_store.import_model(path)
    assert not home.exists()


def damage(folder, kind):
    if kind == "no card":
        (folder / CARD).unlink()
    elif kind == "damaged card":
        (folder / CARD).write_text('{"id": "tiny"')
    elif kind == "card of a newer format":
        change_card(folder, format=FORMAT + 1, preprocessing="explained elsewhere")
    elif kind == "no weights":
        (folder / "weights.safetensors").unlink()
    elif kind == "other weights":
        with (folder / "weights.safetensors").open("ab") as file:
            file.write(b"x")
    elif kind == "weights elsewhere":
        change_card(folder, weights="../secret.safetensors")
    elif kind == "id elsewhere":
        change_card(folder, id="../../tiny")
    elif kind == "open line":
        change_card(folder, url="http://example.org/weights.safetensors")
    elif kind == "no summary":
        change_card(folder, scores={})


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("no card", "holds 0 models"),
        ("damaged card", "card in 'tiny.* is damaged"),
        ("card of a newer format", "card in 'tiny.* has a newer format than this AttnSeg can read; update AttnSeg"),
        ("no weights", "weights 'weights.safetensors' are missing in 'tiny"),
        ("other weights", "SHA-256 differs"),
        ("weights elsewhere", "card in 'tiny.* is damaged"),
        ("id elsewhere", "card in 'tiny.* is damaged"),
        ("open line", "card in 'tiny.* is damaged"),
        ("no summary", "card in 'tiny.* is damaged"),
    ],
)
@pytest.mark.parametrize("as_zip", [False, True])
def test_a_damaged_model_is_refused(a_model_folder, tmp_path, home, kind, reason, as_zip):
    damage(a_model_folder, kind)
    path = zipped(a_model_folder, tmp_path / "tiny.zip") if as_zip else a_model_folder
    with pytest.raises(InputError, match=SENTENCE) as error:
        model_store.import_model(path)
    assert error.match(reason)
    assert not home.exists()


def test_what_is_no_model_at_all_is_refused(tmp_path, home):
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4 and no more")
    (tmp_path / "text.txt").write_text("hello")
    for name, reason in {"cut.zip": "damaged", "text.txt": "no zip file", "none": "There is no"}.items():
        with pytest.raises(InputError, match=reason):
            model_store.import_model(tmp_path / name)
    assert not home.exists()


def test_a_zip_file_with_a_flipped_bit_or_a_password_is_refused(a_model_folder, tmp_path, home):
    path = zipped(a_model_folder, tmp_path / "tiny.zip")
    good = path.read_bytes()
    middle = len(good) // 2
    path.write_bytes(good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :])
    with pytest.raises(InputError, match=r"'tiny.zip' is damaged"):
        model_store.import_model(path)
    locked = bytearray(good)
    for start, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag for a password in both kinds of headers
        position = -1
        while (position := good.find(start, position + 1)) >= 0:
            locked[position + offset] |= 1
    path.write_bytes(locked)
    with pytest.raises(InputError, match="has a password"):
        model_store.import_model(path)
    assert not home.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_a_folder_are_refused(a_model_folder, home):
    (a_model_folder / "notes").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="the link 'notes'"):
        model_store.import_model(a_model_folder)
    (a_model_folder / "notes").unlink()
    (a_model_folder / "notes").symlink_to("/etc")
    with pytest.raises(InputError, match="the link 'notes'"):
        model_store.import_model(a_model_folder)
    assert not home.exists()


def test_a_model_is_replaced_only_when_asked(a_model_folder, home):
    model_store.import_model(a_model_folder)
    change_card(a_model_folder, title="Newer")
    with pytest.raises(InputError, match="There is another model 'tiny' already; delete it first, or import"):
        model_store.import_model(a_model_folder)
    assert find_model("tiny").title == "Tiny"
    assert model_store.import_model(a_model_folder, overwrite=True).title == "Newer"
    assert everything_in(home) == ["tiny/card.json", "tiny/weights.safetensors"]
    change_card(a_model_folder, id=BUNDLED)
    with pytest.raises(InputError, match="is part of AttnSeg; give yours another id"):
        model_store.import_model(a_model_folder, overwrite=True)


def test_what_is_here_already_stays_as_it_is(a_model_folder, tmp_path, home):
    path = zipped(a_model_folder, tmp_path / "tiny.zip", "tiny/")
    spec = model_store.import_model(path)
    (home / "tiny" / "notes").write_text("mine")
    assert model_store.import_model(path) == spec
    assert (home / "tiny" / "notes").read_text() == "mine"
    (home / "tiny" / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="There is another model 'tiny' already"):
        model_store.import_model(path)


@pytest.mark.parametrize("size", [{}, {"size_bytes": 256 * 40}])
def test_weights_that_were_missing_are_imported(size, a_model_folder, tmp_path, home):
    change_card(a_model_folder, url="https://example.org/weights", **size)
    whole = zipped(a_model_folder, tmp_path / "tiny.zip", "tiny/")
    (a_model_folder / "weights.safetensors").unlink()
    assert not model_store.import_model(a_model_folder).is_available
    assert not model_store.import_model(a_model_folder).is_available
    assert model_store.import_model(whole).is_available
    assert model_store.import_model(a_model_folder).weights_path == home / "tiny" / "weights.safetensors"


def test_a_model_of_attnseg_is_here_already(tmp_path, home):
    bundled = resource_folder("Models") / BUNDLED
    assert model_store.import_model(zipped(bundled, tmp_path / "model.zip")).folder == bundled
    assert model_store.import_model(bundled, overwrite=True).folder == bundled
    assert not home.exists()


def test_a_failed_replacement_leaves_the_old_model(a_model_folder, home, monkeypatch):
    model_store.import_model(a_model_folder)
    before = everything_in(home)
    change_card(a_model_folder, title="Newer")
    replace = Path.replace

    def failing(self, target):
        if self.name == "model":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(InputError, match="is full"):
        model_store.import_model(a_model_folder, overwrite=True)
    assert everything_in(home) == before
    assert find_model("tiny").title == "Tiny"


def test_a_damaged_model_can_be_replaced_by_a_whole_one(a_model_folder, home):
    model_store.import_model(a_model_folder)
    (home / "tiny" / CARD).write_text("{")
    assert model_store.import_model(a_model_folder, overwrite=True).is_available


def test_a_user_folder_that_cannot_be_written_is_one_sentence(a_model_folder, home):
    home.parent.mkdir()
    home.write_text("a file, not a folder")
    with pytest.raises(InputError, match=r"can't be written to .*ATTNSEG_MODELS"):
        model_store.import_model(a_model_folder)
