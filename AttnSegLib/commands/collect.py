"""The parser of `attnseg collect`, whose commands make and change a collection of the user's own cases.

What the commands do is in `collecting`. It loads numpy, which the parser must not do, since it has to be fast.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_collect_to(collect: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `attnseg collect`."""
    actions = collect.add_subparsers(required=True, metavar="ACTION", dest="action")
    collect.set_defaults(run=_run)

    new = actions.add_parser("new", help="make a collection")
    new.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    new.add_argument("--name", required=True, help="what it is of, such as 'Prostate'")
    new.add_argument("--modality", required=True, help="CT or MR")
    segments = new.add_mutually_exclusive_group(required=True)
    segments.add_argument(
        "--segment",
        action="append",
        metavar="NAME[=CODE]",
        help="in the order of the values 1, 2, ... of label maps; with its SNOMED CT code, such as Prostate=41216001",
    )
    segments.add_argument("--like", metavar="MODEL", help="the segments of a model")

    for name, text in (("add", "add a case"), ("replace", "replace a case by a better one")):
        action = actions.add_parser(name, help=text)
        action.add_argument("folder", type=Path, metavar="FOLDER")
        if name == "replace":
            action.add_argument("number", type=int, metavar="NUMBER")
        action.add_argument("image", type=Path, metavar="IMAGE", help="the scan, as for 'attnseg segment'")
        action.add_argument("labels", type=Path, metavar="LABELS", help="its label map, on the same grid")
        action.add_argument("--slices", metavar="FIRST-LAST", help="only these slices count as labelled, from 0")
        action.add_argument("--without", action="append", default=[], metavar="SEGMENT", help="the scan has none of it")

    remove = actions.add_parser("remove", help="take a case out")
    remove.add_argument("folder", type=Path, metavar="FOLDER")
    remove.add_argument("number", type=int, metavar="NUMBER")

    listing = actions.add_parser("list", help="show the cases")
    listing.add_argument("folder", type=Path, metavar="FOLDER")

    zipping = actions.add_parser("zip", help="write one file, to train on another computer")
    zipping.add_argument("folder", type=Path, metavar="FOLDER")
    zipping.add_argument("file", type=Path, metavar="FILE.zip")


def _run(options: argparse.Namespace) -> int:
    from AttnSegLib.commands.collecting import ACTIONS

    return ACTIONS[options.action](options)
