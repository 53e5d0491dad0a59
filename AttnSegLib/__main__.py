"""The command line: `attnseg segment`, `cohort`, `models`, `collect`, `teach`, `networks` and `check`."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from AttnSegLib import __version__
from AttnSegLib.commands import models as model_commands
from AttnSegLib.commands.cohort import add_cohort_to
from AttnSegLib.commands.collect import add_collect_to
from AttnSegLib.commands.interrupts import CANCELLED, INTERRUPTED, interrupt_in_order, leave_at_once
from AttnSegLib.commands.progress import TerminalBar, progress_bar
from AttnSegLib.errors import InputError, printable
from AttnSegLib.images.planes import PLANES
from AttnSegLib.models import catalog

_BAD_INPUT = 2
_NOBODY_READS = 141  # and for a broken pipe
_SHOWN = 8  # slices to check, of which the report tells all


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C, 141 if nobody reads on."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows fewer letters than names have
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["teach"]:  # whose options are those of `training`
            from AttnSegLib.commands.teach import teach

            return teach(arguments[1:])
        options = _parser().parse_args(arguments)
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"Error: {printable(str(error))}", file=sys.stderr)
        return _BAD_INPUT
    except ImportError as error:
        if (error.name or "").split(".")[0] == "AttnSegLib":  # a fault of our own
            raise
        print(f"Error: {_missing(error)}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print(CANCELLED, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # such as of `attnseg models | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still wants to print
        return _NOBODY_READS


def _missing(error: ImportError) -> str:
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return f"{error}; 'attnseg check' tells what to do."
    package = error.name.split(".")[0]
    return f"The Python package '{package}' is missing: pip install {package}; 'attnseg check' looks further."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="attnseg", description="Segment organs with attention networks, and see where the network looked."
    )
    parser.add_argument("--version", action="version", version=f"attnseg {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_segment_to(commands)
    add_cohort_to(commands)

    models = commands.add_parser("models", help="list the models")
    models.set_defaults(run=_models)
    models.add_argument("--maps", action="store_true", help="also their most influential attention maps")
    models.add_argument("--all-maps", action="store_true", help="also all their attention maps")
    models.add_argument("--json", action="store_true", help="everything that is known of them, for programs")
    model_commands.add_to(models)

    collect = commands.add_parser("collect", help="keep labelled cases of your own, to teach a model")
    add_collect_to(collect)
    commands.add_parser("teach", help="teach a model from your own segmentations, in a time that you choose")

    networks = commands.add_parser("networks", help="list the networks, their size and cost")
    networks.add_argument("--baselines", action="store_true", help="also those that the papers only compare with")
    networks.add_argument("--bibtex", action="store_true", help="where all of them were published, as BibTeX, instead")
    networks.set_defaults(run=_networks)

    check = commands.add_parser("check", help="find out what is wrong with this installation")
    check.set_defaults(run=_check)
    return parser


def _add_segment_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    segment = commands.add_parser("segment", help="segment a volume; writes a folder of results")
    segment.set_defaults(run=_segment)
    segment.add_argument("image", type=Path, help="image file (NIfTI, NRRD, MetaImage) or folder of a DICOM series")
    segment.add_argument(
        "--model", required=True, action=_Once, help="id of a model ('attnseg models' lists them) or a model folder"
    )
    segment.add_argument(
        "--out", type=Path, required=True, help="folder for the results, or a file (.nii.gz, .seg.nrrd, .dcm)"
    )
    segment.add_argument("--format", default="seg.nrrd", help="seg.nrrd (default), nifti, nifti-per-segment, dicom-seg")
    segment.add_argument("--overwrite", action="store_true", help="replace results that the folder holds already")
    segment.add_argument(
        "--attention",
        action="append",
        metavar="MAP",
        help="attention map to write, such as 'gate 0,1'; may be repeated; or: default, all, none",
    )
    segment.add_argument(
        "--without",
        action="append",
        metavar="MAP",
        help="switch this attention map off, to see what it is good for; may be repeated; or: all",
    )
    segment.add_argument("--probabilities", action="store_true", help="write the probability of each segment, too")
    segment.add_argument("--level", type=int, help="prune an ANU-Net to level 1, 2 or 3: faster, less exact")
    segment.add_argument(
        "--flips",
        action="store_true",
        help="mean over flips, four times slower; if the model knows them",
    )
    segment.add_argument(
        "--plane",
        choices=PLANES,
        help="slices to take by the scan's header, instead of those of the model's card",
    )
    segment.add_argument("--series", metavar="NUMBER", help="DICOM series to take, if the folder holds several")
    segment.add_argument("--reference", type=Path, help="manual label map on the same grid, to compare with")
    segment.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    segment.add_argument(
        "--precision",
        default="auto",
        help="auto (default), float32, bfloat16, float16; int8: for labels alone, with --attention none",
    )
    segment.add_argument("--engine", default="auto", help="auto (default), torch, openvino")
    segment.add_argument("--batch-size", type=int, metavar="N", help="slices at once (default: what suits the device)")
    segment.add_argument(
        "--no-names", action="store_true", help="leave the image's name, which may be a patient's, out of report.json"
    )
    segment.add_argument(
        "--worker", action="store_true", help="predict in a process of its own, as the Slicer module does"
    )


class _Once(argparse.Action):
    """An option that may be given once only, so that no earlier value is lost in silence."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        value: Any,
        option: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest, None) is not None:
            raise InputError(f"Give {option} once; several models in one reading of a scan: 'attnseg cohort'.")
        setattr(namespace, self.dest, value)


