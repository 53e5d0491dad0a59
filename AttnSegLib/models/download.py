"""Downloads a model's weights in a thread, over https only. They are kept only if their SHA-256 is that of the card."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from AttnSegLib import __version__
from AttnSegLib.errors import Cancelled, InputError
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.unfinished import whole_file

LARGEST = 4 * 2**30  # bytes; a download that is larger is refused, since no model of AttnSeg is
_CHUNK = 2**16  # bytes
_PATIENCE = 10.0  # s without a byte until the connection counts as broken
_ELSEWHERE = "or get the model on another computer and import it from a file"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class DownloadState:
    """How far a download is.

    Args:
        done: bytes that have arrived.
        total: bytes in all; 0 if unknown.
        finished: whether the download has ended, well or not.
        cancelled: whether it was cancelled.
        error: a sentence for the user if it failed or was cancelled; empty if the weights are in their place.
    """

    done: int = 0
    total: int = 0
    finished: bool = False
    cancelled: bool = False
    error: str = ""


class Download:
    """The download of one model's weights to `spec.download_path`. If it fails, nothing is left behind.

    It never resumes an earlier download. loopback: allows plain http from this computer itself, for tests.
    """

    def __init__(self, spec: ModelSpec, *, loopback: bool = False):
        self.spec = spec
        self._state = DownloadState(total=spec.size_bytes or 0)
        self._stop = threading.Event()
        self._opener = urllib.request.build_opener(_SafeRedirects(loopback))
        self._loopback = loopback

    def start(self) -> None:
        """Begin in a new thread. Errors are reported by `poll`."""
        threading.Thread(target=self._run, name=f"download of {self.spec.id}", daemon=True).start()

    def poll(self) -> DownloadState:
        """How far the download is. Never waits."""
        return self._state

    def cancel(self) -> None:
        """Ask the download to stop. `poll` tells when it has; with a stuck connection, this takes up to ten seconds."""
        self._stop.set()

    def _run(self) -> None:
        end = replace(self._state, error=f"The download of model '{self.spec.id}' failed; the log says why.")
        try:
            self._fetch()
            end = self._state
        except Cancelled:
            end = replace(self._state, cancelled=True, error="The download was cancelled; nothing was kept.")
        except InputError as error:
            end = replace(self._state, error=str(error))
        finally:
            self._state = replace(end, finished=True)

    def _fetch(self) -> None:
        if not self.spec.url:
            raise InputError(f"Model '{self.spec.id}' can't be downloaded; import it from a folder or a zip file.")
        _check_address(self.spec.url, self._loopback)
        with _users_file(self.spec.download_path) as file, self._open() as response:
            digest = self._copy(response, file)
            if digest != self.spec.sha256:
                raise InputError(
                    f"What was downloaded for model '{self.spec.id}' is not what its card describes (the SHA-256 "
                    f"differs), so it was thrown away; try again later, {_ELSEWHERE}."
                )

    def _open(self) -> http.client.HTTPResponse:
        """Ask the server for the file. Raises `InputError` with the reason if it does not answer, or refuses."""
        agent = {"User-Agent": f"AttnSeg/{__version__}"}
        try:
            request = urllib.request.Request(self.spec.url, headers=agent)
            response: http.client.HTTPResponse = self._opener.open(request, timeout=_PATIENCE)
        except InputError:
            raise
        except urllib.error.HTTPError as error:
            error.close()
            raise InputError(_refusal(self.spec, error.code)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputError(_no_connection(self.spec.url, error)) from error
        return response

    def _copy(self, response: http.client.HTTPResponse, file: IO[bytes]) -> str:
        """Copy the answer into the file, and return its SHA-256. Raises `InputError` if bytes are missing."""
        total = self.spec.size_bytes or response.length or 0
        digest, done = hashlib.sha256(), 0
        while chunk := self._read(response):
            digest.update(chunk)
            done += len(chunk)
            if done > (total or LARGEST):
                break  # more than there should be, so the SHA-256 differs
            file.write(chunk)
            self._state = replace(self._state, done=done, total=total)
        if done < total:
            raise InputError(_broken(done, total))
        return digest.hexdigest()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        if self._stop.is_set():
            raise Cancelled
        try:
            return response.read1(_CHUNK)  # what is there, without waiting for more
        except (OSError, http.client.HTTPException) as error:
            raise InputError(_broken(self._state.done, self._state.total)) from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, such as GitHub's, but only to https addresses."""

    def __init__(self, loopback: bool):
        self.loopback = loopback

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        _check_address(arguments[-1], self.loopback)
        return super().redirect_request(*arguments)


def _check_address(url: str, loopback: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (loopback and parts.scheme == "http" and parts.hostname == "127.0.0.1"):
        raise InputError(f"'{parts.scheme}://{parts.netloc}' is not a protected (https) address; nothing was loaded.")


@contextlib.contextmanager
def _users_file(path: Path) -> Iterator[IO[bytes]]:
    """Like `whole_file`, but if the block fails, the folders that were made for the file are removed, too."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise writing_failed(error, path.parent.parent) from error
    finally:
        with contextlib.suppress(OSError):  # if there are models in them, they are not empty, and stay
            path.parent.rmdir()
            path.parent.parent.rmdir()


def writing_failed(error: OSError, folder: Path) -> InputError:
    """The error for a model that can't be written into the user's folder."""
    if error.errno in _FULL:
        return InputError(f"The disk of '{folder}' is full; free some space, or choose a folder with ATTNSEG_MODELS.")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return InputError(
        f"Models can't be written to '{folder}' ({reason}); set the environment variable ATTNSEG_MODELS to a folder "
        "that can be written to."
    )


def _refusal(spec: ModelSpec, code: int) -> str:
    """The message if a server or proxy answers with an error. code: the HTTP status."""
    if code in (404, 410):
        return f"The weights of model '{spec.id}' are not at {spec.url} any more; update AttnSeg, {_ELSEWHERE}."
    return f"The server {urlsplit(spec.url).netloc} refused the download (HTTP {code}); try again later, {_ELSEWHERE}."


def _no_connection(url: str, error: Exception) -> str:
    """The message if a server can't be reached."""
    host = urlsplit(url).netloc
    reason = getattr(error, "reason", error)
    if "Tunnel connection failed" in str(reason):
        return f"The network's proxy refused {host}; set HTTPS_PROXY, with name and password, {_ELSEWHERE}."
    if isinstance(reason, ssl.SSLError):
        return f"The identity of {host} can't be verified; check the date of this computer, {_ELSEWHERE}."
    return f"{host} can't be reached; check the network and its proxy (HTTPS_PROXY), {_ELSEWHERE}."


def _broken(done: int, total: int) -> str:
    share = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    return f"The connection broke after {share}; try again, {_ELSEWHERE}."
