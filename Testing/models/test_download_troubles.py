"""What can go wrong around a download: network, disk, addresses, faults of ours."""

import errno
import re
import ssl
import threading
import urllib.error
from pathlib import Path

import pytest
from test_download import a_remote_model as a_remote_model
from test_download import finished, with_url
from test_download import server as server
from test_model_store import a_model_folder as a_model_folder
from test_model_store import everything_in
from test_model_store import home as home

from AttnSegLib.models import download
from AttnSegLib.models import store as model_store
from AttnSegLib.models.card_file import CARD, load_card


def unreachable(server, _monkeypatch):
    server.shutdown()
    server.server_close()


def proxy_refuses(_server, monkeypatch):
    def refusing(*_arguments, **_options):
        raise urllib.error.URLError(OSError("Tunnel connection failed: 407 Proxy Authentication Required"))

    monkeypatch.setattr(download.urllib.request.OpenerDirector, "open", refusing)


def wrong_certificate(_server, monkeypatch):
    def refusing(*_arguments, **_options):
        raise urllib.error.URLError(ssl.SSLCertVerificationError("certificate verify failed"))

    monkeypatch.setattr(download.urllib.request.OpenerDirector, "open", refusing)


def no_answer(_server, monkeypatch):
    def silent(*_arguments, **_options):
        raise TimeoutError("timed out")

    monkeypatch.setattr(download.urllib.request.OpenerDirector, "open", silent)


def dead_proxy(_server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (unreachable, "can't be reached; check the network"),
        (no_answer, "can't be reached; check the network"),
        (dead_proxy, "can't be reached; check the network and its proxy"),
        (proxy_refuses, "proxy refused"),
        (wrong_certificate, "identity of 127.0.0.1"),
    ],
)
def test_trouble_with_the_network_is_one_sentence(a_remote_model, server, home, monkeypatch, trouble, reason):
    spec = a_remote_model("good")
    trouble(server, monkeypatch)
    state = finished(model_store.Download(spec, loopback=True))
    assert reason in state.error
    assert "import it from a file" in state.error
    assert not home.exists()


def test_a_full_disk_is_one_sentence(a_remote_model, home, monkeypatch):
    spec = a_remote_model("good")
    replace = Path.replace

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    state = finished(model_store.Download(spec, loopback=True))
    monkeypatch.setattr(Path, "replace", replace)
    assert state.error == f"The disk of '{home}' is full; free some space, or choose a folder with ATTNSEG_MODELS."
    assert not home.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(a_model_folder, home):
    home.parent.mkdir()
    home.write_text("a file, not a folder")
    state = finished(model_store.Download(with_url(a_model_folder, "https://example.org/x")))
    assert re.search(r"can't be written to .*ATTNSEG_MODELS", state.error)


@pytest.mark.parametrize("url", ["http://example.org/x", "http://127.0.0.1/x", "file:///etc/hostname", "ftp://a/x"])
def test_users_download_over_https_only(a_model_folder, home, url):
    state = finished(model_store.Download(with_url(a_model_folder, url)))
    assert "is not a protected (https) address" in state.error
    assert not home.exists()


def test_a_model_without_an_address_can_only_be_imported(a_model_folder):
    (a_model_folder / "weights.safetensors").unlink()
    spec = load_card(a_model_folder / CARD)
    assert not spec.is_available
    assert spec.weights_path == a_model_folder / "weights.safetensors"
    assert "can't be downloaded; import it" in finished(model_store.Download(spec)).error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_ends_the_download_too(a_remote_model, home, monkeypatch):
    monkeypatch.setattr(download.hashlib, "sha256", None)
    state = finished(model_store.Download(a_remote_model("good"), loopback=True))
    for thread in threading.enumerate():  # its traceback comes after the sentence, and is to come in this test
        if thread.name.startswith("download"):
            thread.join()
    assert "failed; the log says why" in state.error
    assert not home.exists()


def test_what_a_killed_download_left_is_swept_up(a_remote_model, home):
    spec = a_remote_model("good")
    folder = spec.download_path.parent
    folder.mkdir(parents=True)
    left = folder / ".attnseg-12345678"
    (left / "files").mkdir(parents=True)
    (left / "files" / "half").write_text("half")
    (left / "lock").write_text("")  # held by nobody
    finished(model_store.Download(spec, loopback=True))
    assert everything_in(home) == [f"tiny/{spec.download_path.name}"]
