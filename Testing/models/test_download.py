"""Downloading weights, from a server on this computer; and the commands of the model store."""

import argparse
import dataclasses
import http.server
import re
import threading
import time

import pytest
from test_model_store import SENTENCE, change_card, everything_in
from test_model_store import a_model_folder as a_model_folder
from test_model_store import home as home

from AttnSegLib.commands import models as model_commands
from AttnSegLib.errors import InputError
from AttnSegLib.models import download
from AttnSegLib.models import store as model_store
from AttnSegLib.models.card_file import CARD, load_card
from AttnSegLib.models.catalog import find_model

PATIENCE = 60  # s, for a loaded machine


class Server(http.server.ThreadingHTTPServer):
    """Answers /<kind>: what a server can do right and wrong."""

    daemon_threads = True
    content = b""

    def handle_error(self, *_arguments):
        """A client that goes away is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, content = self.path.strip("/"), self.server.content
        if kind.isdigit():
            self.send_error(int(kind))
            return
        self.send_response(302 if kind.startswith("to-") else 200)
        if kind == "to-good":
            self.send_header("Location", "/good")
        elif kind == "to-http":
            self.send_header("Location", "http://example.org/weights")
        elif kind == "to-ftp":
            self.send_header("Location", "ftp://example.org/weights")
        elif kind == "to-file":
            self.send_header("Location", "file:///etc/hostname")
        if kind not in ("unknown-length", "endless"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if kind == "short":
            content = content[:-10]
        elif kind == "changed":
            content = content[:-1] + b"x"
        elif kind == "longer":
            content += b"more"
        self.write(kind, content)

    def write(self, kind, content):
        if kind == "held":
            self.server.go_on.wait()
        for start in range(0, len(content), 1000):
            self.wfile.write(content[start : start + 1000])
            if kind in ("slow", "endless"):
                time.sleep(0.05)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.go_on = threading.Event()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.go_on.set()
        server.shutdown()


@pytest.fixture
def a_remote_model(a_model_folder, server):
    """A card without weights, whose weights the server has."""
    server.content = (a_model_folder / "weights.safetensors").read_bytes()
    (a_model_folder / "weights.safetensors").unlink()
    return lambda kind: with_url(a_model_folder, f"http://127.0.0.1:{server.server_port}/{kind}")


def with_url(folder, url):
    return dataclasses.replace(load_card(folder / CARD), url=url)


def finished(download):
    download.start()
    end = time.monotonic() + PATIENCE
    while not (state := download.poll()).finished:
        assert time.monotonic() < end
        time.sleep(0.005)
    return state


@pytest.mark.parametrize("kind", ["good", "to-good", "unknown-length"])
def test_weights_are_downloaded_and_verified(a_remote_model, server, kind, home):
    spec = a_remote_model(kind)
    assert not spec.is_available
    assert spec.size_bytes is None
    state = finished(model_store.Download(spec, loopback=True))
    assert (state.error, state.cancelled, state.done) == ("", False, len(server.content))
    assert spec.is_available
    assert spec.weights_path.read_bytes() == server.content
    assert everything_in(home) == [f"tiny/{spec.sha256[:16]}.safetensors"]
    model_store.delete(spec)
    assert not spec.is_available
    assert not everything_in(home)


def test_an_imported_card_without_weights_is_completed_by_a_download(a_model_folder, server, home):
    server.content = (a_model_folder / "weights.safetensors").read_bytes()
    (a_model_folder / "weights.safetensors").unlink()
    change_card(a_model_folder, url="https://example.org/weights", size_bytes=len(server.content))
    spec = model_store.import_model(a_model_folder)
    assert not find_model("tiny").is_available
    assert spec.size_bytes == len(server.content)
    near = dataclasses.replace(spec, url=f"http://127.0.0.1:{server.server_port}/good")
    assert not finished(model_store.Download(near, loopback=True)).error
    assert find_model("tiny").is_available
    model_store.delete(find_model("tiny"))
    assert not home.exists()


def test_weights_of_an_older_card_are_never_taken_for_those_of_a_newer_one(a_remote_model):
    spec = a_remote_model("good")
    finished(model_store.Download(spec, loopback=True))
    assert spec.is_available
    assert not dataclasses.replace(spec, sha256="0" * 64).is_available


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("to-ftp", "'ftp://example.org' is not a protected"),
        ("short", "connection broke after 0.0 of 0.0 MB; try again"),
        ("changed", "SHA-256 differs"),
        ("404", "are not at .*/404 any more; update AttnSeg"),
        ("410", "any more"),
        ("403", "refused the download .HTTP 403."),
        ("407", "refused the download .HTTP 407."),
        ("500", "try again later"),
        ("to-http", "'http://example.org' is not a protected"),
        ("to-file", "refused the download .HTTP 302."),
    ],
)
def test_a_failed_download_is_one_sentence_and_leaves_nothing(a_remote_model, home, kind, reason):
    spec = a_remote_model(kind)
    state = finished(model_store.Download(spec, loopback=True))
    assert not state.cancelled
    assert re.match(SENTENCE, state.error)
    assert re.search(reason, state.error)
    assert not home.exists()


def test_a_longer_file_than_the_card_says_is_refused(a_remote_model, server, home):
    spec = a_remote_model("unknown-length")
    size = len(server.content)
    server.content += b"x" * 10**6
    state = finished(model_store.Download(dataclasses.replace(spec, size_bytes=size), loopback=True))
    assert "SHA-256 differs" in state.error
    assert not home.exists()


def test_an_endless_file_ends(a_remote_model, home, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 2000)
    spec = a_remote_model("endless")
    assert "SHA-256 differs" in finished(model_store.Download(spec, loopback=True)).error
    assert not home.exists()


def test_a_download_is_cancelled(a_remote_model, server, home):
    server.content *= 100
    running = model_store.Download(a_remote_model("slow"), loopback=True)
    running.start()
    while not running.poll().done:
        time.sleep(0.005)
    assert list(home.rglob(".attnseg-*"))
    running.cancel()
    while not (state := running.poll()).finished:
        time.sleep(0.005)
    assert state.cancelled
    assert state.done < len(server.content) / 2
    assert state.error == "The download was cancelled; nothing was kept."
    assert not home.exists()


def test_polling_never_waits(a_remote_model, server):
    """Not for a server that says nothing: any wait in one of so many polls would take them all beyond patience."""
    running = model_store.Download(a_remote_model("held"), loopback=True)
    assert not running.poll().finished
    running.start()
    polls = threading.Thread(target=lambda: [running.poll() for _ in range(10_000)], daemon=True)
    polls.start()
    polls.join(timeout=PATIENCE)
    assert not polls.is_alive()
    assert not running.poll().finished
    server.go_on.set()
    while not (state := running.poll()).finished:
        time.sleep(0.005)
    assert state.error == ""


# --- Commands -----------------------------------------------------------------------------------------------------


def run(*arguments):
    parser = argparse.ArgumentParser()
    model_commands.add_to(parser)
    options = parser.parse_args([str(argument) for argument in arguments])
    return options.run(options)


def test_the_commands(a_model_folder, home, capsys, server, monkeypatch):
    server.content = (a_model_folder / "weights.safetensors").read_bytes()
    assert run("import", a_model_folder) == 0
    assert run("download", "tiny") == 0
    assert run("delete", "tiny") == 0
    weights = a_model_folder / "weights.safetensors"
    change_card(a_model_folder, url="https://example.org/weights", size_bytes=weights.stat().st_size)
    away = weights.rename(a_model_folder.parent / "away")
    assert run("import", a_model_folder) == 0
    assert run("import", a_model_folder) == 0
    away.rename(weights)
    assert run("import", a_model_folder) == 0, "its weights are new"
    assert run("delete", "tiny") == 0
    weights.unlink()
    assert run("import", a_model_folder) == 0
    change_card(a_model_folder, title="Newer")
    with pytest.raises(InputError, match="--overwrite|overwrite"):
        run("import", a_model_folder)
    assert run("import", a_model_folder, "--overwrite") == 0
    near = dataclasses.replace(find_model("tiny"), url=f"http://127.0.0.1:{server.server_port}/good")
    monkeypatch.setattr(model_commands, "find_model", lambda _id: near)
    monkeypatch.setattr(model_store.Download, "__init__", loopback(model_store.Download.__init__))
    assert run("download", "tiny") == 0
    assert find_model("tiny").is_available
    lines = [line.partition(home.anchor)[0] for line in capsys.readouterr().out.splitlines()]
    assert [line.split()[:2] for line in lines] == [
        ["Imported", "model"],
        ["The", "weights"],
        ["Deleted", "model"],
        ["Imported", "model"],
        ["Model", "'tiny'"],
        ["Imported", "model"],
        ["Deleted", "model"],
        ["Imported", "model"],
        ["Imported", "model"],
        ["The", "weights"],
    ]


def loopback(constructor):
    return lambda self, spec: constructor(self, spec, loopback=True)


def test_a_failed_download_is_an_error_of_the_command(a_model_folder):
    (a_model_folder / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="can't be downloaded"):
        run("download", a_model_folder)


def test_control_c_ends_a_download_cleanly(a_remote_model, server, home, monkeypatch):
    server.content *= 5
    near = a_remote_model("slow")
    monkeypatch.setattr(model_commands, "find_model", lambda _id: near)
    monkeypatch.setattr(model_store.Download, "__init__", loopback(model_store.Download.__init__))
    pause = time.sleep
    pauses = []

    def interrupted(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt
        pause(seconds)

    monkeypatch.setattr(model_commands, "time", argparse.Namespace(sleep=interrupted))
    with pytest.raises(KeyboardInterrupt):
        run("download", "tiny")
    assert not home.exists()
