"""The options of `training.teach`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from AttnSegLib.collections.teaching_run import SUGGESTION
from AttnSegLib.errors import InputError
from training.learning.command_line import add_run_options
from training.teaching.made_recipe import NETWORKS

_EPILOG = """
FOLDER is a collection ('attnseg collect' makes one), or a zip file of one. The recipe is made from what is in it,
told in plain words, and written to recipe.toml in the folder of the run. Learning ends when the time is
over; scoring the cases that were left out, and writing the model, come after that.

A run that was stopped, or killed, goes on with the same command and --resume, and so does its clock.
"""
NETWORK = "eccamunet"  # if nobody chooses another one
_UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0}


def minutes_of(text: str) -> float:
    """Minutes of a duration such as "90s", "30m", "2h" or "1h30m". Raises `InputError` for other texts, and for 0."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text.lower().replace(" ", ""))
    minutes = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(map("".join, parts)) != text.lower().replace(" ", "") or minutes <= 0:
        raise InputError(f"'{text}' is not a time; write it as 90s, 30m, 2h or 1h30m.")
    return minutes


def check_times(options: argparse.Namespace) -> None:
    """Raises `InputError` for texts that are no times, and for times that make no sense together."""
    minutes, fold_minutes = (None if text is None else minutes_of(text) for text in (options.time, options.fold_time))
    if fold_minutes is not None and not options.score_every_case:
        raise InputError("--fold-time is for the models that score every case; add --score-every-case.")
    if fold_minutes is not None and minutes is not None and fold_minutes > minutes:
        raise InputError("--fold-time is longer than --time, so the score would be that of better models; shorten it.")


def fold_minutes_of(options: argparse.Namespace) -> float:
    """Minutes for each of the models that score every case; 0 without them."""
    return minutes_of(options.fold_time or options.time) if options.score_every_case else 0.0


def teach_parser() -> argparse.ArgumentParser:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="attnseg teach",
        description="Teach a model from your own segmentations, in a time that you choose.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of a collection, or a zip file of one")
    parser.add_argument("--time", help="how long to learn: 90s, 30m, 2h, 1h30m")
    parser.add_argument("--network", choices=NETWORKS, help=f"(default: {NETWORK}, or that of --from)")
    parser.add_argument("--from", dest="start", metavar="MODEL", help="begin with the weights of a model, or of a run")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the model goes (default: your models)")
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of the run (default: beside FOLDER)")
    parser.add_argument("--resume", action="store_true", help="go on with the run that was interrupted")
    parser.add_argument("--seed", type=int, help="of chance, also of which cases are left out (default: 0)")
    parser.add_argument(
        "--score-every-case",
        action="store_true",
        help="teach with all cases, and then five more models (with fewer cases, one for each) that score the cases "
        "which they are not taught with",
    )
    parser.add_argument(
        "--fold-time",
        metavar="TIME",
        help="with --score-every-case: for each of these models (default: that of --time)",
    )
    parser.add_argument(
        "--suggest", type=Path, metavar="SCANS", help="say which scan of a folder to label next, instead of learning"
    )
    parser.add_argument(
        "--no-names", action="store_true", help=f"with --suggest: print no scan's name, and answer in {SUGGESTION}"
    )
    add_run_options(parser)
    return parser
