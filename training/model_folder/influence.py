"""Measures how much attention matters: python -m training.model_folder.influence MODEL ... --root DATA --out FOLDER"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.card_file import CARD, load_card, write_card
from AttnSegLib.models.catalog import find_model
from AttnSegLib.models.influence import AttentionFacts, MapInfluence, default_maps
from training.scoring.attention.influence import (
    CaseInfluence,
    SwitchedOff,
    attention_facts,
    read_influences,
    write_influences,
)
from training.scoring.summary import markdown_table
from training.scoring.trust.measured import all_measured, once
from training.scoring.truth import Truth, Wanted, truth_of

_TABLE = "influence.csv"
_EPILOG = """
Each map is switched off in turn, and then all of them. Switched off means: every coefficient of a slice is replaced by
the mean of the slice; where a learnt weight gamma stands before the attention's branch, the branch is left out; where
self-attention has none, every place looks at all places alike.

FOLDER gets influence.csv for each model, a line for each case and map, and influence.md of all models in it, whenever
they were measured. influence: 1 - Dice of the label maps with the map and without it; Dice change: against the manual
label map, without the map less with it; mean over labels and standard deviation over patients; before post-processing.
A model that was measured on these cases before is not measured again: delete its folder for that.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.every < 1:
            raise InputError(f"--every must be 1 or more, not {options.every}.")
        for spec in [find_model(name) for name in options.models]:
            facts = _measured(spec, options)
            if options.on_card:
                _write_on_card(spec.folder, facts)
        print(write_influence_summary(options.out), end="")
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


def _write_on_card(folder: Path, facts: AttentionFacts) -> None:
    spec = load_card(folder / CARD)
    known = spec.size_bytes if spec.url else None  # if the weights lie beside the card, the reader finds it
    write_card(replace(with_influence(spec, facts), size_bytes=known), folder)


def with_influence(spec: ModelSpec, facts: AttentionFacts) -> ModelSpec:
    """The card with the measured influence. Its maps are sorted by influence, and those that are shown by default are
    chosen by `default_maps`, so that they matter if any map does."""
    measured = replace(spec, influence=facts, attention=default_maps(spec.attention, facts.maps))
    return replace(measured, facts=replace(spec.facts, maps=measured.maps_by_influence))


def write_influence_summary(folder: Path) -> str:
    """Write influence.md with all models that were measured in a folder, and return its table."""
    body: list[list[str]] = []
    for own in all_measured(folder):
        facts = attention_facts(read_influences(own / _TABLE))
        body += [[own.name, *_cells(one)] for one in (facts.together, *facts.maps)]
    head = ["model", "map", "influence", "Dice change", "stride", "gamma"]
    text = markdown_table(head, body, 2)
    (folder / "influence.md").write_text(text, encoding="utf-8")
    return text


def _cells(one: MapInfluence) -> list[str]:
    return [
        one.map,
        _spread(one.influence, one.influence_sd),
        _spread(one.dice_change, one.dice_change_sd, "+"),
        "" if one.stride is None else str(one.stride),
        "" if one.gamma is None else f"{one.gamma:+.3f}",
    ]


def _spread(mean: float, sd: float | None, sign: str = "") -> str:
    return f"{mean:{sign}z.3f}" + ("" if sd is None else f" ± {sd:.3f}")


def _measured(spec: ModelSpec, options: argparse.Namespace) -> AttentionFacts:
    if not spec.facts.maps:
        raise InputError(f"Model '{spec.id}' has no attention maps to switch off.")
    truth = truth_of(spec, options.root, Wanted(cases=tuple(options.case or ())))
    truth.check(spec)
    study = _Study(spec, truth, Compute(options.device, None, options.precision, "torch"), options.every)
    once(options.out / spec.id, spec.sha256, [case.id for case in truth.cases], study.write)
    facts = attention_facts(read_influences(options.out / spec.id / _TABLE))
    if facts.every != options.every:
        raise InputError(
            f"'{options.out / spec.id}' holds every {facts.every}. slice, not every {options.every}.; delete it."
        )
    return facts


class _Study:
    """The study of one model."""

    def __init__(self, spec: ModelSpec, truth: Truth, compute: Compute, every: int):
        self._spec, self._truth, self._compute, self._every = spec, truth, compute, every

    def write(self, folder: Path) -> None:
        """Measure the model, and write influence.csv into a folder."""
        switched_off = SwitchedOff(SlicePredictor.from_model(self._spec, self._compute), self._every)
        measured: list[CaseInfluence] = []
        for case in tqdm(self._truth.cases, unit="case", disable=None):
            measured += switched_off.measure(case.id, case.patient, self._truth.read(case))
        write_influences(folder / _TABLE, measured)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.model_folder.influence",
        description="Measure what changes when a model's attention is switched off.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="ids of models, or model folders")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument(
        "--case", action="append", metavar="ID", help="only this; may be repeated (default: test cases)"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th slice (default: all)")
    parser.add_argument("--on-card", action="store_true", help="also write it to the model's card, and order its maps")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: the best there is)")
    parser.add_argument("--precision", default="float32", help="float32 (default), bfloat16, auto")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
