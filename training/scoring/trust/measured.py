"""Studies of models that go on where they stopped: a folder for each model, marked once all in it is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from AttnSegLib.models.card import ModelSpec

_MARK = "measured.json"


def once(folder: Path, spec: ModelSpec, cases: Sequence[str], measure: Callable[[Path], None]) -> Path:
    """The model's folder in `folder`; `measure` fills it, unless it was filled with these weights and cases before."""
    own = folder / spec.id
    mark: dict[str, Any] = {"model": spec.id, "weights": spec.sha256, "cases": sorted(cases)}
    if (own / _MARK).is_file() and json.loads((own / _MARK).read_text(encoding="utf-8")) == mark:
        return own
    own.mkdir(parents=True, exist_ok=True)
    (own / _MARK).unlink(missing_ok=True)
    measure(own)
    (own / _MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
    return own


def all_measured(folder: Path) -> list[Path]:
    """The folders of all models that are done, by organ and network as their ids say."""
    done = [path.parent for path in folder.glob(f"*/{_MARK}")]
    return sorted(done, key=lambda own: own.name.partition("-")[::-1])
