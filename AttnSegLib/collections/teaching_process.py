"""Teaching in a process of its own, which outlives the panel, and Slicer. No torch."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from AttnSegLib.collections.teaching_run import CHECKPOINT, LOG, SUGGESTION, TeachingOrder, run_folder
from AttnSegLib.errors import InputError, cause_of

NEEDED = ("lightning>=2.6", "monai>=1.5", "safetensors>=0.4")  # beside what Slicer and its PyTorch extension bring
UNTOUCHED = ("numpy", "SimpleITK", "torch")  # what Slicer stands on: no installation may change it
LIBRARY = Path(__file__).resolve().parents[2]  # the folder of the package, and of `training`, if that is there
_ALONE = 0x00000008 | 0x00000200 if sys.platform == "win32" else 0  # DETACHED_PROCESS, CREATE_NEW_PROCESS_GROUP


def has_training() -> bool:
    """Whether the package `training` lies beside the library, as in a checkout and in Slicer; a wheel has none."""
    return (LIBRARY / "training" / "teach.py").is_file()


def lacking() -> list[str]:
    """What is still to be installed, as pip takes it. Nothing is imported."""
    return [one for one in NEEDED if importlib.util.find_spec(one.partition(">")[0]) is None]


def begin_teaching(python: str, folder: Path, order: TeachingOrder, *, resume: bool = False) -> subprocess.Popen[bytes]:
    """Teach the collection in a folder, or go on with its interrupted run, by a Python interpreter.

    Raises `InputError` if the process can't be started. What it says later stands in the run's folder.
    """
    arguments = ["--time", f"{order.minutes:g}m", "--accelerator", order.device.partition(":")[0], "--workers", "0"]
    goes_on = resume and (run_folder(folder) / CHECKPOINT).is_file()
    if order.start and not goes_on:
        arguments += ["--from", order.start]
    elif not order.start:
        arguments += ["--network", order.network]
    if order.every_case:
        arguments.append("--score-every-case")
    if resume:
        arguments.append("--resume")
    return _started(python, folder, arguments)


def end_teaching(process: subprocess.Popen[bytes]) -> None:
    """Kill what was begun, and wait until it is gone: in Slicer, Python is a child of the program that starts it."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def begin_suggesting(python: str, folder: Path, scans: Path, model: str) -> subprocess.Popen[bytes]:
    """Let a model, by its id, look at the scans in a folder that the collection does not have; `read_suggestion` gives
    the answer when the process has ended. Raises `InputError` if it can't be started."""
    (run_folder(folder) / SUGGESTION).unlink(missing_ok=True)
    return _started(python, folder, ["--suggest", str(scans), "--from", model, "--no-names"])


def read_suggestion(folder: Path) -> Path | None:
    """The scan to label next; None if the process came to nothing: its last line says why. It can be read once."""
    file = run_folder(folder) / SUGGESTION
    try:
        answer: Any = json.loads(file.read_text(encoding="utf-8"))
        return Path(answer["scans"][0]["path"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
    finally:
        with contextlib.suppress(OSError):
            file.unlink()  # names of scans, often patients', don't stay beside a collection


def last_words(run: Path) -> str:
    """The last line that a process wrote in the folder of a run, "" if there is none."""
    try:
        lines = (run / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.removeprefix("Error: ") for line in reversed(lines) if line.strip()), "")


def _started(python: str, folder: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    run = run_folder(folder)
    code = (
        f"import sys; sys.path.insert(0, {str(LIBRARY)!r}); from training.teach import main; raise SystemExit(main())"
    )
    try:
        run.mkdir(parents=True, exist_ok=True)
        with (run / LOG).open("wb") as log:
            return subprocess.Popen(
                [python, "-c", code, str(folder), "--run", str(run), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                creationflags=_ALONE,
                start_new_session=sys.platform != "win32",
            )
    except OSError as error:
        raise InputError(f"The teaching can't be started ({cause_of(error)}); look at the disk of '{run}'.") from error
