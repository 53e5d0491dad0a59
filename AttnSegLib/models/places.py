"""The folders of AttnSeg's own resources and of the user's models. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parents[1]  # the library


def resource_folder(name: str) -> Path:
    """The folder `Resources/<name>` beside the library, in a checkout and in Slicer. An installed wheel has no such
    folder, and so only the models that users import."""
    return _HERE.parent / "Resources" / name


def user_folder() -> Path:
    """The folder of the user's own models: ATTNSEG_MODELS, or the platform's place for user data. It need not exist."""
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
    """Whether a path exists and this user may see it. False, for example, in the home of somebody else."""
    try:
        return path.exists()
    except OSError:
        return False
