"""Which collections this user has, as Slicer's settings remember them: their folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import slicer

from AttnSegLib.collections.collection import COLLECTION, Collection, open_collection
from AttnSegLib.errors import InputError

_FOLDERS, _CHOSEN = "AttnSeg.collections", "AttnSeg.collection"


@dataclass(frozen=True)
class _Seen:
    """What was read of a folder, and when it was written. trouble: a sentence, if it can't be read."""

    written: int
    collection: Collection | None
    trouble: str


class Shelf:
    """The folders, in the order in which they were found; one of them is chosen."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}

    @property
    def folders(self) -> list[Path]:
        """All that are known, also those that have gone."""
        return [Path(line) for line in _setting(_FOLDERS).split("\n") if line]

    @property
    def chosen(self) -> Path | None:
        """The folder that is worked with; None if none is known."""
        folders, chosen = self.folders, _setting(_CHOSEN)
        return Path(chosen) if Path(chosen) in folders else next(iter(folders), None)

    def choose(self, folder: Path) -> None:
        """Work with a folder from now on, and remember it."""
        folders = self.folders
        if folder not in folders:
            _set(_FOLDERS, "\n".join(map(str, [*folders, folder])))
        _set(_CHOSEN, str(folder))

    def forget(self, folder: Path) -> None:
        """Show a folder no longer; it stays where it is."""
        _set(_FOLDERS, "\n".join(str(one) for one in self.folders if one != folder))

    def collection(self, folder: Path) -> Collection | None:
        """What lies in a folder; None if it can't be read, see `trouble`."""
        return self._look(folder).collection

    def trouble(self, folder: Path) -> str:
        """Why a folder can't be used, "" if it can."""
        return self._look(folder).trouble

    def _look(self, folder: Path) -> _Seen:
        """Read again only if it was written since."""
        try:
            written = (folder / COLLECTION).stat().st_mtime_ns
        except OSError:
            written = -1
        known = self._seen.get(folder)
        if known is None or known.written != written:
            self._seen[folder] = _read(folder, written)
        return self._seen[folder]


def _read(folder: Path, written: int) -> _Seen:
    try:
        return _Seen(written, open_collection(folder), "")
    except InputError as error:
        return _Seen(written, None, str(error))


def _setting(name: str) -> str:
    return str(slicer.app.userSettings().value(name) or "")


def _set(name: str, value: str) -> None:
    slicer.app.userSettings().setValue(name, value)