def _segment(options: argparse.Namespace) -> int:
    leave_at_once()
    from AttnSegLib.commands.segment import SegmentRequest, segment_to_folder
    from AttnSegLib.inference.device import Compute

    interrupt_in_order()
    request = SegmentRequest(
        image=options.image,
        model=options.model,
        out=options.out,
        attention=tuple(options.attention or ["default"]),
        compute=Compute(options.device, options.batch_size, options.precision, options.engine),
        level=options.level,
        flips=options.flips,
        plane=options.plane,
        series=options.series,
        reference=options.reference,
        overwrite=options.overwrite,
        worker=options.worker,
        names=not options.no_names,
        without=tuple(options.without or ()),
        file_format=options.format,
        probabilities=options.probabilities,
    )
    with progress_bar(unit="slice") as bar:
        report = segment_to_folder(request, _Bar(bar), lambda notice: bar.say(f"Warning: {printable(notice)}"))
    _print_report(report, options.out)
    return 0


class _Bar:
    """Shows on a progress bar how far a prediction is."""

    def __init__(self, bar: TerminalBar):
        self._bar = bar

    def finished(self, _stored_indices: list[int], done: int, total: int) -> None:
        self._bar.show(done, total)

    def noticed(self, _sentence: str) -> None:
        """`segment` tells of notices."""

    def cancelled(self) -> bool:
        return False  # Ctrl-C comes as an exception


def _print_report(report: dict[str, Any], folder: Path) -> None:
    for part in report["segments"]:
        print(f"{part['name']}: {part['volume_ml']:.1f} mL in {part['slices']} slice{'s' * (part['slices'] != 1)}")
        scores = report.get("agreement_with_reference", {}).get(part["id"])
        if scores:
            values = []
            for name, value in scores.items():
                values.append(f"{name.replace('dice', 'Dice')} {value:.3f}")
            print(f"  against the reference: {', '.join(values)}")
    print(_slices_to_check(report))
    seconds = report["seconds"]
    print(f"Took {sum(seconds.values()):.1f} s, {seconds['predict']:.1f} s of it prediction on {report['device']}.")
    print(f"Results are in {printable(str(folder.resolve()))}{'/' * folder.is_dir()}")


def _slices_to_check(report: dict[str, Any]) -> str:
    found = [str(part["index"]) for part in report["slices_to_check"]]
    count = report["input"]["shape_kji"][report["slices"]["stored_axis_kji"]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    shown = f": {', '.join(found[:_SHOWN])}{more}, counted from 0, the most doubtful first" if found else ""
    empty = sum(part["is_empty"] for part in report["slices_to_check"])
    nothing = f" ({empty} of them without any segment)" if empty else ""
    return f"{len(found)} of {count} slices to check{nothing}{shown}."


def _models(options: argparse.Namespace) -> int:
    models, damaged = catalog.readable_models()
    for sentence in damaged:
        print(f"Warning: {sentence}", file=sys.stderr)
    if options.json:
        print(json.dumps([dataclasses.asdict(spec) for spec in models], indent=2, default=str))
        return 0
    if not models:
        print(catalog.NO_MODELS)
    width = max((len(spec.id) for spec in models), default=0)
    for finds, group in groupby(sorted(models, key=lambda spec: spec.finds), key=lambda spec: spec.finds):
        print(finds)
        for spec in group:
            print(f"  {spec.id:{width}}  {spec.title}; {spec.scores.told}; weights {spec.licence}")
            lines = model_commands.map_lines(spec, every=options.all_maps)
            for line in lines if options.maps or options.all_maps else ():
                print(f"      {line}")
    return 0


def _networks(options: argparse.Namespace) -> int:
    if options.bibtex:
        from AttnSegLib.networks.references import REFERENCES

        print("\n\n".join(reference.bibtex(name) for name, reference in REFERENCES.items()))
        return 0
    from AttnSegLib.networks.counted import networks_table

    print("\n".join(networks_table(baselines=options.baselines)))
    return 0


def _check(_options: argparse.Namespace) -> int:
    from AttnSegLib.inference.checks.self_check import check_setup

    findings = check_setup()
    for finding in findings:
        print(f"{'ok' if finding.ok else 'PROBLEM':8}{finding.name}: {finding.detail}")
        if not finding.ok:
            print(f"        cure: {finding.cure}")
    return 0 if all(finding.ok for finding in findings) else _BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
