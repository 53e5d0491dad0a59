"""The command `attnseg cohort`: many scans in, a folder of results, a table and a page out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from AttnSegLib.commands.interrupts import INTERRUPTED, interrupt_in_order, leave_at_once
from AttnSegLib.errors import printable
from AttnSegLib.images.planes import PLANES

if TYPE_CHECKING:
    from AttnSegLib.cohort.run import CohortCount

_SOME_FAILED = 1


def add_cohort_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of `attnseg`."""
    cohort = commands.add_parser("cohort", help="segment many scans; writes folders of results, a table and a page")
    cohort.set_defaults(run=_cohort)
    cohort.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="SOURCE",
        help="folder that is searched (NIfTI, NRRD, MetaImage, DICOM, BIDS), image file, or list of cases (.csv, .tsv)",
    )
    cohort.add_argument(
        "--model",
        action="append",
        required=True,
        dest="cohort_models",
        metavar="MODEL",
        help="id or folder; may be repeated",
    )
    cohort.add_argument(
        "--out", type=Path, required=True, help="folder for all results; the same command goes on there"
    )
    cohort.add_argument("--match", metavar="PATTERN", help="only scans whose path fits, such as '*T2w*'")
    cohort.add_argument("--part", default="1/1", help="such as 3/10: the third tenth of the cases, for job arrays")
    cohort.add_argument(
        "--ray", metavar="ADDRESS", help="on a Ray cluster: auto (this machine's), local (a new one) or HOST:PORT"
    )
    cohort.add_argument("--attention", action="append", metavar="MAP", help="as for 'segment'")
    cohort.add_argument("--format", default="seg.nrrd", help="as for 'segment'")
    cohort.add_argument("--probabilities", action="store_true", help="as for 'segment'")
    cohort.add_argument("--level", type=int, help="prune ANU-Nets to level 1, 2 or 3")
    cohort.add_argument("--flips", action="store_true", help="mean over flips, four times slower")
    cohort.add_argument("--plane", choices=PLANES, help="slices to take, instead of those of the models' cards")
    cohort.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    cohort.add_argument(
        "--precision",
        default="auto",
        help="auto (default), float32, bfloat16, float16; int8: for labels alone, with --attention none",
    )
    cohort.add_argument("--engine", default="auto", help="auto (default), torch, openvino")
    cohort.add_argument("--batch-size", type=int, metavar="N", help="slices at once")
    cohort.add_argument("--no-names", action="store_true", help="leave the images' names out; cases keep theirs")


def _cohort(options: argparse.Namespace) -> int:
    leave_at_once()
    from AttnSegLib.cohort.cohort_folder import CohortSettings
    from AttnSegLib.cohort.run import CohortPart, CohortRequest, run_cohort
    from AttnSegLib.inference.device import Compute

    interrupt_in_order()
    request = CohortRequest(
        sources=tuple(options.sources),
        models=tuple(options.cohort_models),
        out=options.out,
        match=options.match,
        part=CohortPart.parse(options.part),
        ray=options.ray,
        compute=Compute(options.device, options.batch_size, options.precision, options.engine),
        settings=CohortSettings(
            attention=tuple(options.attention or ["default"]),
            level=options.level,
            flips=options.flips,
            plane=options.plane,
            file_format=options.format,
            probabilities=options.probabilities,
            names=not options.no_names,
        ),
    )
    try:
        count = run_cohort(request, _say)
    except KeyboardInterrupt:
        print("Cancelled; what is done is kept, and the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    _say_all(count, options.out)
    return _SOME_FAILED if count.failed else 0


def _say(line: str) -> None:
    print(printable(line), flush=True)


def _say_all(count: CohortCount, out: Path) -> None:
    before = f"{count.before} were done before, " * bool(count.before)
    again = "; the same command tries those again" * bool(count.failed)
    print(f"{before}{count.done} done now, {count.failed} failed{again}.")
    _say(f"The table is {out.resolve() / 'cohort.csv'}, the page {out.resolve() / 'cohort.html'}")
