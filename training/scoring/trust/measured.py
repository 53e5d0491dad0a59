"""Lets studies of models go on where they stopped: each model has a folder, which is marked when it is complete."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_MARK = "measured.json"


def once(own: Path, weights: str, cases: Sequence[str], measure: Callable[[Path], None]) -> None:
    """Let `measure` write its files into a folder, unless it did before with the same weights and cases.

    Args:
        own: the folder, which has the name of the model.
        weights: their SHA-256.
        cases: ids.
        measure: a function that writes into the folder.
    """
    mark: dict[str, Any] = {"model": own.name, "weights": weights, "cases": sorted(cases)}
    if (own / _MARK).is_file() and json.loads((own / _MARK).read_text(encoding="utf-8")) == mark:
        return
    own.mkdir(parents=True, exist_ok=True)
    (own / _MARK).unlink(missing_ok=True)
    measure(own)
    (own / _MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")


def all_measured(folder: Path) -> list[Path]:
    """The folders of all models that are done, sorted by the part of the name after its first hyphen, then by that
    before."""
    done = [path.parent for path in folder.glob(f"*/{_MARK}")]
    return sorted(done, key=lambda own: own.name.partition("-")[::-1])
