"""Do networks look at the organ? python -m training.attention_study MODEL ... --root DATA --out FOLDER"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from AttnSegLib.errors import InputError
from AttnSegLib.inference.device import Compute
from AttnSegLib.inference.prediction import PredictionOptions
from AttnSegLib.inference.predictor import SlicePredictor
from AttnSegLib.inference.preprocess import SliceStack
from AttnSegLib.models.card import ModelSpec
from AttnSegLib.models.catalog import find_model
from training.scoring.attention.deletion import Deletion, Eraser, mean_dice, read_deletions, write_deletions
from training.scoring.attention.figures import MapsPicture, draw_deletions, draw_map_contrasts
from training.scoring.attention.scores import (
    BAND,
    NUMBERS,
    MapScore,
    mean_over_cases,
    read_map_scores,
    score_map,
    write_map_scores,
)
from training.scoring.summary import markdown_table
from training.scoring.trust.measured import all_measured, once
from training.scoring.truth import Truth, Wanted, truth_of

_SHOWN = 0.1  # share of blanked pixels in the table
_AT_ONCE = 8  # maps of a volume in memory
_MOST_MAPS = 17  # in a picture
_OTHERS = 5  # beside the default ones, of a network with more
_EPILOG = f"""
FOLDER gets, for each model, maps.csv, deletion.csv and maps-MODEL.png; and of all models in it, whenever they were
measured, summary.md and deletion.png. A model that was measured on these cases before is not measured again, and only
its pictures are drawn: delete its folder for that.

In the slices with the organ, on the volume's grid: mean coefficients inside the organ, on its boundary ({BAND:g} mm to
either side) and outside; spread: their standard deviation; contrast: chance that a pixel of the organ has a larger
coefficient than another, 0.5 saying nothing; edge: the same for the boundary; hits: how often the maximum of a slice
lies in the organ; chance: its share of the slice. Dice after {_SHOWN:.0%} of the pixels were blanked by the slice's
mean, for the maps that are shown by default: the most attended, the same mask moved to a random place, and the least
attended.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    pictures = options.pictures or options.out
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        for spec in [find_model(name) for name in options.models]:
            truth = truth_of(spec, options.root, Wanted(cases=tuple(options.case or ())))
            truth.check(spec)
            ids = [case.id for case in truth.cases]
            compute = Compute(options.device, None, "float32", "torch")  # the same numbers on all machines
            study, folder = _Study(spec, compute, truth, pictures), options.out / spec.id
            once(folder, spec.sha256, ids, study.write)
            study.draw(read_map_scores(folder / "maps.csv"))
        print(write_attention_summary(options.out, pictures), end="")
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


class _Study:
    """All of one model."""

    def __init__(self, spec: ModelSpec, compute: Compute, truth: Truth, pictures: Path):
        self._spec, self._compute, self._truth, self._pictures = spec, compute, truth, pictures
        self._predictor = SlicePredictor.from_model(spec, compute)

    def write(self, folder: Path) -> None:
        """Write maps.csv and deletion.csv."""
        scores: list[MapScore] = []
        deletions: list[Deletion] = []
        for case in tqdm(self._truth.cases, unit="case", disable=None):
            labelled = self._truth.read(case)
            volume, label_map = labelled
            stack = SliceStack.of(volume, self._predictor.preprocessing)
            eraser = Eraser(self._predictor, self._compute, labelled)
            for title, coefficients in self._maps(stack):
                scores.append(score_map(case.id, title, stack, coefficients, label_map > 0))
                if title in self._spec.attention:
                    deletions += eraser.curves(case.id, title, coefficients)
            deletions.append(Deletion(case.id, "", "", 0.0, eraser.untouched()))
        write_map_scores(folder / "maps.csv", scores)
        write_deletions(folder / "deletion.csv", deletions)

    def _maps(self, stack: SliceStack) -> Iterator[tuple[str, np.ndarray]]:
        """Title and coefficients (D, H, W) of all maps, some at a time: all of a large volume would fill the memory."""
        titles = self._predictor.attention_titles
        for first in range(0, len(titles), _AT_ONCE):
            options = PredictionOptions(attention=tuple(titles[first : first + _AT_ONCE]))
            yield from self._predictor.predict_stack(stack, options).attention.items()

    def _shown(self, means: dict[str, dict[str, float]]) -> tuple[str, ...]:
        """All maps, or of very many the default ones and those in which the organ stands out most."""
        if len(means) <= _MOST_MAPS:
            return tuple(means)
        others = sorted(means, key=lambda title: -abs(means[title]["inside"] - means[title]["outside"]))
        return tuple(dict.fromkeys([*self._spec.attention, *others]))[: len(self._spec.attention) + _OTHERS]

    def draw(self, scores: Sequence[MapScore]) -> None:
        """Write the picture of the maps."""
        volume, label_map = self._truth.read(self._truth.cases[0])
        means = mean_over_cases(scores)
        titles = self._shown(means)
        found = self._predictor.predict(volume, PredictionOptions(attention=titles))
        contrasts = {title: numbers["contrast"] for title, numbers in means.items()}
        title = f"{self._spec.title}: {self._truth.cases[0].id}"
        picture = MapsPicture(title, found.stack, label_map > 0, found.attention, contrasts)
        draw_map_contrasts(self._pictures / f"maps-{self._spec.id}.png", picture)


def write_attention_summary(folder: Path, pictures: Path) -> str:
    """Write summary.md and deletion.png of all models measured in a folder; returns the table."""
    body, drawn = [], {}
    for own in all_measured(folder):
        scores, deletions = read_map_scores(own / "maps.csv"), read_deletions(own / "deletion.csv")
        untouched = mean_dice(deletions, "", "", 0.0)
        curves = [one for one in deletions if one.map]
        drawn[own.name] = curves, untouched
        for title, means in mean_over_cases(scores).items():
            dice = [untouched, *(mean_dice(curves, title, kind, _SHOWN) for kind in ("most", "random", "least"))]
            cells = [f"{value:.2f}" for value in means.values()]
            body.append([own.name, title, *cells, *("" if np.isnan(dice[1]) else f"{value:.2f}" for value in dice)])
    head = ["model", "map", *NUMBERS, "Dice", "without most", "elsewhere", "without least"]
    text = markdown_table(head, body, 2)
    (folder / "summary.md").write_text(text, encoding="utf-8")
    draw_deletions(pictures / "deletion.png", drawn)
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.attention_study",
        description="Measure whether attention maps look at the organ, and whether the network needs what they show.",
        epilog=_EPILOG.replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="ids of models, or model folders")
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, as downloaded")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and pictures")
    parser.add_argument(
        "--case", action="append", metavar="ID", help="only this; may be repeated (default: test cases)"
    )
    parser.add_argument("--pictures", type=Path, help="folder for the pictures (default: --out)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: the best there is)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
