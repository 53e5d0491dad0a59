"""What the commands that train have in common: options, how they end, and which command they say comes next."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from AttnSegLib.errors import InputError


def exit_code_of(work: Callable[[], None], again: str = "the same command") -> int:
    """Do the work of a command: 0, or with a sentence 2 for bad input and 130 for Ctrl-C and SIGTERM. again: how to go
    on then."""
    terminated = False

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal terminated
        if not terminated:  # clusters may say it again while files are closed
            terminated = True
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        work()
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except BaseException as error:
        # Lightning makes SystemExit of the first; if workers were terminated, too, torch complains of that instead.
        if not (terminated or isinstance(error, KeyboardInterrupt | SystemExit)):
            raise
        lost = "only an epoch or a score that was not finished is done again"
        print(f"Interrupted; {again} goes on: {lost}.", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add how a run is done."""
    parser.add_argument("--workers", type=int, default=2, help="processes per device that change slices (default: 2)")
    parser.add_argument("--accelerator", default="auto", help="cpu, cuda, mps, ... (default: the best there is)")


def next_command(module: str, *arguments: object) -> str:
    """A command by the Python that runs, as it can be typed in this folder."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return shlex.join([str(python), "-m", module, *map(str, arguments)])
