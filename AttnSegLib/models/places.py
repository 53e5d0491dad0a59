"""Where things lie: what belongs to AttnSeg, and the user's own models. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parents[1]  # the library


def resource_folder(name: str) -> Path:
    """Folder `Resources/<name>` beside the library, in a checkout and in Slicer. An installed wheel has none, and so no
    models but those that users import."""
    return _HERE.parent / "Resources" / name


def user_folder() -> Path:
    """Folder of the user's own models, which need not exist: ATTNSEG_MODELS, or the platform's place for user data."""
    if chosen := os.environ.get("ATTNSEG_MODELS"):
        return Path(chosen).absolute()
    if sys.platform == "win32":
        variable, usual = "LOCALAPPDATA", "AppData/Local"
    elif sys.platform == "darwin":
        variable, usual = "", "Library/Application Support"
    else:
        variable, usual = "XDG_DATA_HOME", ".local/share"
    given = Path(os.environ.get(variable, ""))
    try:
        data = given if given.is_absolute() else Path.home() / usual
    except RuntimeError:  # a user without a home, as in some containers
        data = Path("/") / usual
    return data / "AttnSeg" / "Models"


def is_seen(path: Path) -> bool:
    """Whether something lies there; not where this user may not look, as in the home of another one."""
    try:
        return path.exists()
    except OSError:
        return False
